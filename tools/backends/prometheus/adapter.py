"""The Metrics port over the Prometheus HTTP API.

    query_range ──plan──> one or more grids ──POST──> matrices ──join──> Series (NaN where silent)

`warnings` of the server (a store that did not answer, a shortened result) are kept: an answer that
is only part of the truth must be able to say so.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import numpy as np
import structlog

from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.prometheus.matrix import read
from tools.backends.prometheus.steps import Grid, plan
from tools.backends.transport import JsonBackend
from tools.errors import (
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
    BadArgumentError,
)
from tools.ports import Health
from tools.world import Floats, Labels, Series, Window, labels_of

NAME = "prometheus"
log = structlog.get_logger(__name__)


class Warned(NamedTuple):
    """One warning the server attached to an answer."""

    query: str
    text: str


def explain(response: httpx.Response, body: bytes) -> BackendError | None:
    """Turn Prometheus's error body into an error, or None when it is not one."""
    try:
        answer = json.loads(body)
        kind, text = str(answer["errorType"]), str(answer["error"])
    except (ValueError, KeyError, TypeError):
        return None
    if kind in {"timeout", "canceled"}:  # asking again would only add to the load
        return BackendUnavailableError(
            NAME, f"{kind}: {text}; ask for a shorter window, fewer series or a longer step"
        )
    if response.status_code in {400, 404, 422}:
        return BackendRefusedError(NAME, f"{kind}: {text}")
    return None


class Prometheus:
    """Reads metrics; changes nothing."""

    def __init__(
        self, config: PrometheusConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._config = config
        self._http = JsonBackend(NAME, config, explain=explain, transport=transport)
        self.warnings: deque[Warned] = deque(maxlen=50)

    async def close(self) -> None:
        await self._http.close()

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        ours = self._config
        grids = plan(
            window,
            step,
            min_step_seconds=ours.min_step_seconds,
            max_points=ours.max_points,
            max_chunks=ours.max_chunks,
        )
        answers = await asyncio.gather(*(self._matrix(promql, grid) for grid in grids))
        return _join(promql, grids, answers)

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        found = await self._ask("/api/v1/query", {"query": promql, "time": _time(at.timestamp())})
        if found["resultType"] in {"scalar", "string"}:
            return [((), _number(found["result"][1]))]
        self._check_size(promql, found["result"])
        return [(labels_of(row["metric"]), _number(row["value"][1])) for row in found["result"]]

    def link(self, promql: str, window: Window) -> str:
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
            fields = {"query": "vector(1)"}
            await self._http.ask("POST", "/api/v1/query", fields, attempts=1)
        except BackendError as error:
            return Health(NAME, up=False, detail=str(error))
        return Health(NAME, up=True, detail=self._config.url)

    async def _matrix(self, promql: str, grid: Grid) -> list[dict[str, Any]]:
        fields = {
            "query": promql,
            "start": _time(grid.start),
            "end": _time(grid.end),
            "step": f"{grid.step:g}",
        }
        found = await self._ask("/api/v1/query_range", fields, read)
        rows: list[dict[str, Any]] = found["result"]
        self._check_size(promql, rows)
        return rows

    async def _ask(
        self, path: str, fields: dict[str, str], read: Callable[[bytes], Any] = json.loads
    ) -> Any:
        fields["timeout"] = f"{self._config.timeout_seconds:g}s"
        answer = await self._http.ask("POST", path, fields, read=read)
        for text in [*answer.get("warnings", ()), *answer.get("infos", ())]:
            self.warnings.append(Warned(fields["query"], str(text)))
            log.warning("prometheus.warned", query=fields["query"], warning=str(text))
        return answer["data"]

    def _check_size(self, promql: str, rows: list[Any]) -> None:
        if len(rows) > self._config.max_series:
            raise BadArgumentError(
                f"{promql!r} gives {len(rows):,} series, the limit is {self._config.max_series:,}; "
                "aggregate with sum by (label)(…), or take topk(20, …)"
            )


def _join(promql: str, grids: list[Grid], answers: list[list[dict[str, Any]]]) -> list[Series]:
    """Put the chunks' samples on one grid; a sample that is absent stays NaN."""
    first, step = grids[0].start, grids[0].step
    points = sum(grid.points for grid in grids)
    times: Floats = first + np.arange(points, dtype=np.float64) * step
    values: dict[Labels, Floats] = {}
    names: dict[Labels, str] = {}
    for rows in answers:
        for row in rows:
            labels = dict(row["metric"])
            name = labels.pop("__name__", "")
            key = labels_of({**labels, "__name__": name})
            target = values.setdefault(key, np.full(points, np.nan))
            names[key] = name
            samples = row.get("values")
            if samples is not None and samples.size:
                index = np.rint((samples[:, 0] - first) / step).astype(int)
                inside = (index >= 0) & (index < points)
                target[index[inside]] = samples[inside, 1]
    return [
        Series(
            metric=names[key] or promql,
            labels=tuple(pair for pair in key if pair[0] != "__name__"),
            times=times,
            values=values[key],
            step_seconds=step,
        )
        for key in sorted(values)
    ]


def _number(text: str) -> float:
    """Read a sample value: Prometheus writes +Inf, -Inf and NaN as words."""
    value = float(text)
    return value if math.isfinite(value) else math.nan


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"
