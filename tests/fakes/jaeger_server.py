"""A server that answers as Jaeger's query service does, from traces in memory.

The shapes are those of Jaeger's own documentation: {"data": […], "total": 0, "errors": null}, times
in microseconds, services in `processes`, callers in `references`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tools.tracing import Span, Trace

EPOCH = datetime.fromtimestamp(0, tz=UTC)
_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}


def _micro(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


class JaegerServer:
    """Serves what it was given; `asked` holds the queries."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        self.traces = list(traces)
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        _, what, *rest = request.path.strip("/").split("/")
        if what == "services":
            return self._services()
        return self._get(rest[0]) if rest else self._find(request)

    def _find(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        if "service" not in asked:
            return _errors(400, "parameter 'service' is required")
        low, high = int(asked["start"]), int(asked["end"])
        least = _duration(asked.get("minDuration", "0us"))
        tags = json.loads(asked.get("tags", "{}"))
        found = [
            trace
            for trace in self.traces
            if any(
                each.service == asked["service"]
                and low <= _micro(each.start - EPOCH) <= high
                and _micro(each.duration) >= least
                and (each.failed or tags.get("error") != "true")
                for each in trace.spans
            )
        ]
        newest = sorted(found, key=lambda trace: trace.spans[0].start, reverse=True)
        return _data([_row(trace) for trace in newest[: int(asked.get("limit", "20"))]])

    def _get(self, wanted: str) -> web.Response:
        found = [_row(trace) for trace in self.traces if trace.id == wanted]
        return _data(found) if found else _errors(404, "trace not found")

    def _services(self) -> web.Response:
        return _data(sorted({str(each.service) for t in self.traces for each in t.spans}))


def _duration(text: str) -> int:
    unit = next(u for u in ("us", "ms", "s") if text.endswith(u))
    return round(float(text.removesuffix(unit)) * _UNITS[unit])


def _data(data: list[Any]) -> web.Response:
    return web.json_response({"data": data, "total": 0, "limit": 0, "offset": 0, "errors": None})


def _errors(status: int, message: str) -> web.Response:
    errors = [{"code": status, "msg": message}]
    return web.json_response({"data": None, "total": 0, "errors": errors}, status=status)


def _row(trace: Trace) -> dict[str, Any]:
    names = {each.service: f"p{k}" for k, each in enumerate(trace.spans, 1)}
    return {
        "traceID": trace.id,
        "spans": [_span(trace, each, names[each.service]) for each in trace.spans],
        "processes": {p: {"serviceName": s, "tags": []} for s, p in names.items()},
        "warnings": None,
    }


def _span(trace: Trace, each: Span, process: str) -> dict[str, Any]:
    tags: list[dict[str, Any]] = [{"key": "span.kind", "type": "string", "value": "server"}]
    if each.failed:
        tags.append({"key": "error", "type": "bool", "value": True})
        tags.append({"key": "otel.status_description", "type": "string", "value": each.message})
    caller = {"refType": "CHILD_OF", "traceID": trace.id, "spanID": each.parent}
    follower = {"refType": "FOLLOWS_FROM", "traceID": trace.id, "spanID": "elsewhere"}
    return {
        "traceID": trace.id,
        "spanID": each.id,
        "operationName": each.name,
        "references": [follower, caller] if each.parent else [],
        "startTime": _micro(each.start - EPOCH),
        "duration": _micro(each.duration),
        "tags": tags,
        "logs": [],
        "processID": process,
        "warnings": None,
    }
