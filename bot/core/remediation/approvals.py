"""People's answers to plans: every door (Slack, REST API) comes through here.

    approve · reject · break_glass · stop      before or while a plan runs
    edit · propose_again                       a new plan in place of this one
    resolve_unknown · undo                     after it stopped

A person is looked up and their role judged anew at every answer. Moves are compare-and-set; a lost
race is read and judged again. Every refusal is an audit row. A repeated click changes nothing.
What the clock does with plans is `bot.core.remediation.deadlines`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from bot.core.ports import Person, PlanRecord, StaleError, Transaction
from bot.core.remediation import unknown_outcome
from bot.core.remediation.gate import Gate
from bot.core.remediation.plan_ends import OPEN, TRIES, PlanMoves, Said, answers_of, named_guard
from bot.core.remediation.planner import Origin, Planner
from bot.domain import approval as moves
from bot.domain.approval import Approved, Expired, Pending
from bot.domain.audit import Event
from bot.domain.guards import Answerer, Moment, Refusal, check
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plan import PlanStatus, StepRun
from tools.world import ProposalDraft

__all__ = ["Approvals", "Said"]

log = structlog.get_logger(__name__)

LONGEST_REASON = 3000
UNDOABLE = frozenset({PlanStatus.HALTED, PlanStatus.UNVERIFIED})

Judge = Callable[[Transaction, PlanRecord, Answerer], Awaitable[Said]]


@dataclass(frozen=True, slots=True)
class Approvals:
    """The one place where people answer plans.

    `wake` is called after a move that lets the execution go on; `incidents` is where everybody
    reads what must not be missed.
    """

    moves: PlanMoves
    gate: Gate
    planner: Planner
    wake: Callable[[], None] = lambda: None
    incidents: Callable[[], Place | None] = lambda: None

    # --- yes and no -----------------------------------------------------------------------

    async def approve(
        self, plan_id: PlanId, user: UserId, channel: ChannelId, digest: str = ""
    ) -> Said:
        """Say yes to one plan, as it was shown. `digest` is compared where the door tells it."""

        async def judge(tx: Transaction, record: PlanRecord, who: Answerer) -> Said:
            pending = record.approval
            if record.status not in OPEN or not isinstance(pending, Pending):
                return self._late(record, user)
            refused = await self._objection(tx, record, who, digest)
            if refused is not None:
                return refused
            if any(yes.by == user for yes in pending.answers):
                return self.moves.said(record, "plan.already_counted")
            answered = self._yes(record, pending, user)
            if isinstance(answered, Expired):
                return await self.moves.expired(tx, record)
            done = isinstance(answered, Approved)
            status = PlanStatus.APPROVED if done else PlanStatus.WAITING
            moved = await tx.plans.move(replace(record, approval=answered, status=status))
            facts = {
                "answers": len(answered.answers),
                "needed": record.plan.approvers_needed,
                "complete": done,
                "channel": channel,
            }
            await self.moves.note(tx, moved, "plan.approved", user, facts)
            return self.moves.said(moved, "plan.approved" if done else "plan.counted")

        said = await self._answer(plan_id, user, "plan.approve", judge, tiered=True)
        if said.accepted and said.status is PlanStatus.APPROVED:
            self.wake()
        return said

    def _yes(
        self, record: PlanRecord, pending: Pending, user: UserId
    ) -> Pending | Approved | Expired:
        """Add a yes; a held plan that somebody approves needs no further hold."""
        wall = self.moves.clock.wall()
        if record.status is PlanStatus.HELD:
            pending = replace(pending, expires_at=record.plan.expires_at)
        return moves.approve(pending, user, record.plan.body.digest(), wall)

    async def break_glass(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId, digest: str = ""
    ) -> Said:
        """Open a MANUAL plan alone, in an emergency: written down, and told to everybody."""
        why = self.moves.redact(reason.strip())[:LONGEST_REASON]
        if not why:
            return Said(False, None, self.moves.texts.say("plan.reason_needed"), "reason")

        async def judge(tx: Transaction, record: PlanRecord, who: Answerer) -> Said:
            pending = record.approval
            if record.status not in OPEN or not isinstance(pending, Pending):
                return self._late(record, user)
            refused = await self._objection(tx, record, who, digest, glass=True)
            if refused is not None:
                return refused
            wall = self.moves.clock.wall()
            opened = moves.break_glass(pending, user, record.plan.body.digest(), why, wall)
            if isinstance(opened, Expired):
                return await self.moves.expired(tx, record)
            moved = await tx.plans.move(
                replace(record, approval=opened, status=PlanStatus.APPROVED)
            )
            facts = {
                "answers": len(opened.answers),
                "needed": record.plan.approvers_needed,
                "channel": channel,
            }
            await self.moves.note(tx, moved, "plan.break_glass", user, facts, private=why)
            await self._announce(tx, moved, user, why)
            return self.moves.said(moved, "plan.glass_broken")

        said = await self._answer(plan_id, user, "plan.break_glass", judge, tiered=True)
        if said.accepted:
            self.wake()
        return said

    async def _announce(
        self, tx: Transaction, record: PlanRecord, user: UserId, reason: str
    ) -> None:
        """Tell the channel of the card, and that of incidents, outside any thread."""
        plan, incidents = record.plan, self.incidents()
        channels = [plan.place.channel, *([incidents.channel] if incidents else [])]
        fields = {"user": user, "title": plan.title, "id": plan.id, "reason": reason}
        for channel in dict.fromkeys(channels):
            body = {"key": "plan.glass_announced", "fields": fields}
            key = f"plan-glass:{plan.id}:{channel}"
            await tx.outbox.post(key, "notice", plan.id, Place(channel), body)

    async def reject(self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId) -> Said:
        """Say no, with a reason."""
        why = self.moves.redact(reason.strip())[:LONGEST_REASON]
        if not why:
            return Said(False, None, self.moves.texts.say("plan.reason_needed"), "reason")

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status not in OPEN or not isinstance(record.approval, Pending):
                return self._late(record, user)
            pending = replace(record.approval, expires_at=record.plan.expires_at)
            wall = self.moves.clock.wall()
            rejected = moves.reject(pending, user, why, wall)
            if isinstance(rejected, Expired):
                return await self.moves.expired(tx, record)
            text = self.moves.texts.say("plan.rejected", **self.moves.fields(record))
            moved = await self.moves.end_plan(
                tx, record, PlanStatus.REJECTED, text, rejected, by=user
            )
            facts = {"channel": channel}
            await self.moves.note(tx, moved, "plan.rejected", user, facts, rejected.reason)
            return self.moves.said(moved, "plan.rejected")

        return await self._answer(plan_id, user, "plan.reject", judge, tiered=True)

    async def stop(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Stop a plan: before it runs it is withdrawn, at work it halts before the next step."""

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status.ended:
                return self._late(record, user)
            at_work = record.status not in {*OPEN, PlanStatus.APPROVED}
            if at_work and record.halted:
                return self.moves.said(record, "plan.stopping")
            if at_work:
                moved = await tx.plans.move(replace(record, halted=True))
            else:
                text = self.moves.texts.say("plan.stopped_by", user=user)
                state = self.moves.withdrawn(record, text)
                moved = await self.moves.end_plan(
                    tx, record, PlanStatus.WITHDRAWN, text, state, by=user
                )
            await self.moves.note(tx, moved, "plan.stopped", user, {"channel": channel})
            return self.moves.said(moved, "plan.stopping" if at_work else "plan.withdrawn")

        said = await self._answer(plan_id, user, "plan.stop", judge)
        self.wake()
        return said

    # --- a new plan in place of this one --------------------------------------------------

    async def edit(
        self, plan_id: PlanId, user: UserId, values: Mapping[str, str], channel: ChannelId
    ) -> Said:
        """Propose the same playbook with other values; only then this plan is withdrawn."""
        record, refused = await self._may_propose(plan_id, user, "plan.edit")
        if refused is not None:
            return refused
        plan = record.plan
        if record.status not in OPEN:
            return self._late(record, user)
        now = {choice.name: choice.value for choice in plan.choices}
        if not now:
            return self.moves.said(record, "plan.edit_nothing", accepted=False, guard="choices")
        if {**now, **values} == now:
            return self.moves.said(record, "plan.edit_same", accepted=False, guard="choices")
        draft = ProposalDraft(
            plan.body.playbook_id, plan.service, plan.reason, {**plan.chosen, **values}
        )
        log.info("plan.edit_asked", plan_id=plan_id, user=user, channel=channel)
        origin = Origin(plan.place, user, plan.finding, may_run_alone=plan.auto, replaces=plan_id)
        found = await self.planner.propose(draft, origin)
        if found.plan_id is None:
            return self._not_proposed(record, found.refused_by, found.summary)
        text = self.moves.texts.say("plan.replaced", id=plan_id, new=found.plan_id)
        return Said(True, PlanStatus.WITHDRAWN, text)

    async def propose_again(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Propose the same playbook anew, with the world as it is now."""
        record, refused = await self._may_propose(plan_id, user, "plan.propose_again")
        if refused is not None:
            return refused
        plan = record.plan
        if not record.status.ended:
            return self._late(record, user)
        draft = ProposalDraft(plan.body.playbook_id, plan.service, plan.reason, dict(plan.chosen))
        log.info("plan.asked_again", plan_id=plan_id, user=user, channel=channel)
        origin = Origin(plan.place, user, plan.finding, may_run_alone=plan.auto)
        found = await self.planner.propose(draft, origin)
        if found.plan_id is None:
            return self._not_proposed(record, found.refused_by, found.summary)
        text = self.moves.texts.say("proposal.made", id=found.plan_id)
        return Said(True, PlanStatus.WAITING, text)

    async def _may_propose(
        self, plan_id: PlanId, user: UserId, right: str
    ) -> tuple[PlanRecord, Said | None]:
        """Return a plan, and the refusal for somebody without the right."""
        async with self.moves.store.begin() as tx:
            record = await tx.plans.get(plan_id)
        who = self._who(await self.gate.person(user), user, record, right)
        if who.allowed:
            return record, None
        async with self.moves.store.begin() as tx:
            return record, await self._denied(tx, record, user, right, who.why)

    def _not_proposed(self, record: PlanRecord, guard: str, why: str) -> Said:
        return Said(False, record.status, self._refusal(guard, why), guard)

    def _refusal(self, guard: str, why: str) -> str:
        texts = self.moves.texts
        named = named_guard(texts, guard)
        return texts.say("plan.refused", guard=guard, named=named, why=why)

    # --- after it stopped -----------------------------------------------------------------

    async def resolve_unknown(
        self, plan_id: PlanId, user: UserId, verdict: str, channel: ChannelId | None = None
    ) -> Said:
        """Tell what became of the step whose outcome is unknown: done, undone or retry."""
        if verdict not in unknown_outcome.VERDICTS:
            raise ValueError(
                f"verdict {verdict!r} must be one of {', '.join(unknown_outcome.VERDICTS)}"
            )

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status is not PlanStatus.OUTCOME_UNKNOWN:
                return self._late(record, user)
            unknown = unknown_outcome.find_unknown(await tx.plans.steps(plan_id))
            if unknown is None:
                return self.moves.said(record, "plan.nothing_unknown", accepted=False)
            await self._resolve(tx, record, unknown, verdict, user)
            moved = await tx.plans.move(unknown_outcome.resumed(record, unknown, verdict))
            facts = {"index": unknown.index, "undo": unknown.undo, "channel": channel}
            await self.moves.note(tx, moved, f"step.told_{verdict}", user, facts)
            return self.moves.said(moved, "plan.resumed")

        said = await self._answer(plan_id, user, f"plan.{verdict}", judge, tiered=True)
        self.wake()
        return said

    async def undo(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Take back what a halted or unhelpful plan did; its approval covers that."""

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status not in UNDOABLE or not record.plan.body.undo:
                return self._late(record, user)
            undoing = replace(
                record,
                status=PlanStatus.UNDOING,
                halted=False,
                ended_at=None,
                outcome=unknown_outcome.UNDO_ASKED + user,
                owner="",
                heartbeat_at=None,
            )
            moved = await tx.plans.move(undoing)
            await self.moves.note(tx, moved, "plan.undo_asked", user, {"channel": channel})
            return self.moves.said(moved, "plan.resumed")

        said = await self._answer(plan_id, user, "plan.undo", judge, tiered=True)
        self.wake()
        return said

    async def _resolve(
        self, tx: Transaction, record: PlanRecord, unknown: StepRun, verdict: str, user: UserId
    ) -> None:
        """Write what a person says of a step into its row."""
        body = record.plan.body
        step = (body.undo if unknown.undo else body.steps)[unknown.index]
        row = unknown_outcome.told(unknown, verdict, user, self.moves.clock.now())
        await tx.plans.save_step(row, str(step.target))

    # --- who answers ----------------------------------------------------------------------

    async def _answer(
        self, plan_id: PlanId, user: UserId, right: str, judge: Judge, *, tiered: bool = False
    ) -> Said:
        """Look the person up, then judge inside one transaction; a lost race is judged again."""
        person = await self.gate.person(user)
        for _ in range(TRIES):
            try:
                async with self.moves.store.begin() as tx:
                    record = await tx.plans.get(plan_id)
                    who = self._who(person, user, record, right, tiered=tiered)
                    if not who.allowed:
                        return await self._denied(tx, record, user, right, who.why)
                    return await judge(tx, record, who)
            except StaleError:
                continue
        return Said(False, None, self.moves.texts.say("plan.busy"), "busy")

    def _who(
        self,
        person: Person | None,
        user: UserId,
        record: PlanRecord,
        right: str,
        *,
        tiered: bool = False,
    ) -> Answerer:
        plan = record.plan
        if tiered:
            return self.gate.answerer(person, user, plan, right)
        return self.gate.may(person, user, right, plan.place.channel, plan.service)

    async def _objection(
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
        if refusal.guard == "expiry":
            return await self.moves.expired(tx, record)
        return await self._refuse(tx, record, who.user, refusal)

    async def _refuse(
        self, tx: Transaction, record: PlanRecord, user: UserId, refusal: Refusal
    ) -> Said:
        await self.moves.note(tx, record, "plan.refused", user, {"guard": refusal.guard})
        text = self._refusal(refusal.guard, refusal.message)
        return Said(False, record.status, text, refusal.guard)

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

    def _late(self, record: PlanRecord, user: UserId) -> Said:
        """Answer a click that comes too late, or again."""
        own = any(yes.by == user for yes in answers_of(record))
        key = "plan.already_counted" if own else "plan.too_late"
        return self.moves.said(record, key, accepted=own, guard="" if own else "status")
