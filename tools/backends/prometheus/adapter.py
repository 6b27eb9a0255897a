"""The Metrics port over the Prometheus HTTP API.

    query_range ──plan──> one or more grids ──POST──> matrices ──join──> Series (NaN where silent)
                                                          └─ warnings ──> Reading.warnings

An answer that is only part of the truth says so: what the server warned of (a store that did not
answer, a shortened result), values that were ±Inf, a window whose newest part is empty.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import structlog

from foundation.json_text import read_json
from foundation.shortened import shortened
from foundation.together import all_or_none
from tools.backends.condition import Condition
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.prometheus.joining import join, remarks, skewed
from tools.backends.prometheus.matrix import SeriesLimit, read
from tools.backends.prometheus.names import Names, ScrapeTarget
from tools.backends.prometheus.parting import Part, can_part, of_others, of_values, plan_parts
from tools.backends.prometheus.steps import Grid, plan
from tools.backends.transport import JsonBackend
from tools.errors import (
    AnswerTooLargeError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
)
from tools.ports import Clock, Health, MetricAbout, PartedReading, Reading
from tools.world import Labels, Window, labels_of

NAME = "prometheus"
JOIN_IN_THREAD_SAMPLES = 200_000  # fewer are joined faster than a thread is woken
PARTS_SERVE = timedelta(minutes=30)
LONGEST_TOLD = 1_000  # characters of a question, or of what a server says of it
MOST_COUNTED = 100_000  # values of the label that a question is parted by; a number each
SKEW_SECONDS = 120.0  # a difference of clocks worth telling
log = structlog.get_logger(__name__)


class Warned(NamedTuple):
    """One warning the server attached to an answer."""

    query: str
    text: str


class PlannedParts(NamedTuple):
    """How a question that is too large is parted: values of a label, a part of them at a time."""

    parts: list[Part]
    until: datetime  # world time; then it is planned anew


def explain(response: httpx.Response, body: bytes) -> BackendError | None:
    """Turn Prometheus's error body into an error, or None when it is not one."""
    try:
        answer = read_json(body)
        kind, text = str(answer["errorType"]), str(answer["error"])
    except (ValueError, KeyError, TypeError):
        return None
    if kind in {"timeout", "canceled"}:  # asking again would only add to the load
        return BackendUnavailableError(
            NAME, f"{kind}: {text}; ask for a shorter window, fewer series or a longer step"
        )
    if response.status_code in {400, 404, 422}:
        return BackendRefusedError(NAME, f"{kind}: {shortened(text, LONGEST_TOLD)}")
    return None


class Prometheus:
    """Reads metrics; changes nothing."""

    def __init__(
        self,
        config: PrometheusConfig,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        """With a `clock`, health compares the server's time with it."""
        self._config = config
        self._clock = clock
        self._skew = 0.0  # seconds the server is ahead of us, as last seen by health
        self._metricsql: bool | None = None  # not asked yet
        self._names = Names(config)
        self._http = JsonBackend(NAME, config, explain=explain, transport=transport)
        self.warnings: deque[Warned] = deque(maxlen=50)
        self._parts: dict[tuple[str, str], PlannedParts] = {}

    async def close(self) -> None:
        await self._http.close()
        self._names.close()

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> Reading:
        ours = self._config
        grids = plan(
            window,
            step,
            min_step_seconds=ours.min_step_seconds,
            max_points=ours.max_points,
            max_chunks=ours.max_chunks,
        )
        with self._as_documented():
            answers = await all_or_none(*(self._matrix(promql, grid) for grid in grids))
            samples = sum(len(row["values"]) for rows, _ in answers for row in rows)
            found = [rows for rows, _ in answers]
            if samples > JOIN_IN_THREAD_SAMPLES:
                series = await asyncio.to_thread(join, promql, grids, found)
            else:
                series = join(promql, grids, found)
            told = [text for _, texts in answers for text in texts]
            return Reading(series, [*told, *remarks(series, found, self._skew)])

    async def query_range_in_parts(
        self, promql: str, label: str, window: Window, step: timedelta
    ) -> PartedReading:
        """Evaluate a few values of one label at a time; how many is planned every half hour."""
        if not can_part(promql, label):
            raise self._too_many(promql, f"more than the limit, and {label!r} does not part them")
        planned, asked = self._parts.get((promql, label)), 0
        if planned is None or window.end >= planned.until:
            values = await self._counts(promql, label, window.end)
            asked += 1
            parts = plan_parts(values, self._config.max_series)
            planned = self._parts[promql, label] = PlannedParts(parts, window.end + PARTS_SERVE)
        queries = [of_values(promql, label, part) for part in planned.parts]
        queries.append(of_others(promql, label, planned.parts) if planned.parts else promql)
        try:
            answers = await all_or_none(*(self.query_range(q, window, step) for q in queries))
        except AnswerTooLargeError:
            del self._parts[promql, label]  # it grew: the next question plans anew
            raise
        whole = PartedReading(
            (series for answer in answers for series in answer),
            (text for answer in answers for text in answer.warnings),
        )
        whole.queries = asked + len(queries)
        return whole

    async def _counts(self, promql: str, label: str, at: datetime) -> dict[str, float]:
        """Return how many series each value of a label has; of values there may be many."""
        fields = {"query": f"count by ({label}) ({promql})", "time": _time(at.timestamp())}
        found, _ = await self._ask("/api/v1/query", fields, most=MOST_COUNTED)
        with self._as_documented():
            return {
                str(row["metric"].get(label, "")): _number(row["value"][1])
                for row in found["result"]
            }

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        found, _ = await self._ask(
            "/api/v1/query", {"query": promql, "time": _time(at.timestamp())}
        )
        with self._as_documented():
            if found["resultType"] in {"scalar", "string"}:
                return [((), _number(found["result"][1]))]
            self._check_size(promql, found["result"])
            return [  # a native histogram has no value
                (labels_of(row["metric"]), _number(row["value"][1]))
                for row in found["result"]
                if "value" in row
            ]

    def link(self, promql: str, window: Window) -> str:
        if self._config.grafana is not None:
            return self._config.grafana.link(promql, window)
        if not self._config.link_base:
            return ""
        seconds = max(1, math.ceil(window.duration.total_seconds()))
        fields = {
            "g0.expr": promql,
            "g0.tab": "0",
            "g0.range_input": f"{seconds}s",
            "g0.end_input": f"{window.end:%Y-%m-%d %H:%M:%S}",
        }
        return f"{self._config.link_base.rstrip('/')}/graph?{urlencode(fields)}"

    async def health(self) -> Health:
        try:
            answer = await self._http.ask(
                "POST", "/api/v1/query", {"query": "time()"}, attempts=1, counted=False
            )
        except BackendError as error:
            return self.condition.health(NAME, up=False, detail=str(error))
        self._skew = self._ahead(answer)
        detail = self._config.url
        if abs(self._skew) > SKEW_SECONDS:
            detail += f"; {skewed(self._skew)}"
        return self.condition.health(NAME, up=True, detail=detail)

    @property
    def condition(self) -> Condition:
        """How it is, learned from every call."""
        return self._http.condition

    async def metric_names(self) -> list[str]:
        return await self._names.label_values("__name__")

    async def label_values(self, label: str, selector: str = "") -> list[str]:
        """Return the values of one label, of the series a selector matches or of all."""
        return await self._names.label_values(label, selector)

    async def about(self, metric: str) -> MetricAbout | None:
        return await self._names.about(metric)

    async def every_about(self) -> list[MetricAbout]:
        """Return type, help and unit of every metric the server keeps them for."""
        return await self._names.every_about()

    async def targets(self) -> list[ScrapeTarget]:
        """Return what the server scrapes."""
        return await self._names.targets()

    async def speaks_metricsql(self) -> bool:
        """Say whether the server reads VictoriaMetrics' dialect: asked once, by using it."""
        if self._metricsql is None:
            try:
                await self._ask("/api/v1/query", {"query": "1 default 0"})
            except BackendRefusedError:
                self._metricsql = False
            else:
                self._metricsql = True
        return self._metricsql

    def _ahead(self, answer: Any) -> float:
        """Return how far the server's clock is ahead of ours; 0 when one of them is unknown."""
        if self._clock is None:
            return 0.0
        try:
            theirs = float(answer["data"]["result"][1])
        except (KeyError, IndexError, TypeError, ValueError):
            return 0.0
        return theirs - self._clock.now().timestamp()

    async def _matrix(self, promql: str, grid: Grid) -> tuple[list[dict[str, Any]], list[str]]:
        fields = {
            "query": promql,
            "start": _time(grid.start),
            "end": _time(grid.end),
            "step": f"{grid.step:g}",
        }
        found, told = await self._ask("/api/v1/query_range", fields, read)
        rows: list[dict[str, Any]] = found["result"]
        self._check_size(promql, rows)
        return rows, told

    async def _ask(
        self,
        path: str,
        fields: dict[str, str],
        read: Callable[[bytes], Any] = read_json,
        most: int | None = None,
    ) -> tuple[Any, list[str]]:
        """Return the answer's data and what the server warned of."""
        fields["timeout"] = f"{self._config.timeout_seconds:g}s"
        promql, most = fields["query"], self._config.max_series if most is None else most
        limit = SeriesLimit(most, lambda: self._too_many(promql, "more than the limit"))
        answer = await self._http.ask("POST", path, fields, read=read, watch=limit)
        if not isinstance(answer, dict) or "data" not in answer:
            raise self._unlike(shortened(str(answer), 80))
        with self._as_documented():
            told = [str(text) for text in [*answer.get("warnings", ()), *answer.get("infos", ())]]
        for text in told:
            self.warnings.append(Warned(promql, text))
            log.warning("prometheus.warned", query=promql, warning=text)
        return answer["data"], [f"{NAME} warns: {text}" for text in told]

    @contextmanager
    def _as_documented(self) -> Iterator[None]:
        """Tell an answer of another shape than the API documents as the backend's failure."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._unlike(f"{type(error).__name__}: {error}") from error

    def _unlike(self, why: str) -> BackendUnavailableError:
        return BackendUnavailableError(
            NAME,
            f"{self._config.url} answered JSON that is no Prometheus answer ({why}); check that "
            f"{self._config.section or NAME}.url points at the API itself",
        )

    def _check_size(self, promql: str, rows: list[Any]) -> None:
        if len(rows) > self._config.max_series:
            raise self._too_many(promql, f"{len(rows):,}")

    def _too_many(self, promql: str, count: str) -> AnswerTooLargeError:
        return AnswerTooLargeError(
            NAME,
            f"{shortened(promql, LONGEST_TOLD)!r} gives too many series ({count}; "
            f"{self._config.section or NAME}.max_series "
            f"is {self._config.max_series:,}); aggregate with sum by (label)(…), or take "
            "topk(20, …)",
        )


def _number(text: str) -> float:
    """Read a sample value: Prometheus writes +Inf, -Inf and NaN as words."""
    value = float(text)
    return value if math.isfinite(value) else math.nan


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
