"""The sandbox's HTTP door answers as the door of a real Prometheus over the same samples."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.clock import ManualClock
from sandbox.prometheus.server import PrometheusServer
from tests.unit.sandbox_world.comparison import Pair, unlike
from tests.unit.sandbox_world.real_prometheus import Reply, ask, targets_of
from tests.unit.sandbox_world.recorded import GRID, START_MS

pytestmark = pytest.mark.needs_prometheus

AT = str(START_MS / 1000 + 3600)
LATER = str(START_MS / 1000 + 7200)
RANGE = (("start", AT), ("end", LATER), ("step", "1m"))
Fields = tuple[tuple[str, str], ...]


@dataclass
class Doors:
    """Two servers."""

    ours: str
    real: str

    async def both(self, path: str, fields: Fields, *, post: bool = False) -> tuple[Reply, Reply]:
        return (
            await asyncio.to_thread(ask, self.ours, path, fields, post=post),
            await asyncio.to_thread(ask, self.real, path, fields, post=post),
        )


@pytest.fixture
async def doors(pair: Pair) -> AsyncIterator[Doors]:
    server = PrometheusServer(pair.source, ManualClock(int(GRID[-1]) / 1000), {})
    await server.start("127.0.0.1", 0)
    yield Doors(server.url, pair.url)
    await server.close()


@pytest.mark.parametrize("post", [False, True], ids=["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("query", (("query", "temperature"), ("time", AT))),
        ("query", (("query", "flat[2m]"), ("time", AT))),
        ("query", (("query", "1 / 3"), ("time", AT))),
        ("query", (("query", '"word"'), ("time", AT))),
        ("query", (("query", "flat"), ("time", "2023-11-14T23:15:00Z"))),
        ("query", (("query", "flat"), ("time", "2023-11-14T23:15:00.5+00:00"), ("timeout", "5s"))),
        ("query_range", (("query", "temperature"), *RANGE)),
        ("query_range", (("query", "odd_values"), *RANGE)),
        ("query_range", (("query", "leaving"), *RANGE)),
        ("query_range", (("query", "1 / 3"), *RANGE)),
        ("query_range", (("query", "nothing"), *RANGE)),
        ("query_range", (("query", "flat"), *RANGE[:2], ("step", "97.5"))),
    ],
)
async def test_a_query_has_the_same_answer(
    doors: Doors, path: str, fields: Fields, *, post: bool
) -> None:
    ours, real = await doors.both(path, fields, post=post)
    assert ours.status == real.status == 200
    assert ours.body.keys() == real.body.keys()
    assert ours.body["status"] == real.body["status"]
    assert unlike(ours.body["data"], real.body["data"], ordered=path == "query_range") == ""


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("labels", ()),
        ("labels", (("match[]", "temperature"),)),
        ("labels", (("match[]", "temperature"), ("match[]", "build_info"))),
        ("labels", (("start", "1"), ("end", "2"))),
        ("label/job/values", ()),
        ("label/job/values", (("match[]", '{code="500"}'),)),
        ("label/__name__/values", ()),
        ("label/__name__/values", (("match[]", '{job="ab"}'),)),
        ("label/text/values", ()),
        ("label/nothing/values", ()),
        ("series", (("match[]", "temperature"),)),
        ("series", (("match[]", "flat"), ("match[]", '{__name__=~"strange|flat"}'))),
        ("series", (("match[]", "leaving"), ("start", LATER))),
        ("series", (("match[]", "nothing"),)),
        ("series", (("match[]", "flat"), ("start", LATER), ("end", AT))),
        ("series", (("match[]", "temperature"), ("start", "1"), ("end", "2"))),
        ("metadata", ()),
        ("metadata", (("limit", "2"),)),
        ("targets", (("state", "dropped"),)),
    ],
)
async def test_what_exists_is_listed_alike(doors: Doors, path: str, fields: Fields) -> None:
    ours, real = await doors.both(path, fields)
    assert (ours.status, ours.body) == (real.status, real.body)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("query", ()),
        ("query", (("query", "flat"), ("time", "noon"))),
        ("query", (("query", "flat"), ("timeout", "soon"))),
        ("query_range", ()),
        ("query_range", (("query", "flat"), ("start", "1"))),
        ("query_range", (("query", "flat"), ("start", "1"), ("end", "2"))),
        ("query_range", (("query", "flat"), ("start", "x"), ("end", "2"), ("step", "1"))),
        ("query_range", (("query", "flat"), ("start", "3"), ("end", "2"), ("step", "1"))),
        ("query_range", (("query", "flat"), ("start", "1"), ("end", "2"), ("step", "0"))),
        ("query_range", (("query", "flat"), ("start", "1"), ("end", "2"), ("step", "-1"))),
        ("query_range", (("query", "flat"), ("start", "1"), ("end", "2"), ("step", "x"))),
        ("query_range", (("query", "flat"), ("start", "1"), ("end", "11002"), ("step", "1"))),
        ("query_range", (("query", "flat[5m]"), *RANGE)),
        ("query_range", (("query", '"word"'), *RANGE)),
        ("query_range", (("query", "flat + on (job) {job='a'}"), *RANGE)),
        ("series", ()),
        ("series", (("match[]", "{}"),)),
        ("series", (("match[]", "flat"), ("start", "x"))),
        ("labels", (("end", "x"),)),
        ("label/0x/values", ()),
        ("metadata", (("limit", "many"),)),
    ],
)
async def test_an_error_is_worded_alike(doors: Doors, path: str, fields: Fields) -> None:
    ours, real = await doors.both(path, fields)
    assert ours.status == real.status
    assert ours.body.keys() == real.body.keys()
    assert ours.body["errorType"] == real.body["errorType"]
    assert _words(ours.body["error"]) == _words(real.body["error"])


def _words(error: str) -> str:
    """Drop what the parser does not tell (where) and what has no order (which of two series)."""
    _, colon, rest = error.partition(": 1:")
    if colon:
        error = error.replace(f": 1:{rest.partition(':')[0]}:", ":")
    return error.partition(": [")[0]


@pytest.mark.parametrize("text", ["{", "flat{", "rate(flat[5m])", "flat[5m]", '{job=~"("}'])
async def test_a_selector_that_is_none_is_bad_data(doors: Doors, text: str) -> None:
    for path in ("series", "labels", "label/job/values"):
        ours, real = await doors.both(path, (("match[]", text),))
        assert (ours.status, ours.body["errorType"]) == (real.status, real.body["errorType"])


async def test_exactly_eleven_thousand_steps_are_answered(doors: Doors) -> None:
    begin = START_MS // 1000
    window = (("start", str(begin)), ("end", str(begin + 11_000)), ("step", "1"))
    ours, real = await doors.both("query_range", (("query", "flat"), *window), post=True)
    assert ours.status == real.status == 200
    assert len(ours.body["data"]["result"][0]["values"]) == 11_001
    assert unlike(ours.body["data"], real.body["data"]) == ""


async def test_a_target_has_the_same_fields(doors: Doors) -> None:
    (mine,) = await targets_of(doors.ours)
    (theirs,) = await targets_of(doors.real)
    assert _shape(mine) == _shape(theirs)
    assert mine["labels"] == theirs["labels"]
    assert (mine["scrapePool"], mine["health"]) == ("never", "up")
    assert mine["scrapeUrl"] == theirs["scrapeUrl"]


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(held) for name, held in value.items() if name != "team"}
    return "number" if isinstance(value, int | float) else type(value).__name__


async def test_the_build_has_the_same_fields(doors: Doors) -> None:
    ours, real = await doors.both("status/buildinfo", ())
    assert _shape(ours.body) == _shape(real.body)
    assert real.body["data"]["version"].startswith(ours.body["data"]["version"])


async def test_a_door_that_does_not_exist_is_plain_text(doors: Doors) -> None:
    ours, real = await doors.both("nothing", ())
    assert ours == real
