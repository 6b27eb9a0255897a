"""Claiming: which plans this process may work on, decided once by compare-and-set.

    HELD --hold over--> APPROVED --claim: every guard again--> RUNNING, ours
    RUNNING, VERIFYING, UNDOING of an owner that is silent --take over--> ours

Claims of all processes stand in one line (a lease taken inside the transaction), so that neither
the limit of plans at once nor the cooldown of a target can be passed by two at the same moment.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.core.remediation.gate import Gate, Look
from bot.core.remediation.permits import AT_WORK, Permit, mint
from bot.core.remediation.progress import Progress
from bot.domain.approval import Approved, Pending
from bot.domain.audit import BOT
from bot.domain.guards import Refusal, may_wait
from bot.domain.ids import PlanId
from bot.domain.plan import PlanStatus
from bot.domain.policy import rule

log = structlog.get_logger(__name__)

LINE = "plans.claim"
MUTEX = timedelta(seconds=30)
STALE_AFTER = timedelta(seconds=30)  # wall: an owner silent this long is dead


class Claims:
    """Takes plans for one process."""

    def __init__(
        self, store: Store, clock: Clock, gate: Gate, progress: Progress, owner: str
    ) -> None:
        """`owner` names this process and no other, not even an earlier run of it."""
        self._store, self._clock, self._gate = store, clock, gate
        self._progress, self._owner = progress, owner

    def is_ours(self, record: PlanRecord) -> bool:
        """Say whether this process works on a plan."""
        return record.owner == self._owner

    async def due(self) -> list[PlanRecord]:
        """Return approved plans, ours, and those whose owner is silent; oldest first."""
        wall = self._clock.wall()
        async with self._store.begin() as tx:
            records = await tx.plans.list([PlanStatus.APPROVED, *AT_WORK], limit=500)
        return [
            record
            for record in reversed(records)
            if record.status is PlanStatus.APPROVED or self.is_ours(record) or _silent(record, wall)
        ]

    async def end_holds(self) -> None:
        """Let held plans whose hold is over run, or ask after all when policy has changed."""
        wall = self._clock.wall()
        async with self._store.begin() as tx:
            held = await tx.plans.list([PlanStatus.HELD])
        for record in held:
            if isinstance(record.approval, Pending) and wall >= record.approval.expires_at:
                await self._end_hold(record.plan.id)

    async def _end_hold(self, plan_id: PlanId) -> None:
        wall = self._clock.wall()
        try:
            async with self._store.begin() as tx:
                record = await tx.plans.get(plan_id)
                pending = record.approval
                if record.status is not PlanStatus.HELD or not isinstance(pending, Pending):
                    return
                plan = record.plan
                refs = [step.target for step in plan.body.steps]
                mode = self._gate.mode(plan.service, refs)
                if rule(plan.tier, mode, self._gate.policy()).runs_by_itself:
                    approved = Approved(plan.id, pending.digest, pending.answers, wall)
                    moved = replace(record, status=PlanStatus.APPROVED, approval=approved)
                    kind = "plan.hold_ended"
                else:
                    asked = replace(pending, expires_at=plan.expires_at)
                    moved = replace(record, status=PlanStatus.WAITING, approval=asked)
                    kind = "plan.asked_after_all"
                await self._progress.move(tx, moved, kind, BOT, {})
        except StaleError:
            return  # somebody answered meanwhile; the next tick looks again

    async def take(self, plan_id: PlanId) -> tuple[PlanRecord, Permit] | None:
        """Make a plan ours, with its permit; None when it is not to be worked on now."""
        async with self._store.begin() as tx:
            record = await tx.plans.get(plan_id)
        try:
            if record.status is PlanStatus.APPROVED:
                return await self._claim(record)
            if record.status in AT_WORK:
                return await self._resume(plan_id)
        except StaleError:
            return None  # another process was faster; the next tick looks again
        return None

    async def _claim(self, record: PlanRecord) -> tuple[PlanRecord, Permit] | None:
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

    async def _judged(
        self, tx: Transaction, seen: PlanRecord, look: Look
    ) -> tuple[PlanRecord, Permit] | None:
        record = await tx.plans.get(seen.plan.id)
        if record.version != look.version or record.status is not PlanStatus.APPROVED:
            return None
        case = await self._gate.case(tx, record, look)
        found = mint(record, case)
        if isinstance(found, Permit) and look.refusal is not None:
            found = look.refusal
        if isinstance(found, Refusal):
            if not may_wait(found):
                await self._progress.refuse_claim(tx, record, found)
            return None
        owned = replace(
            record,
            status=PlanStatus.RUNNING,
            owner=self._owner,
            heartbeat_at=self._clock.wall(),
        )
        facts = {"approvers": [str(each) for each in found.approvers], "auto": case.auto}
        moved = await self._progress.move(tx, owned, "plan.started", BOT, facts)
        return moved, found

    async def _resume(self, plan_id: PlanId) -> tuple[PlanRecord, Permit] | None:
        """Go on with a plan at work: ours, or one whose owner is silent."""
        async with self._store.begin() as tx:
            record = await tx.plans.get(plan_id)
            if record.status not in AT_WORK:
                return None
            wall = self._clock.wall()
            if not self.is_ours(record):
                if not _silent(record, wall):
                    return None
                taken = replace(record, owner=self._owner, heartbeat_at=wall)
                facts = {"from": record.owner}
                record = await self._progress.move(tx, taken, "plan.taken_over", BOT, facts)
            # Stopping is judged before each step, not here.
            case = replace(await self._gate.case(tx, record), halted="", stopped=False)
            found = mint(record, case)
            if isinstance(found, Refusal):
                await self._progress.refuse_claim(tx, record, found)
                return None
        return record, found

    async def beat(self, plan_id: PlanId, every: timedelta) -> None:
        """Renew our heartbeat of a plan at work."""
        wall = self._clock.wall()
        try:
            async with self._store.begin() as tx:
                record = await tx.plans.get(plan_id)
                last = record.heartbeat_at
                if self.is_ours(record) and (last is None or wall - last >= every):
                    await tx.plans.move(replace(record, heartbeat_at=wall))
        except StaleError:
            return  # it moved: that is a sign of life too


def _silent(record: PlanRecord, wall: datetime) -> bool:
    last = record.heartbeat_at
    return not record.owner or last is None or wall - last >= STALE_AFTER
