"""The Traces port over Grafana Tempo's HTTP API.

find  GET /api/search?q={ resource.service.name = "…" && duration >= … }   TraceQL from parts
get   GET /api/traces/{id}       OpenTelemetry's JSON: resource → scope → spans
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from foundation.shortened import shortened
from tools.backends.logql import quoted
from tools.backends.tracing import (
    MOST_FOUND,
    TraceStore,
    TracingConfig,
    checked_id,
    refusal,
    slowest,
)
from tools.errors import BackendError
from tools.tracing import Span, Trace, TraceHead
from tools.world import ServiceName, Window, labels_of

NAME = "tempo"
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
Json = Mapping[str, Any]


def traceql(service: str, minimum: timedelta, *, errors_only: bool) -> str:
    """Build a query from its parts; the service is always a quoted literal."""
    parts = [f"resource.service.name = {quoted(service)}"]
    if minimum > timedelta(0):
        parts.append(f"duration >= {minimum // timedelta(microseconds=1)}us")
    if errors_only:
        parts.append("status = error")
    return "{ " + " && ".join(parts) + " } | select(status)"


def _explain(response: httpx.Response, body: bytes) -> BackendError | None:
    text = shortened(body, 400).strip()  # Tempo writes errors as plain text
    return refusal(NAME, response.status_code, text)


class Tempo(TraceStore):
    """Reads traces; changes nothing."""

    def __init__(
        self, config: TracingConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(
            NAME, config, explain=_explain, alive_path="/api/echo", transport=transport
        )

    async def find(
        self,
        service: str,
        window: Window,
        *,
        minimum_duration: timedelta = timedelta(0),
        errors_only: bool = False,
        limit: int = 20,
    ) -> list[TraceHead]:
        async def ask(minimum: timedelta) -> list[TraceHead]:
            fields = {
                "q": traceql(service, minimum, errors_only=errors_only),
                "start": str(int(window.start.timestamp())),
                "end": str(int(window.end.timestamp()) + 1),
                "limit": str(MOST_FOUND),
                "spss": "1",  # spans per trace that come back: one tells whether it failed
            }
            answer = await self._http.ask("GET", "/api/search", fields)
            with self._reading():
                return [_head(row) for row in answer.get("traces") or ()]

        return await slowest(ask, minimum_duration, limit)

    async def get(self, trace_id: str) -> Trace:
        wanted = checked_id(trace_id)
        answer = await self._by_id(trace_id, wanted)
        with self._reading():
            batches = answer.get("batches") or (answer.get("trace") or answer).get("resourceSpans")
            spans = sorted(_spans(batches or ()), key=lambda span: span.start)
        if not spans:
            raise self._holds_nothing(trace_id)
        return Trace(wanted, tuple(spans))

    async def services(self) -> list[str]:
        path = f"/api/v2/search/tag/{quote('resource.service.name')}/values"
        answer = await self._http.ask("GET", path, {})
        with self._reading():
            return sorted(str(row["value"]) for row in answer.get("tagValues") or ())


def _head(row: Json) -> TraceHead:
    sets = row.get("spanSets") or [row.get("spanSet") or {}]
    status = {
        _text(each.get("value"))
        for group in sets
        for span in group.get("spans") or ()
        for each in span.get("attributes") or ()
        if each.get("key") == "status"
    }
    return TraceHead(
        id=_whole(str(row["traceID"])),
        service=ServiceName(str(row.get("rootServiceName") or "")),
        name=str(row.get("rootTraceName") or ""),
        start=_time(row["startTimeUnixNano"]),
        duration=timedelta(milliseconds=int(row.get("durationMs") or 0)),  # absent below 1 ms
        failed="error" in status,
    )


def _whole(trace_id: str) -> str:
    """Return an id with the leading zeros that a search leaves out, as log lines hold it."""
    return trace_id.zfill(16 if len(trace_id) <= 16 else 32)


def _spans(batches: Sequence[Json]) -> Iterator[Span]:
    for batch in batches:
        resource = _attributes(batch.get("resource") or {})
        service = ServiceName(resource.get("service.name", ""))
        scopes = batch.get("scopeSpans") or batch.get("instrumentationLibrarySpans") or ()
        for scope in scopes:
            for span in scope.get("spans") or ():
                start, end = _time(span["startTimeUnixNano"]), _time(span["endTimeUnixNano"])
                status = span.get("status") or {}
                yield Span(
                    id=str(span["spanId"]),
                    parent=str(span.get("parentSpanId") or ""),
                    service=service,
                    name=str(span.get("name") or ""),
                    start=start,
                    duration=max(end - start, timedelta(0)),
                    failed=status.get("code") in {"STATUS_CODE_ERROR", 2},
                    message=str(status.get("message") or ""),
                    attributes=labels_of(_attributes(span)),
                )


def _attributes(holder: Json) -> dict[str, str]:
    return {str(e["key"]): _text(e.get("value")) for e in holder.get("attributes") or ()}


def _text(value: Json | None) -> str:
    """Return an OpenTelemetry AnyValue as text; it holds one member named after its type."""
    return str(next(iter(value.values()), "")) if value else ""


def _time(nanoseconds: str | int) -> datetime:
    return _EPOCH + timedelta(microseconds=int(nanoseconds) / 1000)
