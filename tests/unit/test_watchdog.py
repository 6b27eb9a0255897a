"""The watchdog's judgement, with time in the test's hand."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

import httpx
import pytest

from bot.api.live import live_app
from bot.composition.watchdog import Frozen, LoopBeat, LoopLimits, LoopVerdict, Watchdog, judged
from bot.settings import load_settings
from tests.fakes.clock import FakeClock
from tests.fixtures.profile import CONFIG
from tools.errors import BackendUnavailableError


class Timer(Frozen):
    """A timer that ends nobody; it notes what was done to it."""

    def __init__(self) -> None:
        self.done: list[float | None] = []  # None: disarmed

    def arm(self, seconds: float) -> None:
        self.done.append(seconds)

    def disarm(self) -> None:
        self.done.append(None)


@dataclass
class Kept:
    """A keeper that notes what is asked of it; each renewal takes `takes` seconds of the loop."""

    clock: FakeClock
    takes: float = 0.0
    broken: Exception | None = None
    locked: bool = False
    deaf: bool = False  # and does not even hear that it is cancelled
    unlocked: asyncio.Event = field(default_factory=asyncio.Event)
    visits: list[str] = field(default_factory=list)
    most: int = 20

    async def renew(self) -> None:
        await self._visit("renew")
        self.clock.advance(seconds=self.takes)

    async def release(self) -> None:
        await self._visit("release")

    async def _visit(self, name: str) -> None:
        self.visits.append(name)
        assert len(self.visits) < self.most
        if self.locked:
            self.clock.advance(seconds=self.takes)
            while not self.unlocked.is_set():
                with contextlib.suppress(*([asyncio.CancelledError] if self.deaf else [])):
                    await self.unlocked.wait()
        if self.broken is not None:
            self.clock.advance(seconds=self.takes)
            raise self.broken


@pytest.mark.parametrize(
    ("silent", "ending", "verdict"),
    [
        (0.0, None, LoopVerdict.FINE),
        (2.9, None, LoopVerdict.FINE),
        (3.0, None, LoopVerdict.HOLD),
        (14.9, None, LoopVerdict.HOLD),
        (15.0, None, LoopVerdict.END),
        (900.0, None, LoopVerdict.END),
        (0.0, 44.0, LoopVerdict.FINE),
        (0.0, 45.0, LoopVerdict.END),
        (15.0, 1.0, LoopVerdict.END),
    ],
)
def test_a_silent_loop_is_held_for_a_while_and_then_given_up(
    silent: float, ending: float | None, verdict: LoopVerdict
) -> None:
    assert judged(silent, ending, LoopLimits()) is verdict


async def watched(kept: Kept, *, writing: float = 2.0) -> list[str]:
    """Let a loop be silent from now on, and return what the watchdog did until the end."""
    settings = load_settings({"SRE_AGENT_CONFIG": str(CONFIG)})
    done: list[str] = []
    limits = LoopLimits(every=0.0, writing=writing)
    dog = Watchdog(settings, limits, lambda: done.append("ended"), Timer())
    dog.beat = LoopBeat(0.0, kept.clock.monotonic, _at=kept.clock.monotonic() - 3.0)
    await dog._look_again_and_again(kept)  # type: ignore[arg-type]
    return kept.visits + done


async def test_what_a_stuck_loop_holds_is_renewed_for_fifteen_seconds_and_then_released() -> None:
    told = await watched(Kept(FakeClock(), takes=4.0))
    assert told == ["renew", "renew", "renew", "release", "ended"]


async def test_a_database_that_is_gone_odd_or_locked_keeps_no_stuck_process_alive() -> None:
    expected = ["renew", "renew", "renew", "release", "ended"]
    for broken in (BackendUnavailableError("database", "gone"), ValueError("an odd row")):
        assert await watched(Kept(FakeClock(), takes=4.0, broken=broken)) == expected
    locked = Kept(FakeClock(), takes=4.0, locked=True)
    assert await watched(locked, writing=0.01) == expected


async def test_a_visit_that_cannot_even_be_cancelled_does_not_hold_up_the_end() -> None:
    """As SQLite's driver: its thread waits for the lock that the stuck loop holds."""
    deaf = Kept(FakeClock(), takes=12.0, locked=True, deaf=True)
    assert await watched(deaf, writing=0.01) == ["renew", "ended"]
    deaf.unlocked.set()  # or this test's loop never ends


async def test_a_loop_that_turns_beats_and_one_that_does_not_is_silent() -> None:
    clock = FakeClock()
    beat = LoopBeat(0.0, clock.monotonic)
    clock.advance(seconds=100)
    assert beat.silent == 0.0  # nobody counts before the start is over
    beat.start(asyncio.get_running_loop())
    clock.advance(seconds=7)
    assert beat.silent == 7.0
    await asyncio.sleep(0.01)
    assert beat.silent == 0.0
    beat.stop()
    clock.advance(seconds=20)
    await asyncio.sleep(0.01)
    assert beat.silent == 20.0


@pytest.mark.parametrize(
    ("silent", "status", "word"), [(0.0, 200, "alive"), (14.0, 200, "alive"), (15.0, 503, "stuck")]
)
async def test_live_says_how_the_loop_is_and_nothing_else_is_served(
    silent: float, status: int, word: str
) -> None:
    dog = Watchdog(load_settings({"SRE_AGENT_CONFIG": str(CONFIG)}))
    clock = FakeClock()
    dog.beat = LoopBeat(0.0, clock.monotonic, _at=clock.monotonic() - silent)
    transport = httpx.ASGITransport(live_app(dog._liveness))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        answer = await client.get("/live")
        assert (answer.status_code, answer.json()["status"]) == (status, word)
        assert answer.json()["loop_silent_seconds"] == silent
        assert (await client.get("/health")).status_code == 404


def test_a_thread_that_ends_leaves_no_timer_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Armed and forgotten, it would end a good process twenty seconds later."""
    timer = Timer()
    dog = Watchdog(load_settings({"SRE_AGENT_CONFIG": str(CONFIG)}), frozen=timer)

    async def fails(_: Watchdog) -> None:
        raise LookupError("nobody thought of this")

    monkeypatch.setattr(Watchdog, "_watch", fails)
    dog._run()
    assert timer.done == [None]
    assert isinstance(dog._failed, LookupError)


async def test_every_look_arms_the_timer_anew() -> None:
    timer, kept = Timer(), Kept(FakeClock(), takes=4.0)
    dog = Watchdog(
        load_settings({"SRE_AGENT_CONFIG": str(CONFIG)}), LoopLimits(every=0.0), lambda: None, timer
    )
    dog.beat = LoopBeat(0.0, kept.clock.monotonic, _at=kept.clock.monotonic() - 3.0)
    await dog._look_again_and_again(kept)  # type: ignore[arg-type]
    assert timer.done == [20.0] * 4
