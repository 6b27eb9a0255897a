"""Wall time that never goes back: it neither runs ahead nor is it kept more often than needed."""

from __future__ import annotations

from datetime import timedelta

from bot.core.remediation.guarding.steady_wall import HIGHEST, SteadyWall
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.decision import START


def test_it_goes_with_the_clock_however_often_it_is_read() -> None:
    clock = FakeClock(START)
    steady = SteadyWall(clock)
    assert steady.glance() == steady.glance() == clock.wall()
    for _ in range(3):
        clock.advance(seconds=10)
        assert steady.glance() == steady.glance() == clock.wall()


def test_a_clock_that_is_set_back_does_not_stop_it() -> None:
    clock = FakeClock(START)
    steady, begun = SteadyWall(clock), clock.wall()
    clock.set_wall(hours=-1)
    for seconds in (10, 20, 30):
        clock.advance(seconds=10)
        assert steady.glance() == begun + timedelta(seconds=seconds)
    clock.set_wall(hours=3)
    assert steady.glance() == clock.wall()


async def test_it_is_kept_for_the_next_process_once_a_second(store: SqlStore) -> None:
    clock = FakeClock(START)
    steady = SteadyWall(clock)

    async def kept() -> str | None:
        async with store.begin() as tx:
            await steady.keep(tx)
        async with store.begin() as tx:
            return await tx.flags.get(HIGHEST)

    first = clock.wall().isoformat()
    assert await kept() == first
    clock.advance(seconds=0.9)
    assert await kept() == first
    clock.advance(seconds=0.1)
    assert await kept() == clock.wall().isoformat() != first
