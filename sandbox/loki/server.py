"""The Loki HTTP API: query, query_range, labels, values, series, index stats and volume, ready.

A line's trace is its structured metadata: filters see it as a label and streams carry it.
Errors are plain text with status 400, as Loki's are.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from sandbox.clock import Clock
from sandbox.listening import Listening
from sandbox.loki.lines import Line, Logs
from sandbox.loki.logql import LogQLError, LogQuery, MetricQuery, parse
from sandbox.prometheus.answers import seconds
from sandbox.prometheus.errors import BadDataError
from sandbox.prometheus.numbers import text
from sandbox.prometheus.parameters import duration, moment

MAX_LINES = 5000
MAX_STEPS = 11_000
MAX_WINDOW_SECONDS = 30.0 * 86400 + 3600
_SAMPLES, _SAMPLE_SECONDS = 4, 300.0  # of a window whose size is asked for
_NANOSECONDS_FROM = 1e14  # larger numbers are nanoseconds, smaller ones seconds
Json = dict[str, Any]
Labels = tuple[tuple[str, str], ...]


class LokiServer(Listening):
    """One API over generated lines."""

    def __init__(self, logs: Logs, clock: Clock, before: Callable[[], None]) -> None:
        """Answer from `logs` up to the clock's now; `before` runs ahead of every answer."""
        super().__init__("loki")
        self._logs = logs
        self._clock = clock
        self._before = before

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application()
        for path, answer in (
            ("/loki/api/v1/query_range", self._query_range),
            ("/loki/api/v1/query", self._query),
            ("/loki/api/v1/labels", self._labels),
            ("/loki/api/v1/label/{name}/values", self._label_values),
            ("/loki/api/v1/series", self._series),
            ("/loki/api/v1/index/volume", self._volume),
        ):
            app.router.add_route("GET", path, self._door(answer))
            app.router.add_route("POST", path, self._door(answer))
        app.router.add_get("/loki/api/v1/index/stats", self._door(self._stats, wrapped=False))
        app.router.add_get("/ready", _ready)
        await self._listen(app, host, port)

    def _door(
        self, answer: Callable[[Mapping[str, str]], Any], *, wrapped: bool = True
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            self._before()
            form = dict(request.query)
            if request.method == "POST":
                posted = await request.post()
                form |= {key: value for key, value in posted.items() if isinstance(value, str)}
            form |= dict(request.match_info)
            loop = asyncio.get_running_loop()
            try:
                body = await loop.run_in_executor(self._worker, answer, form)
            except (LogQLError, BadDataError) as error:
                return web.Response(status=400, text=str(error))
            return web.json_response({"status": "success", "data": body} if wrapped else body)

        return handle

    def _window(self, form: Mapping[str, str]) -> tuple[float, float]:
        now = self._clock.now()
        end = _time(form, "end", now)
        start = _time(form, "start", end - 3600.0)
        if end < start:
            msg = (
                f"end timestamp must not be before or equal to start time: start {start}, end {end}"
            )
            raise BadDataError(msg)
        if end - start > MAX_WINDOW_SECONDS:
            msg = "the query time range exceeds the limit (limit: 30d1h)"
            raise BadDataError(msg)
        return start, end

    def _query_range(self, form: Mapping[str, str]) -> Json:
        query = parse(form.get("query", ""))
        start, end = self._window(form)
        if isinstance(query, LogQuery):
            return self._streams(query, start, end, form)
        step = duration(form, "step") / 1000 if form.get("step") else max(1.0, (end - start) // 250)
        if step <= 0 or (end - start) / step > MAX_STEPS:
            msg = "exceeded maximum resolution of 11,000 points per series; try a larger step"
            raise BadDataError(msg)
        moments = [start + index * step for index in range(int((end - start) / step) + 1)]
        rows = self._counted(query, moments)
        result = [
            {
                "metric": dict(labels),
                "values": [[seconds(round(at * 1000)), text(n)] for at, n in counts if n > 0],
            }
            for labels, counts in rows
        ]
        return {"resultType": "matrix", "result": result, "stats": {}}

    def _query(self, form: Mapping[str, str]) -> Json:
        query = parse(form.get("query", ""))
        at = _time(form, "time", self._clock.now())
        if isinstance(query, LogQuery):
            return self._streams(query, at - 3600.0, at, form)
        result = [
            {"metric": dict(labels), "value": [seconds(round(at * 1000)), text(counts[0][1])]}
            for labels, counts in self._counted(query, [at])
        ]
        return {"resultType": "vector", "result": result, "stats": {}}

    def _streams(self, query: LogQuery, start: float, end: float, form: Mapping[str, str]) -> Json:
        limit = _limit(form)
        direction = form.get("direction", "backward").lower()
        if direction not in {"backward", "forward"}:
            msg = f"invalid direction {direction!r}: use backward or forward"
            raise BadDataError(msg)
        reach = self._logs.backward if direction == "backward" else self._logs.forward
        streams: dict[Labels, list[list[str]]] = {}
        taken = 0
        for line in reach(query.accepts, *self._lived(start, end)):
            labels = _with_metadata(line)
            if not query.passes(line.text, labels):
                continue
            rows = streams.setdefault(tuple(sorted(labels.items())), [])
            rows.append([str(line.at_ns), line.text])
            taken += 1
            if taken >= limit:
                break
        result = [{"stream": dict(key), "values": rows} for key, rows in streams.items()]
        return {"resultType": "streams", "result": result, "stats": {}}

    def _lived(self, start: float, end: float) -> tuple[float, float]:
        """Cut a window to what has happened: from the history's start to now."""
        return max(start, self._logs.origin), min(end, self._clock.now())

    def _counted(
        self, query: MetricQuery, moments: list[float]
    ) -> list[tuple[Labels, list[tuple[float, float]]]]:
        begin, end = self._lived(moments[0] - query.window_seconds, moments[-1])
        groups: dict[Labels, list[Line]] = {}
        for line in self._logs.forward(query.logs.accepts, begin, end):
            labels = _with_metadata(line)
            if query.logs.passes(line.text, labels):
                labels.pop("trace_id", None)  # one series per request would be no answer
                groups.setdefault(_group(query, labels), []).append(line)
        result = []
        for key, lines in sorted(groups.items()):
            times = [line.at_ns / 1e9 for line in lines]
            sizes = [0]
            for line in lines:
                sizes.append(sizes[-1] + len(line.text.encode()))
            counts = []
            for at in moments:
                low, high = bisect_right(times, at - query.window_seconds), bisect_right(times, at)
                amount = sizes[high] - sizes[low] if "bytes" in query.function else high - low
                per = query.window_seconds if query.function.endswith("rate") else 1.0
                counts.append((at, amount / per))
            if any(count for _, count in counts):
                result.append((key, counts))
        return result

    def _labels(self, _: Mapping[str, str]) -> list[str]:
        return sorted({name for labels in self._logs.labels() for name in labels})

    def _label_values(self, form: Mapping[str, str]) -> list[str]:
        found = {labels.get(form["name"], "") for labels in self._logs.labels()}
        return sorted(found - {""})

    def _series(self, form: Mapping[str, str]) -> list[dict[str, str]]:
        query = parse(form.get("match[]") or form.get("match", ""))
        if not isinstance(query, LogQuery):
            msg = "match[] must be a stream selector"
            raise BadDataError(msg)
        return [labels for labels in self._logs.labels() if query.accepts(labels)]

    def _stats(self, form: Mapping[str, str]) -> Json:
        """Return about how much the streams hold; like Loki's, an estimate from the index."""
        sampled, scale = self._sampled(form)
        return {
            "streams": len({line.labels for line in sampled}),
            "chunks": round(len(sampled) * scale / 500) + 1,
            "entries": round(len(sampled) * scale),
            "bytes": round(sum(len(line.text.encode()) for line in sampled) * scale),
        }

    def _volume(self, form: Mapping[str, str]) -> Json:
        sampled, scale = self._sampled(form)
        names = [name for name in form.get("targetLabels", "").split(",") if name]
        sizes: dict[Labels, float] = {}
        for line in sampled:
            held = dict(line.labels)
            key = tuple(sorted((n, held.get(n, "")) for n in names or held))
            sizes[key] = sizes.get(key, 0.0) + len(line.text.encode()) * scale
        largest = sorted(sizes.items(), key=lambda item: -item[1])[: _limit(form)]
        now = seconds(round(self._clock.now() * 1000))
        rows = [{"metric": dict(key), "value": [now, str(round(n))]} for key, n in largest]
        return {"resultType": "vector", "result": rows}

    def _sampled(self, form: Mapping[str, str]) -> tuple[list[Line], float]:
        """Return the lines of a few short stretches of the window and what they stand for."""
        query = parse(form.get("query", ""))
        if not isinstance(query, LogQuery) or query.stages:
            msg = "only label matchers are supported"
            raise BadDataError(msg)
        start, end = self._lived(*self._window(form))
        length = max(end - start, 0.0)
        width = min(_SAMPLE_SECONDS, length / _SAMPLES)
        middles = [start + length * (index + 0.5) / _SAMPLES for index in range(_SAMPLES)]
        lines = [
            line
            for middle in middles
            for line in self._logs.forward(query.accepts, middle - width / 2, middle + width / 2)
        ]
        return lines, length / (width * _SAMPLES) if width else 0.0


def _with_metadata(line: Line) -> dict[str, str]:
    found = dict(line.labels)
    return {**found, "trace_id": line.trace_id} if line.trace_id else found


def _group(query: MetricQuery, labels: dict[str, str]) -> Labels:
    if not query.summed:
        kept = labels
    elif query.without:
        kept = {name: value for name, value in labels.items() if name not in query.labels}
    else:
        kept = {name: value for name, value in labels.items() if name in query.labels}
    return tuple(sorted(kept.items()))


def _time(form: Mapping[str, str], name: str, default: float) -> float:
    value = form.get(name, "")
    try:
        number = float(value) if value else default
    except ValueError:
        return moment(form, name) / 1000
    return number / 1e9 if number > _NANOSECONDS_FROM else number


def _limit(form: Mapping[str, str]) -> int:
    value = form.get("limit", "100")
    try:
        limit = int(value)
    except ValueError:
        limit = 0
    if limit <= 0:
        msg = f"limit must be a positive number, got {value!r}"
        raise BadDataError(msg)
    if limit > MAX_LINES:
        msg = f"max entries limit per query exceeded: {limit} > max_entries_limit {MAX_LINES}"
        raise BadDataError(msg)
    return limit


async def _ready(_: web.Request) -> web.Response:
    return web.Response(text="ready\n")
