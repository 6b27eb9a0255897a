"""Wall time that never goes back: what the expiry of plans is judged by.

    the machine's clock ─┐
    seconds that passed ─┼─ the latest of all ──> is it too late?
    the highest ever    ─┘   └ kept in the store every few seconds, for the next process

Somebody sets the machine's clock back, or it was ahead and is put right: a plan whose time was over
stays over, and one that waits goes on ageing by the seconds that pass.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.core.ports import Clock, Transaction
from bot.domain.audit import BOT

HIGHEST = "wall.highest"  # the flag that keeps it
WORTH_KEEPING = timedelta(seconds=1)


class SteadyWall:
    """Reads one process's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._highest, self._read_at = clock.wall(), clock.monotonic()

    def glance(self) -> datetime:
        """Return the time as far as this process knows."""
        monotonic = self._clock.monotonic()
        passed = timedelta(seconds=monotonic - self._read_at)
        self._highest = max(self._clock.wall(), self._highest + passed)
        self._read_at = monotonic
        return self._highest

    async def now(self, tx: Transaction) -> datetime:
        """Return the time, no earlier than any process ever saw."""
        stored = await tx.flags.get(HIGHEST)
        if stored:
            self._highest = max(self._highest, datetime.fromisoformat(stored))
        return self.glance()

    async def keep(self, tx: Transaction) -> datetime:
        """Return the time, and let every later process know it."""
        stored, now = await tx.flags.get(HIGHEST), await self.now(tx)
        if not stored or now - datetime.fromisoformat(stored) >= WORTH_KEEPING:
            await tx.flags.set(HIGHEST, now.isoformat(), BOT, self._clock.now())
        return now
