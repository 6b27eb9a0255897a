"""People's answers to plans: every door (Slack, REST API) comes through here.

    approve · reject · break_glass · stop      before or while a plan runs
    edit · propose_again                       a new plan in place of this one
    resolve_unknown · undo                     after it stopped

Who may answer is in `answering`. Moves are compare-and-set; a lost race is read and judged again.
A repeated click changes nothing. What the clock does with plans is in `deadlines`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.core.ports import PlanRecord, Transaction
from bot.core.remediation.answers.answering import Answering
from bot.core.remediation.plan_moves import PlanMoves, Said
from bot.core.remediation.planning.planner import Origin, Planner
from bot.domain.audit import BOT
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plans import approval as answers
from bot.domain.plans import plan_life as life
from bot.domain.plans import step_run
from bot.domain.plans.guards import Answerer, Refusal
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.step_run import StepUnknown, ToldOutcome
from foundation.blanks import is_blank
from tools.world import ProposalDraft

__all__ = ["Approvals", "Said"]

log = structlog.get_logger(__name__)

LONGEST_REASON = 3000


@dataclass(frozen=True, slots=True)
class Approvals:
    """The one place where people answer plans.

    `incidents` is where everybody reads what must not be missed.
    """

    answering: Answering
    planner: Planner
    incidents: Callable[[], Place | None] = lambda: None

    @property
    def moves(self) -> PlanMoves:
        """What moves plans that nobody has claimed."""
        return self.answering.moves

    async def _time(self, tx: Transaction) -> datetime:
        """Return wall time that never goes back: a clock set back makes no answer early enough."""
        return await self.answering.gate.steady.now(tx)

    # --- yes and no -----------------------------------------------------------------------

    async def approve(
        self, plan_id: PlanId, user: UserId, channel: ChannelId, digest: str = ""
    ) -> Said:
        """Say yes to one plan, as it was shown. `digest` is compared where the door tells it."""

        async def judge(tx: Transaction, record: PlanRecord, who: Answerer) -> Said:
            plan, state = record.plan, record.state
            if not isinstance(state, life.Open):
                return self.answering.late(record, user)
            refused = await self.answering.objection(tx, record, who, digest)
            if refused is not None:
                return refused
            if any(yes.by == user for yes in state.approval.answers):
                return self.moves.said(record, "plan.already_counted")
            question, wall = life.question(state, plan), await self._time(tx)
            answered = answers.approve(question, user, plan.body.digest(), wall)
            if isinstance(answered, answers.Expired):
                return await self.moves.expired(tx, record, state)
            moved = await tx.plans.move(record.to(life.approve(answered)))
            done = isinstance(answered, answers.Approved)
            facts = {
                "answers": len(answered.answers),
                "needed": plan.approvers_needed,
                "complete": done,
                "channel": channel,
            }
            await self.moves.note(tx, moved, "plan.approved", user, facts)
            return self.moves.said(moved, "plan.approved" if done else "plan.counted")

        return await self.answering.judged(plan_id, user, "plan.approve", judge, tiered=True)

    async def break_glass(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId, digest: str = ""
    ) -> Said:
        """Open a MANUAL plan alone, in an emergency: written down, and told to everybody."""
        why = self.moves.redactor.text(reason.strip())[:LONGEST_REASON]
        if is_blank(why):
            return Said(False, None, self.moves.texts.say("plan.reason_needed"), "reason")

        async def judge(tx: Transaction, record: PlanRecord, who: Answerer) -> Said:
            plan, state = record.plan, record.state
            if not isinstance(state, life.Open):
                return self.answering.late(record, user)
            refused = await self.answering.objection(tx, record, who, digest, glass=True)
            if refused is not None:
                return refused
            wall = await self._time(tx)
            opened = answers.break_glass(state.approval, user, plan.body.digest(), why, wall)
            if isinstance(opened, answers.Expired):
                return await self.moves.expired(tx, record, state)
            moved = await tx.plans.move(record.to(life.approve(opened)))
            facts = {
                "answers": len(opened.answers),
                "needed": plan.approvers_needed,
                "channel": channel,
            }
            await self.moves.note(tx, moved, "plan.break_glass", user, facts, private=why)
            await self._announce(tx, moved, user, why)
            return self.moves.said(moved, "plan.glass_broken")

        return await self.answering.judged(plan_id, user, "plan.break_glass", judge, tiered=True)

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
        why = self.moves.redactor.text(reason.strip())[:LONGEST_REASON]
        if is_blank(why):
            return Said(False, None, self.moves.texts.say("plan.reason_needed"), "reason")

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            state = record.state
            if not isinstance(state, life.Open):
                return self.answering.late(record, user)
            question, wall = life.question(state, record.plan), await self._time(tx)
            rejected = answers.reject(question, user, why, wall)
            if isinstance(rejected, answers.Expired):
                return await self.moves.expired(tx, record, state)
            text = self.moves.texts.say("plan.rejected", **self.moves.fields(record))
            ended = life.PlanRejected(rejected, text, self.moves.clock.now())
            moved = await self.moves.end_plan(tx, record, ended, by=user)
            facts = {"channel": channel}
            await self.moves.note(tx, moved, "plan.rejected", user, facts, rejected.reason)
            return self.moves.said(moved, "plan.rejected")

        return await self.answering.judged(plan_id, user, "plan.reject", judge, tiered=True)

    async def stop(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Stop a plan: before it runs it is withdrawn, at work it halts before the next step."""

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            state, facts = record.state, {"channel": channel}
            if isinstance(state, life.Ended):
                return self.answering.late(record, user)
            if isinstance(state, life.Unclaimed):
                text = self.moves.texts.say("plan.stopped_by", user=user)
                moved = await self.moves.withdrawn(tx, record, state, text, by=user)
                await self.moves.note(tx, moved, "plan.stopped", user, facts)
                return self.moves.said(moved, "plan.withdrawn")
            if state.stop_asked:
                return self.moves.said(record, "plan.stopping")
            moved = await tx.plans.move(record.to(life.ask_stop(state)))
            await self.moves.note(tx, moved, "plan.stopped", user, facts)
            return self.moves.said(moved, "plan.stopping")

        return await self.answering.judged(plan_id, user, "plan.stop", judge, brake=True)

    # --- a new plan in place of this one --------------------------------------------------

    async def edit(
        self, plan_id: PlanId, user: UserId, values: Mapping[str, str], channel: ChannelId
    ) -> Said:
        """Propose the same playbook with other values; only then this plan is withdrawn."""
        record, refused = await self.answering.may_propose(plan_id, user, "plan.edit")
        if refused is not None:
            return refused
        plan = record.plan
        if not isinstance(record.state, life.Open):
            return self.answering.late(record, user)
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
        record, refused = await self.answering.may_propose(plan_id, user, "plan.propose_again")
        if refused is not None:
            return refused
        plan = record.plan
        if not isinstance(record.state, life.Ended):
            return self.answering.late(record, user)
        draft = ProposalDraft(plan.body.playbook_id, plan.service, plan.reason, dict(plan.chosen))
        log.info("plan.asked_again", plan_id=plan_id, user=user, channel=channel)
        origin = Origin(plan.place, user, plan.finding, may_run_alone=plan.auto)
        found = await self.planner.propose(draft, origin)
        if found.plan_id is None:
            return self._not_proposed(record, found.refused_by, found.summary)
        text = self.moves.texts.say("proposal.made", id=found.plan_id)
        return Said(True, PlanStatus.WAITING, text)

    def _not_proposed(self, record: PlanRecord, guard: str, why: str) -> Said:
        return Said(False, record.status, self.answering.refusal(guard, why), guard)

    # --- after it stopped -----------------------------------------------------------------

    async def resolve_unknown(
        self, plan_id: PlanId, user: UserId, said: str, channel: ChannelId | None = None
    ) -> Said:
        """Tell what became of the step whose outcome is unknown: done, undone or retry."""
        if said not in set(ToldOutcome):
            raise ValueError(f"{said!r} must be one of {', '.join(ToldOutcome)}")
        told = ToldOutcome(said)

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            state = record.state
            if not isinstance(state, life.OutcomeUnknown):
                return self.answering.late(record, user)
            if unproved := await self.answering.gate.unproved(tx, record):
                return await self._give_up(tx, record, state, user, unproved)
            unknown = step_run.find_unknown(await tx.plans.steps(plan_id))
            if unknown is None:
                return self.moves.said(record, "plan.nothing_unknown", accepted=False)
            await self._resolve(tx, record, unknown, told, user)
            position = unknown.position
            forward = not position.undo and told is not ToldOutcome.UNDONE
            moved = await tx.plans.move(record.to(life.resume(state, forward=forward)))
            facts = {"index": position.index, "undo": position.undo, "channel": channel}
            await self.moves.note(tx, moved, f"step.told_{told.value}", user, facts)
            return self.moves.said(moved, "plan.resumed")

        return await self.answering.judged(plan_id, user, f"plan.{told.value}", judge, tiered=True)

    async def undo(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Take back what a halted or unhelpful plan did; its approval covers that."""

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            state = record.state
            if not isinstance(state, life.Halted | life.Unverified) or not record.plan.body.undo:
                return self.answering.late(record, user)
            if unproved := await self.answering.gate.unproved(tx, record):
                return await self.answering.refuse(tx, record, user, Refusal("proof", unproved))
            halts = [halt.mark for halt in await self.answering.gate.halts.on(tx)]
            undoing = life.undo_for(state, user, self.moves.clock.now(), tuple(halts))
            moved = await tx.plans.move(record.to(undoing))
            await self.moves.note(tx, moved, "plan.undo_asked", user, {"channel": channel})
            return self.moves.said(moved, "plan.undo_begun")

        return await self.answering.judged(plan_id, user, "plan.undo", judge, tiered=True)

    async def _give_up(
        self,
        tx: Transaction,
        record: PlanRecord,
        state: life.OutcomeUnknown,
        user: UserId,
        why: str,
    ) -> Said:
        """Refuse an answer about a plan that nothing proves, and let go of its workloads."""
        text = self.answering.refusal("proof", why)
        ended = life.halt(state, text, self.moves.clock.now())
        moved = await tx.plans.move(record.to(ended))
        await self.moves.note(tx, moved, "plan.halted", BOT, {"why": why})
        return await self.answering.refuse(tx, moved, user, Refusal("proof", why))

    async def _resolve(
        self,
        tx: Transaction,
        record: PlanRecord,
        unknown: StepUnknown,
        told: ToldOutcome,
        user: UserId,
    ) -> None:
        """Write what a person says of a step into its row."""
        step = record.plan.body.at(unknown.position)
        run = step_run.tell(unknown, told, user, self.moves.clock.now())
        await tx.plans.save_step(run, str(step.target), record.token)
