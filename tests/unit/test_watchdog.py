"""The watchdog's judgement, with time in the test's hand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bot.composition.watchdog import Limits, LoopBeat, Verdict, Watchdog, judged
from bot.settings import load_settings
from tests.fakes.clock import FakeClock
from tests.fixtures.bot import CONFIG
from tools.errors import BackendUnavailableError


@dataclass
class Kept:
    """A keeper that notes what is asked of it; each renewal takes `takes` seconds of the loop."""

    clock: FakeClock
    takes: float = 0.0
    broken: bool = False
    locked: bool = False
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
            await asyncio.Event().wait()
        if self.broken:
            self.clock.advance(seconds=self.takes)
            raise BackendUnavailableError("database", "gone")


@pytest.mark.parametrize(
    ("silent", "ending", "verdict"),
    [
        (0.0, None, Verdict.FINE),
        (2.9, None, Verdict.FINE),
        (3.0, None, Verdict.HOLD),
        (14.9, None, Verdict.HOLD),
        (15.0, None, Verdict.END),
        (900.0, None, Verdict.END),
        (0.0, 44.0, Verdict.FINE),
        (0.0, 45.0, Verdict.END),
        (15.0, 1.0, Verdict.END),
    ],
)
def test_a_silent_loop_is_held_for_a_while_and_then_given_up(
    silent: float, ending: float | None, verdict: Verdict
) -> None:
    assert judged(silent, ending, Limits()) is verdict


async def watched(kept: Kept, *, writing: float = 2.0) -> list[str]:
    """Let a loop be silent from now on, and return what the watchdog did until the end."""
    settings = load_settings({"SRE_AGENT_CONFIG": str(CONFIG)})
    done: list[str] = []
    limits = Limits(every=0.0, writing=writing)
    dog = Watchdog(settings, limits, end=lambda: done.append("ended"))
    dog.beat = LoopBeat(0.0, kept.clock.monotonic, _at=kept.clock.monotonic() - 3.0)
    await dog._look_again_and_again(kept)  # type: ignore[arg-type]
    return kept.visits + done


async def test_what_a_stuck_loop_holds_is_renewed_for_fifteen_seconds_and_then_released() -> None:
    told = await watched(Kept(FakeClock(), takes=4.0))
    assert told == ["renew", "renew", "renew", "release", "ended"]


async def test_a_database_that_is_gone_or_locked_keeps_no_stuck_process_alive() -> None:
    expected = ["renew", "renew", "renew", "release", "ended"]
    assert await watched(Kept(FakeClock(), takes=4.0, broken=True)) == expected
    locked = Kept(FakeClock(), takes=4.0, locked=True)
    assert await watched(locked, writing=0.01) == expected


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
