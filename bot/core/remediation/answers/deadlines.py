"""What happens to waiting plans by themselves, as time passes and the world changes.

    expire_due       nobody answered in time
    remind_due       once, shortly before that
    trigger_cleared  the trouble is over: the plan is withdrawn
    review_waiting   somebody changed the object by hand, an older version made the plan, or nothing
                     proves it: it is withdrawn

Moves are compare-and-set; what loses a race is judged again by the next tick.
"""

from __future__ import annotations

import structlog

from bot.core.ports import PlanRecord, Transaction
from bot.core.remediation.guarding.gate import Gate
from bot.core.remediation.plan_moves import PlanMoves, concerned_by
from bot.domain.audit import BOT
from bot.domain.finding import Finding
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.plan import OPEN, PlanStatus
from tools.errors import BackendError

log = structlog.get_logger(__name__)


class Deadlines:
    """Moves plans that nobody has claimed, by the clock."""

    def __init__(self, moves: PlanMoves, gate: Gate) -> None:
        self._moves, self._gate = moves, gate

    async def expire_due(self) -> int:
        """Expire what nobody answered in time; returns how many."""
        waiting, count = await self._moves.listed(PlanStatus.WAITING), 0
        if not waiting:
            return 0
        async with self._moves.store.begin() as tx:
            wall = await self._gate.steady.keep(tx)
        for record in waiting:
            if wall >= record.plan.expires_at:
                count += await self._moves.attempt(record.plan.id, self._expire_now)
        return count

    async def remind_due(self) -> int:
        """Remind once, shortly before a plan expires; returns how many reminders were posted."""
        wall, count = self._moves.clock.wall(), 0
        before = self._gate.policy().remind_before
        for record in await self._moves.listed(PlanStatus.WAITING):
            left = record.plan.expires_at - wall
            if before.total_seconds() >= left.total_seconds() > 0:
                count += await self._remind(record, round(left.total_seconds() / 60))
        return count

    async def withdraw(self, plan_id: PlanId, why: str) -> bool:
        """Take a plan back that nobody has claimed yet; False when it is too late."""

        async def judge(tx: Transaction, record: PlanRecord) -> bool:
            if not isinstance(record.state, life.Unclaimed):
                return False
            moved = await self._moves.withdrawn(tx, record, record.state, why)
            await self._moves.note(tx, moved, "plan.withdrawn", BOT, {"why": why})
            return True

        return await self._moves.attempt(plan_id, judge)

    async def trigger_cleared(self, finding: Finding) -> int:
        """Withdraw the unclaimed plans of a finding whose anomalies are all gone."""
        async with self._moves.store.begin() as tx:
            records = await tx.plans.of_finding(finding.id)
        why = self._moves.texts.say("plan.trigger_cleared", finding=finding.id)
        return sum([await self.withdraw(record.plan.id, why) for record in records])

    async def review_waiting(self) -> int:
        """Withdraw waiting plans whose objects somebody has changed by hand; returns how many.

        Those that nothing proves as well, as those of an older version: nobody can answer them.
        """
        count = 0
        for record in await self._moves.listed(*OPEN):
            if await self._moves.attempt(record.plan.id, self._disown):
                count += 1
                continue
            try:
                refusal = (await self._gate.look(record)).refusal
            except BackendError as error:
                log.warning("plan.not_reviewed", plan_id=record.plan.id, why=str(error))
                continue
            if refusal is not None:
                why = self._moves.texts.say("plan.fixed_by_hand", why=refusal.message)
                count += await self.withdraw(record.plan.id, why)
        return count

    async def _disown(self, tx: Transaction, record: PlanRecord) -> bool:
        """Withdraw a plan that nobody could approve any more: nothing proves it."""
        if not isinstance(record.state, life.Open):
            return False
        why = await self._gate.unproved(tx, record)
        if not why:
            return False
        await self._moves.note(tx, record, "plan.refused", BOT, {"guard": "proof", "why": why})
        moved = await self._moves.withdrawn(tx, record, record.state, why)
        await self._moves.note(tx, moved, "plan.withdrawn", BOT, {"why": why})
        log.warning("plan.unproved", plan_id=record.plan.id, why=why)
        return True

    async def _expire_now(self, tx: Transaction, record: PlanRecord) -> bool:
        if not isinstance(record.state, life.Waiting):
            return False
        if await self._gate.steady.now(tx) < record.plan.expires_at:
            return False
        await self._moves.expired(tx, record, record.state)
        return True

    async def _remind(self, record: PlanRecord, minutes: int) -> bool:
        plan, key = record.plan, f"plan-reminder:{record.plan.id}"
        async with self._moves.store.begin() as tx:
            if await tx.outbox.find(key) is not None:
                return False
            text = self._moves.texts.say(
                "plan.reminder", title=plan.title, minutes=minutes, id=plan.id
            )
            told = dict.fromkeys([*plan.owners, *concerned_by(record)])
            await self._moves.tell(tx, record, key, text, told)
            await self._moves.note(tx, record, "plan.reminded", BOT, {})
            return True
