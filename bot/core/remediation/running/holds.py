"""A process's hold on a plan at work: what it writes counts only while the plan is its own.

    take ──> Hold(plan, token)       the token rises with every process that takes the plan
    write(hold, …)                   in one transaction, only under that token, or NotOursError
    leave(hold, state, …)            and only from the state that is left
    check(hold, position)            the fence: asked last, before a request goes out

A process that stalls and wakes up after another has taken its plan holds an old token: it writes
nothing, and what it was about to send is not sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from bot.core.ports import PlanRecord, StaleError, Store, Transaction
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.plan import Plan, Position
from bot.domain.plans.step_run import StepRun, StepSent

T = TypeVar("T")
S = TypeVar("S", bound=life.AtWork)

TRIES = 12


class NotOursError(Exception):
    """The plan is another process's now, or is at work no more."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A plan as this process took it."""

    plan: Plan
    token: int


@dataclass(frozen=True, slots=True)
class Holds:
    """Writes of one process, `owner`, to the plans it holds."""

    store: Store
    owner: str

    def is_ours(self, state: life.AtWork) -> bool:
        """Say whether this process works on a plan."""
        return state.worker is not None and state.worker.owner == self.owner

    async def write(
        self, hold: Hold, write: Callable[[Transaction, PlanRecord], Awaitable[T]]
    ) -> T:
        """Write while the plan is held; a lost race is read and written again."""
        for _ in range(TRIES):
            try:
                async with self.store.begin() as tx:
                    return await write(tx, await self._held(tx, hold))
            except StaleError:
                continue
        raise StaleError(f"{hold.plan.id} moved {TRIES} times while it was being written")

    async def leave(
        self,
        hold: Hold,
        leaving: S,
        write: Callable[[Transaction, PlanRecord, S], Awaitable[T]],
    ) -> T:
        """Write while the plan is held and in the state it leaves, as it is now.

        Its facts may be newer than those of `leaving`: a Stop, a heartbeat.
        """

        async def narrowed(tx: Transaction, record: PlanRecord) -> T:
            state = record.state
            if not isinstance(state, type(leaving)):
                was, now = leaving.status.value, record.status.value
                raise NotOursError(f"{hold.plan.id} is {now}, not {was} any more")
            return await write(tx, record, state)

        return await self.write(hold, narrowed)

    async def record(self, hold: Hold) -> PlanRecord:
        """Return a plan as it is now. Raises NotOursError."""
        async with self.store.begin() as tx:
            return await self._held(tx, hold)

    async def check(self, hold: Hold, position: Position) -> None:
        """Raise NotOursError unless the plan is held and its step is on record as sent."""
        async with self.store.begin() as tx:
            await self._held(tx, hold)
            run = await run_at(tx, hold.plan.id, position)
        if not isinstance(run, StepSent):
            raise NotOursError(f"{hold.plan.id}: no row says that this step is being sent")

    async def _held(self, tx: Transaction, hold: Hold) -> PlanRecord:
        record = await tx.plans.get(hold.plan.id)
        state = record.state
        if not isinstance(state, life.AtWork) or not self.is_ours(state):
            told = f"{hold.plan.id} is {record.status.value} of another process"
            raise NotOursError(told)
        if record.token != hold.token:
            raise NotOursError(f"{hold.plan.id} was taken anew since (token {record.token})")
        return record


async def run_at(tx: Transaction, plan_id: PlanId, position: Position) -> StepRun | None:
    """Return what is known of a step, None when it was never begun."""
    runs = await tx.plans.steps(plan_id)
    return next((run for run in runs if run.position == position), None)
