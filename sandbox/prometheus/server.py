"""The Prometheus HTTP API over any source of samples.

    GET|POST /api/v1/query, query_range, series, labels
    GET      /api/v1/label/NAME/values, targets, metadata, status/buildinfo, /-/healthy, /-/ready
    POST     /-/sandbox/scenario (ours: start a story)

Evaluation runs in one worker thread, so that the other imitated services keep answering.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import web

from sandbox.clock import Clock
from sandbox.listening import Listening
from sandbox.prometheus import answers, evaluate, parameters, targets
from sandbox.prometheus.errors import BadDataError, QueryError, TimedOutError
from sandbox.prometheus.samples import NAME, Catalogued, Labels, Matcher

VERSION = "2.42.0"  # whose behaviour is imitated
_TIMEOUT_SECONDS = 120.0
Json = dict[str, Any]
StartStory = Callable[[str], Awaitable[Json]]
T = TypeVar("T")


@dataclass(frozen=True)
class Metadata:
    """What is known of a metric without its samples."""

    kind: str
    help: str


class PrometheusServer(Listening):
    """One API over one source."""

    def __init__(
        self,
        source: Catalogued,
        clock: Clock,
        metadata: Mapping[str, Metadata],
        *,
        before: Callable[[], None] = lambda: None,
        start_story: StartStory | None = None,
    ) -> None:
        """Answer from `source`; without a time given, questions mean the clock's now."""
        super().__init__("prometheus")
        self._source = source
        self._clock = clock
        self._metadata = metadata
        self._before = before  # runs ahead of every answer, in the event loop
        self._start_story = start_story

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one."""
        await self._listen(self._app(), host, port)

    def _app(self) -> web.Application:
        app = web.Application(client_max_size=4 * 1024**2)
        for path, answer in (
            ("query", self._query),
            ("query_range", self._query_range),
            ("series", self._series),
            ("labels", self._labels),
        ):
            app.router.add_route("GET", f"/api/v1/{path}", self._door(answer))
            app.router.add_route("POST", f"/api/v1/{path}", self._door(answer))
        app.router.add_get("/api/v1/label/{name}/values", self._door(self._label_values))
        app.router.add_get("/api/v1/targets", self._door(self._targets))
        app.router.add_get("/api/v1/metadata", self._door(self._list_metadata))
        app.router.add_get("/api/v1/status/buildinfo", self._door(self._buildinfo))
        app.router.add_get("/-/healthy", _plain("Prometheus Server is Healthy.\n"))
        app.router.add_get("/-/ready", _plain("Prometheus Server is Ready.\n"))
        app.router.add_post("/-/sandbox/scenario", self._scenario)
        app.router.add_route("*", "/{nothing:.*}", _not_found)
        return app

    def _door(
        self, answer: Callable[[web.Request, "Form"], Awaitable[Any]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            self._before()
            try:
                form = Form([*request.query.items(), *await _posted(request)])
                data = await answer(request, form)
            except QueryError as error:
                return _failed(error)
            return web.json_response({"status": "success", "data": data})

        return handle

    async def _evaluated(self, form: "Form", work: Callable[[], T]) -> T:
        limit = _TIMEOUT_SECONDS
        if "timeout" in form.values:
            limit = min(limit, parameters.duration(form.values, "timeout") / 1000)
        future = asyncio.get_running_loop().run_in_executor(self._worker, work)
        try:
            return await asyncio.wait_for(future, limit)
        except TimeoutError:
            msg = "query timed out in expression evaluation"
            raise TimedOutError(msg) from None

    async def _query(self, _: web.Request, form: "Form") -> Json:
        at = parameters.moment(form.values, "time", self._now_ms())
        query = form.values.get("query", "")
        return await self._evaluated(
            form, lambda: answers.of_instant(evaluate.instant(self._source, query, at), at)
        )

    async def _query_range(self, _: web.Request, form: "Form") -> Json:
        start, end, step = parameters.window(form.values)
        query = form.values.get("query", "")

        def work() -> Json:
            value = evaluate.over(self._source, query, start, end, step)
            return answers.of_range(value, evaluate.range_steps(start, end, step))

        return await self._evaluated(form, work)

    def _now_ms(self) -> int:
        return round(self._clock.now() * 1000)

    async def _found(self, form: "Form") -> list[Labels]:
        """Return the label sets that the form's selectors match in its window."""
        now = self._now_ms()
        start = parameters.moment(form.values, "start", 0)
        end = parameters.moment(form.values, "end", now)
        asked: Sequence[Sequence[Matcher]] = parameters.selectors(form.all("match[]")) or [
            [Matcher(NAME, "=~", ".+")]
        ]

        def work() -> list[Labels]:
            return sorted({row for one in asked for row in self._source.labels(one, start, end)})

        return await self._evaluated(form, work)

    async def _series(self, _: web.Request, form: "Form") -> list[dict[str, str]]:
        if not form.all("match[]"):
            msg = "no match[] parameter provided"
            raise BadDataError(msg)
        return [dict(labels) for labels in await self._found(form)]

    async def _labels(self, _: web.Request, form: "Form") -> list[str]:
        return sorted({name for labels in await self._found(form) for name, _ in labels})

    async def _label_values(self, request: web.Request, form: "Form") -> list[str]:
        wanted = request.match_info["name"]
        if not wanted.replace("_", "a").isalnum() or wanted[0].isdigit():
            msg = f'invalid label name: "{wanted}"'
            raise BadDataError(msg)
        found = await self._found(form)
        return sorted({value for labels in found for name, value in labels if name == wanted})

    async def _list_metadata(self, _: web.Request, form: "Form") -> dict[str, list[Json]]:
        wanted = form.values.get("metric")
        listed = {
            name: [{"type": entry.kind, "help": entry.help, "unit": ""}]
            for name, entry in sorted(self._metadata.items())
            if wanted in {None, "", name}
        }
        limit = parameters.count(form.values, "limit")
        return listed if limit < 0 else dict(list(listed.items())[:limit])

    async def _targets(self, _: web.Request, form: "Form") -> Json:
        """Tell what is scraped: every series of `up` is a target."""
        now = self._now_ms()
        state = form.values.get("state", "").lower()
        asked = [Matcher(NAME, "=", "up")]

        def work() -> list[Json]:
            return targets.active(self._source.select(asked, now - targets.RECENT_MS, now))

        found = [] if state == "dropped" else await self._evaluated(form, work)
        return {"activeTargets": found, "droppedTargets": []}

    async def _buildinfo(self, _: web.Request, __: "Form") -> dict[str, str]:
        return {
            "version": VERSION,
            "revision": "sandbox",
            "branch": "sandbox",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }

    async def _scenario(self, request: web.Request) -> web.Response:
        try:
            name = json.loads(await request.text() or "{}").get("scenario")
            if self._start_story is None or not isinstance(name, str):
                msg = 'send {"scenario": NAME}'
                raise BadDataError(msg)
            return web.json_response({"status": "success", "data": await self._start_story(name)})
        except QueryError as error:
            return _failed(error)
        except (json.JSONDecodeError, AttributeError) as error:
            return _failed(BadDataError(f"the body is not a JSON object: {error}"))


async def _not_found(_: web.Request) -> web.Response:
    return web.Response(status=404, text="404 page not found\n")


class Form:
    """Query and posted parameters; the first of a repeated name wins, as in Go."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        """Keep the pairs in order."""
        self._pairs = pairs
        self.values = dict(reversed(pairs))

    def all(self, name: str) -> list[str]:
        """Return every value given under a name."""
        return [value for key, value in self._pairs if key == name]


async def _posted(request: web.Request) -> list[tuple[str, str]]:
    if request.method != "POST":
        return []
    return [(key, value) for key, value in (await request.post()).items() if isinstance(value, str)]


def _failed(error: QueryError) -> web.Response:
    body = {"status": "error", "errorType": error.error_type, "error": str(error)}
    return web.json_response(body, status=error.http_status)


def _plain(text: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(text=text)

    return handle
