"""The Logs port over the Loki HTTP API.

parts (service, level, text, trace) ──logql──> {service="…"} |~ "(?i)…"
a filter over much data? ──index/stats──> fits · narrowed to the newest part · refused with
                                          the largest services (index/volume) as advice
query_range, page after page from one end of the window, until the limit or the other end
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import structlog

from foundation.shortened import shortened
from foundation.together import all_or_none
from tools.backends.condition import Condition
from tools.backends.grafana import GrafanaExplore
from tools.backends.logql import (
    labelled_selector,
    level_filters,
    line_filter,
    meets,
    pattern_filter,
    selector,
    told_level,
    trace_filters,
    without_colours,
)
from tools.backends.transport import Connection, JsonBackend
from tools.errors import BackendError, BackendRefusedError, BackendUnavailableError
from tools.ports import Health, LogPage
from tools.units import format_value
from tools.world import LogLine, Window, labels_of

NAME = "loki"
log = structlog.get_logger(__name__)
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_TIES = 10  # lines asked beyond the limit, so that ties at the end do not cost a page
_LEAST_SHARE = 0.05  # of the window; what is narrower than this would mislead
LONGEST_LINE = 16_000  # characters of one that are kept; Loki's own default limit is 256 kB
_NAMED_LEVELS = 12  # of streams, in a note
_NAMED = 4  # of the largest services, in advice


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiConfig(Connection):
    """A connection, the names of the labels and what one search may cost."""

    service_label: str = "service"
    level_label: str = "level"
    page_size: int = 1_000  # lines per request; Loki's own limit is usually 5,000
    max_lines: int = 5_000  # of one search, whatever was asked
    max_scan_bytes: int = 5 * 1024**3  # a search in the text may read; 0: never ask the index
    grafana: GrafanaExplore | None = None  # where links lead; None: no links
    cluster: str = ""  # the cluster whose logs it keeps; empty: not known


MOST_LABELS = 50  # whose values are asked for when the store says how it labels

_SKEWED = (
    "{} lines carry a time outside of the window asked for and were left out: a machine that "
    "writes them has another clock"
)


class _Row(NamedTuple):
    at: int  # nanoseconds since 1970 UTC
    labels: dict[str, str]
    text: str


@dataclass(slots=True)
class _Collected:
    """What one query brought. Mutable on purpose: it lives inside one search."""

    lines: dict[tuple[int, str, str], LogLine] = field(default_factory=dict)
    strays: int = 0  # lines with a time that was not asked for


def _explain(response: httpx.Response, body: bytes) -> BackendError | None:
    if response.status_code in {400, 422}:  # Loki writes errors as plain text
        text = shortened(body, 400).strip()
        return BackendRefusedError(NAME, text or f"HTTP {response.status_code}")
    return None


class Loki:
    """Reads logs; changes nothing."""

    def __init__(
        self, config: LokiConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._config = config
        self._http = JsonBackend(NAME, config, explain=_explain, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    async def search(
        self,
        window: Window,
        *,
        service: str = "",
        text: str = "",
        pattern: str = "",
        level: str = "",
        trace_id: str = "",
        oldest_first: bool = False,
        limit: int = 200,
    ) -> LogPage:
        ours = self._config
        wanted = min(max(1, limit), ours.max_lines)
        ways, other = await self._levels(window, service, level)
        note = ""
        filtered = text or pattern or trace_id or any(way for _, way in ways)
        if filtered:  # without a filter Loki stops reading as soon as it has the lines
            streams = selector(ours.service_label, ours.level_label, service=service)
            streams = ways[0][0] if len(ways) == 1 else streams
            window, note = await self._affordable(streams, window, named=bool(service))
        asked = [streams + way + each for streams, way in ways for each in trace_filters(trace_id)]
        for coloured in (False, True):
            queries = [
                each + line_filter(text, coloured=coloured) + pattern_filter(pattern)
                for each in asked
            ]
            collected = await all_or_none(
                *(self._collect(q, window, wanted, oldest_first=oldest_first) for q in queries)
            )
            seen = {key: line for found in collected for key, line in found.lines.items()}
            if seen or not text:
                break  # colours between the words are looked past only where nothing is found
        strays = sum(found.strays for found in collected)
        keys = sorted(seen, key=lambda key: key[0], reverse=not oldest_first)
        lines = tuple(seen[key] for key in keys)
        cut = len(lines) > wanted or bool(note)
        notes = [note, other if not lines else "", _SKEWED.format(strays) if strays else ""]
        grafana = self._config.grafana
        return LogPage(
            lines[:wanted],
            truncated=cut,
            query=" or ".join(queries),
            note="; ".join(filter(None, notes)),
            link=grafana.link(queries[0], window) if grafana else "",
        )

    async def _levels(
        self, window: Window, service: str, level: str
    ) -> tuple[list[tuple[str, str]], str]:
        """Return the ways lines of a level are found, a selector and a filter each, and a note.

        Where the index has the level, its own values are asked for by what they mean. Streams
        without that label carry it beside each line, or in it.
        """
        label, name = self._config.service_label, self._config.level_label
        if not level:
            return [(selector(label, name, service=service), "")], ""
        values = await self._level_values(window, service)
        if values is None:  # it cannot be asked: take the label for given
            return [(selector(label, name, service=service, level=level), "")], ""
        own = [value for value in values if meets(value, level)]
        found = [(labelled_selector(label, name, own, service=service), "")] if own else []
        there = ", ".join(repr(value) for value in sorted(values)[:_NAMED_LEVELS])
        note = f"no stream's {name} means {level}; there are {there}" if values and not own else ""
        if values and service:
            return found or [(selector(label, name, service=service, level=level), "")], note
        bare = labelled_selector(label, name, (), service=service)
        return [*found, *((bare, way) for way in level_filters(level, name))], note

    async def _level_values(self, window: Window, service: str) -> list[str] | None:
        """Return the values that streams' level label has; None when the index cannot say."""
        ours = self._config
        streams = selector(ours.service_label, ours.level_label, service=service)
        path = f"/loki/api/v1/label/{ours.level_label}/values"
        try:
            answer = await self._http.ask("GET", path, {"query": streams, **_between(window)})
            return [str(value) for value in answer.get("data") or ()]
        except (BackendRefusedError, AttributeError, TypeError) as error:
            log.info("loki.levels_unavailable", why=str(error))
            return None

    async def label_values(self, window: Window) -> Mapping[str, tuple[str, ...]]:
        """Return each label that streams had in the window, with its values.

        Only the first `MOST_LABELS` by name are asked for: a store with more has labels of single
        requests. Raises BackendError.
        """
        between = _between(window)
        told = await self._http.ask("GET", "/loki/api/v1/labels", between)
        names = sorted(str(each) for each in told.get("data") or ())[:MOST_LABELS]
        found: dict[str, tuple[str, ...]] = {}
        for name in names:
            path = f"/loki/api/v1/label/{quote(name, safe='')}/values"
            answer = await self._http.ask("GET", path, between)
            found[name] = tuple(str(value) for value in answer.get("data") or ())
        return found

    async def health(self) -> Health:
        return await self._http.health("/ready")

    @property
    def condition(self) -> Condition:
        """How it is, learned from every call."""
        return self._http.condition

    # --- what a search would cost ---------------------------------------------------------

    async def _affordable(self, streams: str, window: Window, *, named: bool) -> tuple[Window, str]:
        """Return the part of the window that may be searched, and a note when it is not all."""
        allowed = self._config.max_scan_bytes
        size = await self._stored_bytes(streams, window) if allowed else 0
        if size <= allowed:
            return window, ""
        told, limit = format_value(size, "bytes"), format_value(allowed, "bytes")
        share = allowed / size
        if share < _LEAST_SHARE:
            fitting = format_value(window.duration.total_seconds() * share, "s")
            advice = "name a level" if named else f"name a service{await self._largest(window)}"
            raise BackendRefusedError(
                NAME,
                f"this search would read {told}, more than loki.max_scan_bytes ({limit}) allows; "
                f"{advice}, or ask for at most {fitting}",
            )
        narrow = Window.ending(window.end, window.duration * share)
        return narrow, (
            f"only searched since {narrow.start:%Y-%m-%dT%H:%M:%SZ}: the whole window holds {told}"
            f", more than loki.max_scan_bytes ({limit}) allows; "
            f"{'name a level' if named else 'name a service'} to reach further back"
        )

    async def _stored_bytes(self, streams: str, window: Window) -> float:
        """Return how much the index says the streams hold; 0 when it cannot say."""
        try:
            answer = await self._http.ask(
                "GET", "/loki/api/v1/index/stats", {"query": streams, **_between(window)}
            )
            return float(answer["bytes"])
        except (BackendRefusedError, KeyError, TypeError, ValueError) as error:
            log.info("loki.stats_unavailable", why=str(error))  # before Loki 2.8, or switched off
            return 0.0

    async def _largest(self, window: Window) -> str:
        label = self._config.service_label
        fields = {
            "query": f'{{{label}=~".+"}}',
            "targetLabels": label,
            "limit": str(_NAMED),
            **_between(window),
        }
        try:
            answer = await self._http.ask("GET", "/loki/api/v1/index/volume", fields)
            rows = [(row["metric"][label], float(row["value"][1])) for row in _result(answer)]
        except (BackendRefusedError, KeyError, TypeError, ValueError) as error:
            log.info("loki.volume_unavailable", why=str(error))
            return ""
        rows.sort(key=lambda row: -row[1])
        named = ", ".join(f"{name} {format_value(size, 'bytes')}" for name, size in rows[:_NAMED])
        return f" (the largest: {named})" if named else ""

    # --- pages ----------------------------------------------------------------------------

    async def _collect(
        self, query: str, window: Window, wanted: int, *, oldest_first: bool
    ) -> _Collected:
        """Ask page after page; one line more than wanted tells that there are more."""
        first, last = nanoseconds(window.start), nanoseconds(window.end)
        start, end = first, last
        found = _Collected()
        seen = found.lines
        more = True
        while more and len(seen) <= wanted and end > start:
            size = min(self._config.page_size, wanted + 1 - len(seen) + _TIES)
            answer = await self._page(query, start, end, size, oldest_first=oldest_first)
            rows = [row for row in answer if start <= row.at < end]
            found.strays += sum(not first <= row.at < last for row in answer)
            before = len(seen)
            for row in rows:
                key = (row.at, json.dumps(row.labels, sort_keys=True), row.text)
                seen[key] = self._line(row)
            more = len(answer) >= size
            grown = len(seen) > before
            # Lines of the same nanosecond may be cut by a page: ask for that instant again, and go
            # past it when it brought nothing new.
            if oldest_first:
                newest = max((row.at for row in rows), default=end)
                start = newest if grown else newest + 1
            else:
                oldest = min((row.at for row in rows), default=start)
                end = oldest + 1 if grown else oldest
        return found

    async def _page(
        self, query: str, start: int, end: int, limit: int, *, oldest_first: bool
    ) -> list[_Row]:
        fields = {
            "query": query,
            "start": str(start),
            "end": str(end),
            "limit": str(limit),
            "direction": "forward" if oldest_first else "backward",
        }
        answer = await self._http.ask("GET", "/loki/api/v1/query_range", fields)
        try:
            return list(_rows(_result(answer)))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise BackendUnavailableError(
                NAME,
                f"{self._config.url} answered JSON that holds no log lines "
                f"({type(error).__name__}: {error}); check that loki.url points at Loki itself",
            ) from error

    def _line(self, row: _Row) -> LogLine:
        return LogLine(
            at=_EPOCH + timedelta(microseconds=row.at // 1000),
            service=row.labels.get(self._config.service_label, ""),
            text=without_colours(shortened(row.text, LONGEST_LINE)),
            level=told_level(row.labels, self._config.level_label),
            labels=labels_of(row.labels),
        )


def _rows(streams: list[Mapping[str, Any]]) -> Iterator[_Row]:
    for stream in streams:
        shared = {str(name): str(value) for name, value in stream["stream"].items()}
        for at, text, *rest in stream["values"]:
            yield _Row(int(at), {**shared, **_metadata(rest)}, str(text))


def _metadata(rest: list[Any]) -> dict[str, str]:
    """Return a line's own labels: plain, or sorted into kinds where Loki is asked to."""
    if not rest or not isinstance(rest[0], Mapping):
        return {}
    found: dict[str, str] = {}
    for name, value in rest[0].items():
        found |= (
            {str(k): str(v) for k, v in value.items()}
            if isinstance(value, Mapping)
            else {str(name): str(value)}
        )
    return found


def _result(answer: Any) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = answer["data"]["result"]
    return found


def _between(window: Window) -> dict[str, str]:
    return {"start": str(nanoseconds(window.start)), "end": str(nanoseconds(window.end))}


def nanoseconds(at: datetime) -> int:
    """Return a time as Loki counts it."""
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
