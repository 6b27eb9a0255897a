"""Claiming: which plans this process may work on, decided once by compare-and-set.

    Held --hold over--> Approved --claim: every guard again--> Running, ours
    Running, Verifying, Undoing of an owner that is silent --take over--> ours

Claims of all processes stand in one line (a lease taken inside the transaction), so that neither
the limit of plans at once nor the cooldown of a target can be passed by two at the same moment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.core.remediation.gate import Gate, Look
from bot.core.remediation.permits import Permit, mint
from bot.core.remediation.progress import Progress
from bot.domain import plan_life as life
from bot.domain.audit import BOT
from bot.domain.guards import Refusal, may_wait
from bot.domain.ids import PlanId
from bot.domain.plan import AT_WORK, PlanStatus

LINE = "plans.claim"
MUTEX = timedelta(seconds=30)
STALE_AFTER = timedelta(seconds=30)  # wall: an owner silent this long is dead


@dataclass(frozen=True, slots=True)
class Claimed:
    """A plan at work in this process: where it is, and the permit to go on."""

    state: life.AtWork
    permit: Permit


class Claims:
    """Takes plans for one process."""

    def __init__(
        self, store: Store, clock: Clock, gate: Gate, progress: Progress, owner: str
    ) -> None:
        """`owner` names this process and no other, not even an earlier run of it."""
        self._store, self._clock, self._gate = store, clock, gate
        self._progress, self._owner = progress, owner

    def is_ours(self, state: life.AtWork) -> bool:
        """Say whether this process works on a plan."""
        return state.worker is not None and state.worker.owner == self._owner

    async def due(self) -> list[PlanRecord]:
        """Return approved plans, ours, and those whose owner is silent; oldest first."""
        async with self._store.begin() as tx:
            records = await tx.plans.list([PlanStatus.APPROVED, *AT_WORK], limit=500)
        return [record for record in reversed(records) if self._may_take(record.state)]

    def _may_take(self, state: life.PlanState) -> bool:
        if not isinstance(state, life.AtWork):
            return isinstance(state, life.Approved)
        return self.is_ours(state) or _silent(state, self._clock.wall())

    async def end_holds(self) -> None:
        """Let held plans whose hold is over run, or ask after all when policy has changed."""
        wall = self._clock.wall()
        async with self._store.begin() as tx:
            held = await tx.plans.list([PlanStatus.HELD])
        for record in held:
            if isinstance(record.state, life.Held) and wall >= record.state.approval.expires_at:
                await self._end_hold(record.plan.id)

    async def _end_hold(self, plan_id: PlanId) -> None:
        wall = self._clock.wall()
        try:
            async with self._store.begin() as tx:
                record = await tx.plans.get(plan_id)
                state = record.state
                if not isinstance(state, life.Held):
                    return
                alone = self._gate.ruling(record).runs_by_itself
                moved = life.end_hold(state, record.plan, wall, alone=alone)
                kind = "plan.hold_ended" if alone else "plan.asked_after_all"
                await self._progress.move(tx, record.to(moved), kind, BOT, {})
        except StaleError:
            return  # somebody answered meanwhile; the next tick looks again

    async def take(self, plan_id: PlanId) -> Claimed | None:
        """Make a plan ours, with its permit; None when it is not to be worked on now."""
        async with self._store.begin() as tx:
            record = await tx.plans.get(plan_id)
        try:
            if isinstance(record.state, life.Approved):
                return await self._claim(record)
            if isinstance(record.state, life.AtWork):
                return await self._resume(plan_id)
        except StaleError:
            return None  # another process was faster; the next tick looks again
        return None

    async def _claim(self, record: PlanRecord) -> Claimed | None:
        if self._clock.wall() >= record.plan.expires_at:
            look = Look({}, (), record.version)  # too late for whatever the world says
        else:
            look = await self._gate.look(record, dry_run=True)
        async with self._store.begin() as tx:
            if not await tx.leases.acquire(LINE, self._owner, self._clock.wall(), MUTEX):
                return None
            found = await self._judged(tx, record, look)
            await tx.leases.release(LINE, self._owner)
        return found

    async def _judged(self, tx: Transaction, seen: PlanRecord, look: Look) -> Claimed | None:
        record = await tx.plans.get(seen.plan.id)
        state = record.state
        if record.version != look.version or not isinstance(state, life.Approved):
            return None
        case = await self._gate.case(tx, record, look)
        found = mint(record, case)
        if isinstance(found, Permit) and look.refusal is not None:
            found = look.refusal
        if isinstance(found, Refusal):
            if not may_wait(found):
                await self._progress.refuse_claim(tx, record, state, found)
            return None
        running = life.claim(state, self._worker())
        facts = {"approvers": [str(each) for each in found.approvers], "auto": case.auto}
        await self._progress.move(tx, record.to(running), "plan.started", BOT, facts)
        return Claimed(running, found)

    async def _resume(self, plan_id: PlanId) -> Claimed | None:
        """Go on with a plan at work: ours, or one whose owner is silent."""
        async with self._store.begin() as tx:
            record = await tx.plans.get(plan_id)
            state = record.state
            if not isinstance(state, life.AtWork):
                return None
            if not self.is_ours(state):
                if not _silent(state, self._clock.wall()):
                    return None
                facts = {"from": state.worker.owner if state.worker is not None else ""}
                state = life.hand_to(state, self._worker())
                taken = record.to(state)
                record = await self._progress.move(tx, taken, "plan.taken_over", BOT, facts)
            # Stopping is judged before each step, not here.
            case = replace(await self._gate.case(tx, record), halted="", stopped=False)
            found = mint(record, case)
            if isinstance(found, Refusal):
                await self._progress.refuse_claim(tx, record, state, found)
                return None
        return Claimed(state, found)

    async def beat(self, plan_id: PlanId, every: timedelta) -> None:
        """Renew our heartbeat of a plan at work."""
        wall = self._clock.wall()
        try:
            async with self._store.begin() as tx:
                record = await tx.plans.get(plan_id)
                state = record.state
                if not isinstance(state, life.AtWork) or not self._is_due(state, wall, every):
                    return
                await tx.plans.move(record.to(life.hand_to(state, self._worker())))
        except StaleError:
            return  # it moved: that is a sign of life too

    def _is_due(self, state: life.AtWork, wall: datetime, every: timedelta) -> bool:
        worker = state.worker
        return self.is_ours(state) and worker is not None and wall - worker.heartbeat_at >= every

    def _worker(self) -> life.Worker:
        return life.Worker(self._owner, self._clock.wall())


def _silent(state: life.AtWork, wall: datetime) -> bool:
    return state.worker is None or wall - state.worker.heartbeat_at >= STALE_AFTER
