"""What a process holds in the database, kept or given back by somebody else than its event loop.

    renew     the leader's lease and the heartbeats of the plans at work, where they are still ours
    release   both, so that another process need not wait until they lapse

Nothing is taken here: what the loop lost or gave back meanwhile stays so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, PlanRecord, StaleError, Store
from bot.domain.plans import plan_life as life
from bot.domain.plans.plan import AT_WORK


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps what `owner` holds; times are wall times."""

    store: Store
    clock: Clock
    owner: str
    lease: str
    ttl: timedelta

    async def renew(self) -> None:
        """Show that this process lives. Raises BackendError."""
        wall = self.clock.wall()
        async with self.store.begin() as tx:
            await tx.leases.renew(self.lease, self.owner, wall, self.ttl)
        await self._hand(lambda _: life.Worker(self.owner, wall))

    async def release(self) -> None:
        """Give everything back. Raises BackendError."""
        async with self.store.begin() as tx:
            await tx.leases.release(self.lease, self.owner)
        await self._hand(lambda _: None)

    async def _hand(self, to: Callable[[life.Worker], life.Worker | None]) -> None:
        async with self.store.begin() as tx:
            records = await tx.plans.list(AT_WORK, limit=None)
        for record in records:
            await self._hand_one(record, to)

    async def _hand_one(
        self, record: PlanRecord, to: Callable[[life.Worker], life.Worker | None]
    ) -> None:
        state = record.state
        if not isinstance(state, life.AtWork) or state.worker is None:
            return
        if state.worker.owner != self.owner or not record.genuine:
            return  # another process's, or nothing that we wrote: a new seal would prove it
        try:
            async with self.store.begin() as tx:
                await tx.plans.move(record.to(life.hand_to(state, to(state.worker))))
        except StaleError:
            return  # it moved: that is a sign of life too
