"""A dead backend is told at once with its reason, is asked again by itself, and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tools.backends import condition as module
from tools.backends.condition import Condition
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.errors import BackendDeniedError, BackendRefusedError, BackendUnavailableError
from tools.world import Window

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def moving(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    clock = FakeClock(NOON)
    monkeypatch.setattr(module, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def known(moving: FakeClock) -> Condition:
    condition = Condition("prometheus")
    condition.wall = moving.wall
    return condition


def fail(known: Condition, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(BackendUnavailableError, match="refused"), known.attempt():
            raise BackendUnavailableError("prometheus", "refused")


def succeed(known: Condition, times: int = 1) -> None:
    for _ in range(times):
        with known.attempt():
            pass


def test_two_failures_of_the_last_ten_are_degraded_and_a_run_of_good_ones_is_well(
    known: Condition,
) -> None:
    succeed(known, 5)
    fail(known, 1)
    assert known.word == "up"
    fail(known, 1)
    assert known.word == "degraded"
    assert known.since == NOON
    succeed(known, 9)
    assert known.word == "up"


def test_six_failures_in_a_row_are_down_since_the_first_of_them(
    known: Condition, moving: FakeClock
) -> None:
    for _ in range(6):
        fail(known)
        moving.advance(seconds=1)
    assert known.word == "down"
    assert known.since == NOON
    moving.advance(seconds=1)
    health = known.health("prometheus", up=False, detail="refused")
    assert (health.word, health.since) == ("down", NOON)


def test_twenty_seconds_without_an_answer_are_down_however_few_the_calls(
    known: Condition, moving: FakeClock
) -> None:
    def hang() -> None:
        with known.attempt():
            moving.advance(seconds=30)
            raise BackendUnavailableError("prometheus", "no answer within 30 s")

    with pytest.raises(BackendUnavailableError):
        hang()
    assert known.word == "down"


def test_while_it_is_down_a_call_fails_at_once_with_reason_time_and_what_happens_next(
    known: Condition,
) -> None:
    fail(known, 6)
    with pytest.raises(BackendUnavailableError) as caught, known.attempt():
        raise AssertionError("nothing may be sent")
    text = str(caught.value)
    assert "down since 2026-11-20 12:00 UTC" in text
    assert "refused" in text
    assert "asked again in 5 s and recovers by itself" in text


def test_one_call_finds_out_and_a_good_one_lets_everybody_in(
    known: Condition, moving: FakeClock
) -> None:
    fail(known, 6)
    moving.advance(seconds=5)
    with known.attempt(), pytest.raises(BackendUnavailableError), known.attempt():
        raise AssertionError("only one may find out")
    assert known.word == "up"
    succeed(known, 2)


def test_a_backend_that_stays_dead_is_asked_less_and_less_but_every_minute(
    known: Condition, moving: FakeClock
) -> None:
    fail(known, 6)
    pauses = []
    for _ in range(6):
        began = moving.monotonic()
        while True:
            moving.advance(seconds=1)
            with pytest.raises(BackendUnavailableError) as caught, known.attempt():
                raise BackendUnavailableError("prometheus", "still refused")
            if "still" in str(caught.value) and "down" not in str(caught.value):
                break
        pauses.append(moving.monotonic() - began)
    assert pauses == [5, 10, 20, 40, 60, 60]


def test_a_call_that_is_given_up_says_nothing_and_the_next_one_finds_out(
    known: Condition, moving: FakeClock
) -> None:
    fail(known, 6)
    moving.advance(seconds=5)
    with pytest.raises(asyncio.CancelledError), known.attempt():
        raise asyncio.CancelledError
    assert known.word == "down"
    succeed(known)
    assert known.word == "up"


@pytest.mark.parametrize(
    ("error", "word"), [(BackendRefusedError, "up"), (BackendDeniedError, "degraded")]
)
def test_a_no_is_an_answer(
    known: Condition, error: Callable[[str, str], Exception], word: str
) -> None:
    for _ in range(8):
        with pytest.raises((BackendRefusedError, BackendDeniedError)), known.attempt():
            raise error("prometheus", "no")
    assert known.word == word


@dataclass
class Server:
    """Answers, or does not, as the test says; counts what reached it."""

    alive: bool = True
    asked: list[str] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if not self.alive:
            raise httpx.ConnectError("connection refused")
        answer = {"status": "success", "data": {"resultType": "matrix", "result": []}}
        return httpx.Response(200, json=answer)


async def test_a_dead_prometheus_is_not_asked_by_every_question_and_comes_back(
    moving: FakeClock,
) -> None:
    server = Server(alive=False)
    config = PrometheusConfig(url="http://prometheus", retry_wait_seconds=0.001)
    prometheus = Prometheus(config, transport=httpx.MockTransport(server))
    prometheus.condition.wall = moving.wall
    hour = Window.ending(NOON, timedelta(hours=1))
    for _ in range(10):
        with pytest.raises(BackendUnavailableError):
            await prometheus.query_range("up{job='a'}", hour)
    assert len(server.asked) == module.TRIP_AFTER
    health = await prometheus.health()
    assert (health.word, health.since) == ("down", NOON)
    server.alive = True
    moving.advance(seconds=5)
    assert await prometheus.query_range("up{job='a'}", hour) == []
    assert prometheus.condition.word == "up"
    await prometheus.close()
