"""The Traces port over the HTTP API that Jaeger's own page uses.

    find  GET /api/traces?service=…&start=…&end=…&minDuration=…&tags={"error":"true"}
    get   GET /api/traces/{id}       {"data": [{"spans": […], "processes": {"p1": …}}]}

Times are microseconds since 1970. Both answer whole traces, so what a search found is complete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from foundation.json_text import read_json
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

NAME = "jaeger"
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_MICROSECOND = timedelta(microseconds=1)
Json = Mapping[str, Any]


def _explain(response: httpx.Response, body: bytes) -> BackendError | None:
    try:
        text = "; ".join(str(each["msg"]) for each in read_json(body)["errors"])
    except (ValueError, KeyError, TypeError):
        return None
    return refusal(NAME, response.status_code, text)


class Jaeger(TraceStore):
    """Reads traces; changes nothing."""

    def __init__(
        self, config: TracingConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        super().__init__(
            NAME, config, explain=_explain, alive_path="/api/services", transport=transport
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
                "service": service,
                "start": str(_microseconds(window.start)),
                "end": str(_microseconds(window.end)),
                "limit": str(MOST_FOUND),
            }
            if minimum > timedelta(0):
                fields["minDuration"] = f"{minimum // _MICROSECOND}us"
            if errors_only:
                fields["tags"] = '{"error":"true"}'
            answer = await self._http.ask("GET", "/api/traces", fields)
            with self._reading():
                return [_head(_trace(row)) for row in answer["data"] or () if row["spans"]]

        return await slowest(ask, minimum_duration, limit)

    async def get(self, trace_id: str) -> Trace:
        wanted = checked_id(trace_id)
        answer = await self._by_id(trace_id, wanted)
        with self._reading():
            rows = [row for row in answer["data"] or () if row["spans"]]
            if rows:
                return _trace(rows[0])
        raise self._holds_nothing(trace_id)

    async def services(self) -> list[str]:
        answer = await self._http.ask("GET", "/api/services", {})
        with self._reading():
            return sorted(str(name) for name in answer["data"] or ())


def _head(trace: Trace) -> TraceHead:
    root = trace.root
    return TraceHead(
        id=trace.id,
        service=root.service,
        name=root.name,
        start=root.start,
        duration=root.duration,
        failed=any(span.failed for span in trace.spans),
    )


def _trace(row: Json) -> Trace:
    processes: Json = row.get("processes") or {}
    spans = [_span(each, processes) for each in row["spans"]]
    return Trace(str(row["traceID"]), tuple(sorted(spans, key=lambda span: span.start)))


def _span(row: Json, processes: Json) -> Span:
    process: Json = row.get("process") or processes.get(row.get("processID", "")) or {}
    tags = _tags(row.get("tags") or ())
    failed = tags.get("error", "").lower() == "true" or tags.get("otel.status_code") == "ERROR"
    message = tags.get("otel.status_description") or tags.get("error.message", "")
    return Span(
        id=str(row["spanID"]),
        parent=_parent(row.get("references") or (), row.get("parentSpanID")),
        service=ServiceName(str(process.get("serviceName") or "")),
        name=str(row.get("operationName") or ""),
        start=_EPOCH + timedelta(microseconds=int(row["startTime"])),
        duration=timedelta(microseconds=max(int(row["duration"]), 0)),
        failed=failed,
        message=message if failed else "",
        attributes=labels_of(tags),
    )


def _parent(references: Sequence[Json], old: str | None) -> str:
    """Return the caller: CHILD_OF before FOLLOWS_FROM; `parentSpanID` is the older way."""
    ranked = sorted(references, key=lambda each: each.get("refType") != "CHILD_OF")
    return str(ranked[0]["spanID"]) if ranked else str(old or "")


def _tags(tags: Sequence[Json]) -> dict[str, str]:
    return {str(tag["key"]): str(tag.get("value", "")) for tag in tags}


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND
