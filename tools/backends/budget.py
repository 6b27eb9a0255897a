"""How many questions a backend is asked per minute, and who may ask next.

    a person's question ──────> served first, may use everything that is left
    the detection cycle ──────> waits behind, leaves a quarter of the burst untouched

A bucket holds a quarter of the minute's questions and is refilled with the rest over the minute, so
that no 60 seconds ever see more than `per_minute`. Within each of the two queues, first come, first
served. What cannot be served within its patience fails at once with an error that says budget.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from tools.errors import QueryBudgetError

BURST_RATIO = 0.25  # of the minute's questions may be asked at once
RESERVED_RATIO = 0.25  # of the burst is kept for questions of people
_ALMOST = 1e-9  # a token is whole despite rounding


class QueryBudget:
    """Hands out the right to ask once. Zero `per_minute`: no limit."""

    def __init__(
        self,
        backend: str,
        per_minute: int,
        *,
        setting: str = "queries_per_minute",
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Name the backend and the setting for the error; `now` and `pause` are seconds."""
        self._backend, self._per_minute, self._setting = backend, per_minute, setting
        self._now, self._pause = now, pause
        self._burst = max(1.0, per_minute * BURST_RATIO)
        self._rate = max(per_minute - self._burst, per_minute / 2) / 60  # questions per second
        self._left, self._at = self._burst, now()
        self._first: list[object] = []
        self._later: list[object] = []

    async def take(self, *, patience: float, background: bool) -> None:
        """Wait for a question's turn, at most `patience` seconds. Raises QueryBudgetError."""
        if not self._per_minute:
            return
        ticket = object()
        queue = self._later if background else self._first
        queue.append(ticket)
        deadline = self._now() + patience
        try:
            while (wait := self._wait(ticket, background=background)) > 0:
                if self._now() + wait > deadline:
                    raise self._spent(wait)
                await self._pause(wait)
            self._left -= 1
        finally:
            queue.remove(ticket)

    def _wait(self, ticket: object, *, background: bool) -> float:
        """Return the seconds until this ticket can be served as things stand; 0 is now."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if background:
            ahead = len(self._first) + self._later.index(ticket)
            needed = ahead + max(1.0, min(self._burst, 1 + self._burst * RESERVED_RATIO))
        else:
            needed = self._first.index(ticket) + 1.0
        missing = needed - self._left
        return missing / self._rate if missing > _ALMOST else 0.0

    def _spent(self, wait: float) -> QueryBudgetError:
        return QueryBudgetError(
            self._backend,
            f"the budget of {self._per_minute} queries per minute is used up (the next turn is "
            f"in {wait:.0f} s); ask again in a minute, or raise {self._setting}",
        )
