"""How any answer to a plan is judged: who is it, may they, and what a refusal comes to.

    judged      look the person up, then judge inside one transaction, again after a lost race
    objection   every guard of an answer: `plan.refused` names the one that objects
    late        a click that comes too late, or again

Who people are and what they may is looked up anew at every answer; an answer of somebody who cannot
be confirmed now is refused. Every refusal is an audit row.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from bot.core.ports import PlanRecord, StaleError, Transaction
from bot.core.remediation.guarding.gate import Gate
from bot.core.remediation.guarding.people import Identity
from bot.core.remediation.plan_moves import TRIES, PlanMoves, Said, named_guard
from bot.domain.audit import Event
from bot.domain.ids import PlanId, UserId
from bot.domain.plans.approval import answers_of
from bot.domain.plans.guards import Answerer, Moment, Refusal, ask, check

log = structlog.get_logger(__name__)

Judge = Callable[[Transaction, PlanRecord, Answerer], Awaitable[Said]]


@dataclass(frozen=True, slots=True)
class Answering:
    """Lets people answer plans."""

    moves: PlanMoves
    gate: Gate

    async def judged(
        self,
        plan_id: PlanId,
        user: UserId,
        right: str,
        judge: Judge,
        *,
        tiered: bool = False,
        brake: bool = False,
    ) -> Said:
        """Judge an answer.

        `tiered`: the role of the plan's tier is needed as well. `brake`: it stops something, so who
        was known a few minutes ago may.
        """
        people = self.gate.people
        person = await (people.remembered(user) if brake else people.identity(user))
        for _ in range(TRIES):
            try:
                async with self.moves.store.begin() as tx:
                    record = await tx.plans.get(plan_id)
                    who = self._who(person, user, record, right, tiered=tiered)
                    refused = await self._refused(tx, record, who, right)
                    return refused or await judge(tx, record, who)
            except StaleError:
                continue
        return Said(False, None, self.moves.texts.say("plan.busy"), "busy")

    async def may_propose(
        self, plan_id: PlanId, user: UserId, right: str
    ) -> tuple[PlanRecord, Said | None]:
        """Return a plan, and the refusal for somebody without the right.

        What nothing proves is not proposed anew: a new plan lives where the old one's card is said
        to be, and there it is judged who may answer it.
        """
        async with self.moves.store.begin() as tx:
            record = await tx.plans.get(plan_id)
        who = self._who(await self.gate.people.identity(user), user, record, right)
        async with self.moves.store.begin() as tx:
            refused = await self._refused(tx, record, who, right)
            if refused is None and not record.genuine:
                why = await self.gate.unproved(tx, record)
                refused = await self.refuse(tx, record, user, Refusal("proof", why))
            return record, refused

    async def objection(
        self,
        tx: Transaction,
        record: PlanRecord,
        who: Answerer,
        digest: str,
        *,
        glass: bool = False,
    ) -> Said | None:
        """Ask every guard of an answer; None when none objects."""
        case = await self.gate.case(tx, record, None, (who,), digest)
        refusal = check(replace(case, auto=False, glass=glass), Moment.ANSWER)
        if refusal is None:
            return None
        return await self.refuse(tx, record, who.user, refusal)

    def late(self, record: PlanRecord, user: UserId) -> Said:
        """Answer a click that comes too late, or again."""
        own = any(yes.by == user for yes in answers_of(record.approval))
        key = "plan.already_counted" if own else "plan.too_late"
        return self.moves.said(record, key, accepted=own, guard="" if own else "status")

    def refusal(self, guard: str, why: str) -> str:
        """Return what a person reads of a guard that refused."""
        texts = self.moves.texts
        return texts.say("plan.refused", guard=guard, named=named_guard(texts, guard), why=why)

    def _who(
        self,
        person: Identity,
        user: UserId,
        record: PlanRecord,
        right: str,
        *,
        tiered: bool = False,
    ) -> Answerer:
        plan = record.plan
        if tiered:
            return self.gate.people.may_answer(person, user, plan, right)
        return self.gate.people.may(person, user, right, plan.place.channel, plan.service)

    async def refuse(
        self, tx: Transaction, record: PlanRecord, user: UserId, refusal: Refusal
    ) -> Said:
        """Write down which guard refused an answer, and say so."""
        await self.moves.note(tx, record, "plan.refused", user, {"guard": refusal.guard})
        text = self.refusal(refusal.guard, refusal.message)
        return Said(False, record.status, text, refusal.guard)

    async def _refused(
        self, tx: Transaction, record: PlanRecord, who: Answerer, right: str
    ) -> Said | None:
        """Refuse who may not, and who cannot be confirmed; None for who may."""
        case = await self.gate.case(tx, record, None, (who,))
        unsure = ask(("identity",), case, Moment.ANSWER)
        if unsure is not None:
            return await self.refuse(tx, record, who.user, unsure)
        if not who.allowed:
            return await self._denied(tx, record, who.user, right, who.why)
        return None

    async def _denied(
        self, tx: Transaction, record: PlanRecord, user: UserId, right: str, why: str
    ) -> Said:
        await tx.audit.append(
            Event(
                kind="access.denied",
                at=self.moves.clock.now(),
                actor=user,
                subject=record.plan.id,
                why=why,
                digest=record.plan.digest,
                facts={"right": right, "service": record.plan.service},
            )
        )
        log.info("access.denied", user=user, right=right, plan_id=record.plan.id)
        text = self.moves.texts.say("plan.denied", why=why)
        return Said(False, record.status, text, "access")
