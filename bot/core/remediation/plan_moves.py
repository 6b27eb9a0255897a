"""What every move of an unclaimed plan has in common: the move, its audit row, who is told.

    end_plan   Rejected · Expired · Withdrawn, and a notice to those it concerns
    expired · withdrawn · replaced             such ends, with their words and audit rows
    note       the audit row and a redrawn card
    attempt    judge again after a lost race

`approvals` moves plans for people, `deadlines` for the clock, `planner` when it replaces one; all
through here. What moves plans at work is `progress`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.domain.audit import BOT, Event
from bot.domain.ids import PlanId, UserId
from bot.domain.place import Place
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import answers_of
from bot.domain.plans.guards import GUARDS
from bot.domain.plans.plan import Plan, PlanStatus
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts

TRIES = 12  # lost races before we give up; two hundred clicks need a few


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer came to. `text` is for the person who gave it."""

    accepted: bool
    status: PlanStatus | None
    text: str
    refused_by: str = ""  # name of the guard or "access"


@dataclass(frozen=True, slots=True)
class PlanMoves:
    """Moves plans that have not been claimed, and writes down that they moved."""

    store: Store
    clock: Clock
    texts: Texts
    redactor: Redactor  # of what people type: reasons are kept and shown

    async def attempt(
        self, plan_id: PlanId, judge: Callable[[Transaction, PlanRecord], Awaitable[bool]]
    ) -> bool:
        """Judge in one transaction, again after a lost race."""
        for _ in range(TRIES):
            try:
                async with self.store.begin() as tx:
                    return await judge(tx, await tx.plans.get(plan_id))
            except StaleError:
                continue
        return False  # the next tick tries again

    async def listed(self, *statuses: PlanStatus) -> list[PlanRecord]:
        """Return the plans of some statuses, newest first."""
        async with self.store.begin() as tx:
            return await tx.plans.list(statuses, limit=None)

    async def expired(self, tx: Transaction, record: PlanRecord, state: life.Open) -> Said:
        """Expire a plan whose time is over."""
        text = self.texts.say("plan.expired", **self.fields(record))
        ended = life.expire(state, text, self.clock.wall(), self.clock.now())
        moved = await self.end_plan(tx, record, ended)
        await self.note(tx, moved, "plan.expired", BOT, {})
        return self.said(moved, "plan.expired", accepted=False, guard="expiry")

    async def withdrawn(
        self,
        tx: Transaction,
        record: PlanRecord,
        state: life.Unclaimed,
        why: str,
        by: UserId | None = None,
    ) -> PlanRecord:
        """Take a plan back; the audit row is the caller's, who knows the occasion."""
        ended = life.withdraw(state, why, self.clock.wall(), self.clock.now())
        return await self.end_plan(tx, record, ended, by=by)

    async def replaced(self, tx: Transaction, old_id: PlanId, new: Plan) -> None:
        """Take back the plan that a new one replaces, in the transaction that keeps the new one.

        Raises StaleError when it was answered or ended meanwhile: then neither happens.
        """
        record = await tx.plans.get(old_id)
        state = record.state
        if not isinstance(state, life.Open):
            raise StaleError(f"{old_id} is {record.status.value} by now; it was not replaced")
        before = {choice.name: choice.value for choice in record.plan.choices}
        changed = {c.name: [before.get(c.name, ""), c.value] for c in new.choices}
        why, by = self.texts.say("plan.replaced_by", new=new.id), new.requested_by
        moved = await self.withdrawn(tx, record, state, why, by)
        facts = {
            "replaced_by": new.id,
            "changed": {name: pair for name, pair in changed.items() if pair[0] != pair[1]},
        }
        await self.note(tx, moved, "plan.edited", by or BOT, facts)

    async def end_plan(
        self,
        tx: Transaction,
        record: PlanRecord,
        ended: life.PlanRejected | life.PlanExpired | life.PlanWithdrawn,
        *,
        by: UserId | None = None,
    ) -> PlanRecord:
        """End a plan that never ran; whoever said yes or asked is told, but for who ended it."""
        moved = await tx.plans.move(record.to(ended))
        concerned = [user for user in concerned_by(record) if user != by]
        if concerned:
            plan = record.plan
            text = self.texts.say(
                "plan.end.unclaimed",
                id=plan.id,
                title=plan.title,
                status=self.texts.say(f"plan.status.{ended.status.value}"),
                why=ended.outcome.rstrip("."),
            )
            await self.tell(tx, moved, f"plan-end:{plan.id}:{moved.version}", text, concerned)
        return moved

    async def tell(
        self,
        tx: Transaction,
        record: PlanRecord,
        key: str,
        text: str,
        mentions: Collection[str] = (),
    ) -> None:
        """Post one line below a plan's card."""
        place = record.plan.place
        await tx.outbox.post(
            key,
            "notice",
            record.plan.id,
            Place(place.channel, place.thread_ts),
            {"text": text, "mentions": list(mentions)},
            behind="" if place.thread_ts else f"plan:{record.plan.id}",
        )

    async def note(
        self,
        tx: Transaction,
        record: PlanRecord,
        kind: str,
        actor: str,
        facts: Mapping[str, object],
        private: str = "",
    ) -> None:
        """Write the audit row of a move and have the card redrawn."""
        await tx.outbox.refresh("plan", record.plan.id)
        await tx.audit.append(
            Event(
                kind=kind,
                at=self.clock.now(),
                actor=actor,
                subject=record.plan.id,
                digest=record.plan.digest,
                facts={"status": record.status.value, "version": record.version, **facts},
                private=private,
            )
        )

    def said(self, record: PlanRecord, key: str, *, accepted: bool = True, guard: str = "") -> Said:
        """Return an answer in the words of the locale."""
        return Said(accepted, record.status, self.texts.say(key, **self.fields(record)), guard)

    def fields(self, record: PlanRecord) -> dict[str, object]:
        """Return what texts about a plan may name."""
        return {
            "id": record.plan.id,
            "title": record.plan.title,
            "status": self.texts.say(f"plan.status.{record.status.value}"),
            "answers": len(answers_of(record.approval)),
            "needed": record.plan.approvers_needed,
        }


def named_guard(texts: Texts, guard: str) -> str:
    """Return what a guard is about, in a person's words."""
    return texts.say(f"guard.{guard if guard in GUARDS else 'other'}")


def concerned_by(record: PlanRecord) -> list[UserId]:
    """Return who said yes to a plan and who asked for it."""
    asked = [record.plan.requested_by] if record.plan.requested_by else []
    return list(dict.fromkeys([*(yes.by for yes in answers_of(record.approval)), *asked]))
