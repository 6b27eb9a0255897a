"""What every end of a question about a plan has in common: the move, its audit row, who is told.

    end_plan   REJECTED · EXPIRED · WITHDRAWN: record, outcome, and a notice to those it concerns
    note       the audit row and a redrawn card
    attempt    judge again after a lost race

`approvals` moves plans for people, `deadlines` for the clock; both through here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace

from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.domain import approval as moves
from bot.domain.approval import Approval, Approved, Expired, Pending, Yes
from bot.domain.audit import BOT, Event
from bot.domain.guards import GUARDS
from bot.domain.ids import PlanId, UserId
from bot.domain.place import Place
from bot.domain.plan import PlanStatus
from bot.locale import Texts

TRIES = 12  # lost races before we give up; two hundred clicks need a few
OPEN = (PlanStatus.WAITING, PlanStatus.HELD)


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer came to. `text` is for the person who gave it."""

    accepted: bool
    status: PlanStatus | None
    text: str
    refused_by: str = ""  # name of the guard or "access"

    @property
    def ok(self) -> bool:
        """Whether it was accepted; what listeners ask."""
        return self.accepted

    @property
    def message(self) -> str:
        """The sentence for the person."""
        return self.text


@dataclass(frozen=True, slots=True)
class PlanMoves:
    """Moves plans that have not been claimed, and writes down that they moved."""

    store: Store
    clock: Clock
    texts: Texts
    redact: Callable[[str], str] = str  # of what people type: reasons are kept and shown

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
            return await tx.plans.list(statuses, limit=1000)

    async def expired(self, tx: Transaction, record: PlanRecord) -> Said:
        """Expire a plan whose time is over."""
        state = Expired(record.plan.id, self.clock.wall())
        text = self.texts.say("plan.expired", **self.fields(record))
        moved = await self.end_plan(tx, record, PlanStatus.EXPIRED, text, state)
        await self.note(tx, moved, "plan.expired", BOT, {})
        return self.said(moved, "plan.expired", accepted=False, guard="expiry")

    def withdrawn(self, record: PlanRecord, why: str) -> Approval:
        """Return the approval of a plan that is taken back."""
        if isinstance(record.approval, Pending):
            return moves.withdraw(record.approval, why, self.clock.wall())
        return record.approval  # it was approved; that stays on record

    async def end_plan(
        self,
        tx: Transaction,
        record: PlanRecord,
        status: PlanStatus,
        outcome: str,
        state: Approval,
        *,
        by: UserId | None = None,
    ) -> PlanRecord:
        """End a plan that never ran; whoever said yes or asked is told, but for who ended it."""
        ended = replace(
            record, status=status, approval=state, outcome=outcome, ended_at=self.clock.now()
        )
        moved = await tx.plans.move(ended)
        concerned = [user for user in concerned_by(record) if user != by]
        if concerned:
            plan = record.plan
            text = self.texts.say(
                "plan.end.unclaimed",
                id=plan.id,
                title=plan.title,
                status=self.texts.say(f"plan.status.{status.value}"),
                why=outcome.rstrip("."),
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
                facts={"status": record.status.value, **facts},
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
            "answers": len(answers_of(record)),
            "needed": record.plan.approvers_needed,
        }


def named_guard(texts: Texts, guard: str) -> str:
    """Return what a guard is about, in a person's words."""
    return texts.say(f"guard.{guard if guard in GUARDS else 'other'}")


def answers_of(record: PlanRecord) -> tuple[Yes, ...]:
    """Return every yes that a plan has."""
    return record.approval.answers if isinstance(record.approval, Pending | Approved) else ()


def concerned_by(record: PlanRecord) -> list[UserId]:
    """Return who said yes to a plan and who asked for it."""
    asked = [record.plan.requested_by] if record.plan.requested_by else []
    return list(dict.fromkeys([*(yes.by for yes in answers_of(record)), *asked]))
