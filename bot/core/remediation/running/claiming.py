"""Claiming: which plans this process may work on, decided once by compare-and-set.

    Held --hold over--> Approved --claim: every guard again--> Running, ours
    Running, Verifying, Undoing of an owner that is silent --take over--> ours

Claims of all processes stand in one line (a lease taken inside the transaction), so that neither
the limit of plans at once nor the exclusion and the cooldown of a workload can be passed by two at
the same moment. A plan that a person let go on waits for its turn as an approved one does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.ports import Clock, PlanRecord, StaleError, Transaction
from bot.core.remediation.guarding.gate import Gate, Look
from bot.core.remediation.running.holds import Hold, Holds
from bot.core.remediation.running.permits import Permit, mint
from bot.core.remediation.running.progress import Progress
from bot.domain.audit import BOT, Anchor
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.guards import GUARDS, Moment, Refusal, ask, may_wait
from bot.domain.plans.plan import AT_WORK, PlanStatus

LINE = "plans.claim"
MUTEX = timedelta(seconds=30)
STALE_AFTER = timedelta(seconds=30)  # wall: an owner silent this long is dead
LOOK_AGAIN = timedelta(seconds=10)  # before the world and the directory are asked once more
GOES_ON: Mapping[type[life.AtWork], Moment] = {
    life.Running: Moment.STEP,
    life.Verifying: Moment.VERIFY,
    life.Undoing: Moment.UNDO,
}
TURNS = ("exclusion", "concurrency")  # what a plan that was let go on waits for


@dataclass(frozen=True, slots=True)
class Claimed:
    """A plan at work in this process: where it is, and our hold on it."""

    state: life.AtWork
    hold: Hold


class Claims:
    """Takes plans for one process."""

    def __init__(self, holds: Holds, clock: Clock, gate: Gate, progress: Progress) -> None:
        self._store, self._clock, self._gate = holds.store, clock, gate
        self._progress, self._owner, self.is_ours = progress, holds.owner, holds.is_ours
        self._looked: dict[PlanId, float] = {}  # monotonic: claims that could not be judged

    async def due(self) -> list[PlanRecord]:
        """Return approved plans, ours, and those whose owner is silent; oldest first."""
        async with self._store.begin() as tx:
            records = await tx.plans.list([PlanStatus.APPROVED, *AT_WORK], limit=None)
            for record in records:
                if isinstance(record.state, life.AtWork) and not self.is_ours(record.state):
                    await self._gate.remember(tx, record.plan.id)
        return [record for record in reversed(records) if self._may_take(record.state)]

    def _may_take(self, state: life.PlanState) -> bool:
        if not isinstance(state, life.AtWork):
            return isinstance(state, life.PlanApproved)
        return self.is_ours(state) or _silent(state, self._clock.wall())

    async def end_holds(self) -> None:
        """Let held plans whose hold is over run, or ask after all when policy has changed."""
        wall = self._clock.wall()
        async with self._store.begin() as tx:
            held = await tx.plans.list([PlanStatus.HELD], limit=None)
        for record in held:
            if isinstance(record.state, life.Held) and wall >= record.state.approval.expires_at:
                await self._end_hold(record.plan.id)

    async def _end_hold(self, plan_id: PlanId) -> None:
        wall = self._clock.wall()
        try:
            async with self._store.begin() as tx:
                record = await tx.plans.get(plan_id)
                state = record.state
                if not isinstance(state, life.Held) or await self._gate.unproved(tx, record):
                    return  # `deadlines` takes back what nothing proves
                alone = self._gate.ruling(record).runs_by_itself
                moved = life.end_hold(state, record.plan, wall, alone=alone)
                kind = "plan.hold_ended" if alone else "plan.asked_after_all"
                await self._progress.move(tx, record.to(moved), kind, BOT, {})
        except StaleError:
            return  # somebody answered meanwhile; the next tick looks again

    async def take(self, plan_id: PlanId) -> Claimed | None:
        """Make a plan ours, with its permit; None when it is not to be worked on now."""
        try:
            async with self._store.begin() as tx:
                record = await tx.plans.get(plan_id)
                state = record.state
                if isinstance(state, life.PlanApproved) and await self._disowned(tx, record, state):
                    return None
            if isinstance(state, life.PlanApproved):
                return await self._claim(record)
            if isinstance(state, life.AtWork):
                return await self._resume(plan_id, ours=self.is_ours(state))
        except StaleError:
            return None  # another process was faster; the next tick looks again
        return None

    async def _disowned(
        self, tx: Transaction, record: PlanRecord, state: life.PlanApproved
    ) -> bool:
        """End a plan that nothing proves, before anybody looks at the world on its behalf."""
        refusal = await self._gate.disowned(tx, record, Moment.CLAIM)
        if refusal is not None:
            await self._progress.refuse_claim(tx, record, state, refusal)
        return refusal is not None

    async def _claim(self, record: PlanRecord) -> Claimed | None:
        plan_id = record.plan.id
        if self._clock.wall() >= record.plan.expires_at:
            look = Look({}, (), record.version)  # too late for whatever the world says
        elif await self._is_early(record):
            return None
        else:
            look = await self._gate.look(record, dry_run=True)
        known = await self._gate.anchored()
        async with self._store.begin() as tx:
            if not await self._in_line(tx):
                return None
            found = await self._judged(tx, record, look, known)
            await tx.leases.release(LINE, self._owner)
        if isinstance(found, Refusal):
            self._looked[plan_id] = self._clock.monotonic()
            return None
        self._looked.pop(plan_id, None)
        return found

    async def _is_early(self, record: PlanRecord) -> bool:
        """Say whether a claim must wait, before anything outside is asked."""
        looked = self._looked.get(record.plan.id)
        if looked is not None and self._clock.monotonic() - looked < LOOK_AGAIN.total_seconds():
            return True
        names = [name for name in GUARDS if name != "approver_role"]  # nobody was looked up yet
        async with self._store.begin() as tx:
            refusal = ask(names, await self._gate.case(tx, record), Moment.CLAIM)
        return refusal is not None and may_wait(refusal)

    async def _in_line(self, tx: Transaction) -> bool:
        return await tx.leases.acquire(LINE, self._owner, self._clock.wall(), MUTEX)

    async def _judged(
        self, tx: Transaction, seen: PlanRecord, look: Look, known: Anchor | None
    ) -> Claimed | Refusal | None:
        """Claim a plan, end it, or return for what it waits."""
        record = await tx.plans.get(seen.plan.id)
        state = record.state
        if record.version != look.version or not isinstance(state, life.PlanApproved):
            return None
        case = await self._gate.case(tx, record, look)
        found = await self._gate.cut_off(tx, record.plan.id, known) or mint(record, case)
        if isinstance(found, Permit):
            running = life.claim(state, self._worker())
            facts = {"approvers": [str(each) for each in found.approvers], "auto": case.auto}
            moved = await self._progress.move(tx, record.taken(running), "plan.started", BOT, facts)
            return Claimed(running, Hold(moved.plan, moved.token))
        if may_wait(found):
            return found
        await self._progress.refuse_claim(tx, record, state, found)
        return None

    async def _resume(self, plan_id: PlanId, *, ours: bool) -> Claimed | None:
        """Go on with a plan at work: ours, or one whose owner is silent.

        Whether it may go on is judged before its next step.
        """
        known = None if ours else await self._gate.anchored()
        async with self._store.begin() as tx:
            record = await tx.plans.get(plan_id)
            state = record.state
            if not isinstance(state, life.AtWork) or self.is_ours(state) is not ours:
                return None
            if not ours and not _silent(state, self._clock.wall()):
                return None
            refusal = await self._gate.disowned(tx, record, GOES_ON[type(state)])
            if refusal is None and not ours:  # the line first, then the chain, as a claim does
                if state.worker is None and not await self._its_turn(tx, record):
                    return None
                refusal = await self._gate.cut_off(tx, plan_id, known)
            if refusal is not None:
                await self._progress.refuse_to_go_on(tx, record, state, refusal)
                return None
            if not ours:
                facts = {"from": state.worker.owner if state.worker is not None else ""}
                state = life.hand_to(state, self._worker())
                taken = record.taken(state)
                record = await self._progress.move(tx, taken, "plan.taken_over", BOT, facts)
        return Claimed(state, Hold(record.plan, record.token))

    async def _its_turn(self, tx: Transaction, record: PlanRecord) -> bool:
        """Say whether nobody works where a plan goes on that no process holds.

        The way back of one asks only for its workloads.
        """
        if not await self._in_line(tx):
            return False
        turns = TURNS[:1] if isinstance(record.state, life.Undoing) else TURNS
        refusal = ask(turns, await self._gate.case(tx, record), Moment.STEP)
        await tx.leases.release(LINE, self._owner)  # on record once this transaction ends
        return refusal is None

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
