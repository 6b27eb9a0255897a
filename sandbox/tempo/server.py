"""The Tempo HTTP API: search, traces by id, tag values, echo.

Errors are plain text, as Tempo's are. Ids inside a trace are base64, ids of traces hexadecimal.
"""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from aiohttp import web

from sandbox.clock import Clock
from sandbox.listening import Listening
from sandbox.tempo.calls import Span
from sandbox.tempo.traceql import Query, TraceQLError, parse
from sandbox.tempo.traces import Trace

DEFAULT_LIMIT, MAX_LIMIT = 20, 1000
MAX_WINDOW_SECONDS = 168 * 3600.0
_TRACE_ID = re.compile(r"[0-9a-fA-F]{1,32}")
Json = dict[str, Any]


class _BadRequestError(ValueError):
    """What the caller sent cannot be read."""


class Source(Protocol):
    """Where traces are: generated ones, or those that somebody put there."""

    def backward(self, start: float, end: float, now: float) -> Iterator[Trace]:
        """Yield the traces that began in [start, end) and have ended, about newest first."""
        ...

    def find(self, trace_id: str, now: float) -> Trace | None:
        """Return the trace with this id, or None."""
        ...

    def services(self) -> Iterable[str]:
        """Return the names of the services that spans tell of."""
        ...


class TempoServer(Listening):
    """One API over traces."""

    def __init__(self, traces: Source, clock: Clock, before: Callable[[], None]) -> None:
        """Answer from `traces` up to the clock's now; `before` runs ahead of every answer."""
        super().__init__("tempo")
        self._traces = traces
        self._clock = clock
        self._before = before

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application()
        app.router.add_get("/api/search", self._door(self._search))
        app.router.add_get("/api/traces/{id}", self._door(self._by_id))
        app.router.add_get("/api/v2/traces/{id}", self._door(self._by_id_wrapped))
        app.router.add_get("/api/v2/search/tag/{tag}/values", self._door(self._values))
        app.router.add_get("/api/echo", _echo)
        app.router.add_get("/ready", _ready)
        await self._listen(app, host, port)

    def _door(
        self, answer: Callable[[Mapping[str, str]], Json | None]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            self._before()
            form = dict(request.query) | dict(request.match_info)
            loop = asyncio.get_running_loop()
            try:
                body = await loop.run_in_executor(self._worker, answer, form)
            except (TraceQLError, _BadRequestError) as error:
                return web.Response(status=400, text=str(error))
            if body is None:
                return web.Response(status=404, text="trace not found")
            return web.json_response(body)

        return handle

    def _search(self, form: Mapping[str, str]) -> Json:
        query = parse(form.get("q", "{}"))
        now = self._clock.now()
        end = min(_number(form, "end", now), now)
        start = _number(form, "start", end - 3600.0)
        if end - start > MAX_WINDOW_SECONDS:
            message = f"range specified by start and end exceeds 168h0m0s. received {start=} {end=}"
            raise _BadRequestError(message)
        limit = _whole(form, "limit", DEFAULT_LIMIT, MAX_LIMIT)
        most = _whole(form, "spss", 3, 100)
        found: list[Json] = []
        inspected = 0
        for trace in self._traces.backward(start, end, now):
            inspected += 1
            matched = [span for span in trace.spans if query.accepts(span)]
            if matched:
                found.append(_head(trace, matched, most, query))
            if len(found) >= limit:
                break
        return {"traces": found, "metrics": {"inspectedTraces": inspected}}

    def _by_id(self, form: Mapping[str, str]) -> Json | None:
        wanted = form["id"].lower()
        if not _TRACE_ID.fullmatch(wanted):
            raise _BadRequestError("trace IDs can only contain hex characters")
        trace = self._traces.find(wanted, self._clock.now())
        if trace is None:
            return None
        return {"batches": _batches(trace)}

    def _by_id_wrapped(self, form: Mapping[str, str]) -> Json | None:
        found = self._by_id(form)
        return None if found is None else {"trace": {"resourceSpans": found["batches"]}}

    def _values(self, form: Mapping[str, str]) -> Json:
        if form["tag"] not in {"resource.service.name", ".service.name"}:
            return {"tagValues": []}
        names = self._traces.services()
        return {"tagValues": [{"type": "string", "value": name} for name in names]}


def _head(trace: Trace, matched: list[Span], most: int, query: Query) -> Json:
    root = trace.root
    head: Json = {
        "traceID": trace.id.lstrip("0"),
        "rootServiceName": root.service,
        "rootTraceName": root.name,
        "startTimeUnixNano": _nano(root.start),
        "spanSets": [
            {"spans": [_found(each, query) for each in matched[:most]], "matched": len(matched)}
        ],
    }
    milliseconds = int(root.seconds * 1000)
    return {**head, "durationMs": milliseconds} if milliseconds else head


def _found(span: Span, query: Query) -> Json:
    row: Json = {
        "spanID": span.id,
        "startTimeUnixNano": _nano(span.start),
        "durationNanos": str(round(span.seconds * 1e9)),
    }
    if "status" in query.selected:
        status = "error" if span.failure else "unset"
        row["attributes"] = [{"key": "status", "value": {"stringValue": status}}]
    return row


def _batches(trace: Trace) -> list[Json]:
    by_service: dict[str, list[Span]] = {}
    for span in trace.spans:
        by_service.setdefault(span.service, []).append(span)
    return [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
            },
            "scopeSpans": [{"scope": {"name": service}, "spans": [_span(trace, s) for s in spans]}],
        }
        for service, spans in by_service.items()
    ]


def _span(trace: Trace, span: Span) -> Json:
    row: Json = {
        "traceId": _base64(trace.id),
        "spanId": _base64(span.id),
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": _nano(span.start),
        "endTimeUnixNano": _nano(span.end),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in span.attributes],
        "status": {"code": "STATUS_CODE_ERROR", "message": span.failure} if span.failure else {},
    }
    return {**row, "parentSpanId": _base64(span.parent)} if span.parent else row


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _nano(seconds: float) -> str:
    return str(round(seconds * 1e9))


def _number(form: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(form.get(name) or default)
    except ValueError as error:
        message = f"invalid {name}: {form[name]!r} is not seconds since 1970"
        raise _BadRequestError(message) from error


def _whole(form: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = form.get(name, str(default))
    if not text.isdigit() or not 0 < int(text) <= most:
        message = f"invalid {name}: must be a positive number up to {most}, got {text!r}"
        raise _BadRequestError(message)
    return int(text)


async def _echo(_: web.Request) -> web.Response:
    return web.Response(text="echo")


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="ready\n")
