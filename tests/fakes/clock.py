"""The tests' one clock: world time, wall time and monotonic seconds that only the test moves.

    clock.advance(seconds=70)         time passes: wall and monotonic, and the world at its speed
    clock.advance_world(minutes=5)    the world alone, as in a sandbox whose story goes on
    clock.set_wall(seconds=-90)       somebody sets the machine's clock: no time passes
    await clock.sleep(5)              returns when the test has let so much time pass

It implements `bot.core.ports.Clock`, and with it `tools.ports.Clock`. What asks for a function is
given `clock.wall`, `clock.monotonic` or `clock.sleep`. `followers` are moved by the same world
seconds: a sandbox's own clock, which imports none of ours.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

START = datetime(2026, 11, 20, 14, tzinfo=UTC)


class FakeClock:
    """Starts with world and wall time alike; `speed` is world seconds per wall second."""

    def __init__(self, at: datetime = START, speed: float = 1.0) -> None:
        self.speed = speed
        self.followers: list[Callable[[float], object]] = []
        self._world = self._wall = at
        self._monotonic = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = count()

    def now(self) -> datetime:
        return self._world

    def wall(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, span: timedelta = timedelta(0), /, **duration: float) -> None:
        """Let time pass: a span, or so much in the units of a timedelta."""
        passed = span + timedelta(**duration)
        self._wall += passed
        self._monotonic += passed.total_seconds()
        self._move_world(passed * self.speed)
        self._wake()

    def advance_world(self, **duration: float) -> None:
        """Let the world go on while no time passes for people and networks."""
        self._move_world(timedelta(**duration))

    def set_wall(self, **duration: float) -> None:
        """Set the machine's clock forward or back; nothing else moves."""
        self._wall += timedelta(**duration)

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has advanced by so much."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._numbers), woken))
        await woken

    async def advance_until_done(self, *tasks: asyncio.Task[None]) -> None:
        """Let time jump from one sleeper's end to the next until every task is done."""
        while not all(task.done() for task in tasks):
            await settle()
            self._sleepers = [s for s in self._sleepers if not s[2].done()]  # those given up
            heapq.heapify(self._sleepers)
            if self._sleepers and not all(task.done() for task in tasks):
                self._advance_to(self._sleepers[0][0])

    def _advance_to(self, at: float) -> None:
        self.advance(seconds=at - self._monotonic)
        self._monotonic = max(self._monotonic, at)  # a span has whole microseconds
        self._wake()

    def _move_world(self, span: timedelta) -> None:
        self._world += span
        for follow in self.followers:
            follow(span.total_seconds())

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():  # else whoever slept was cancelled
                woken.set_result(None)


async def settle() -> None:
    """Let every task run until it waits for something."""
    for _ in range(5):
        await asyncio.sleep(0)
