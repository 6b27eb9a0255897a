"""Progress: every move of a plan at work and its end, each in one transaction.

    waits · verifying · undoing · stop · end     the plan's row, its audit row, the card, a notice

A move is made only while this process holds the plan and it is still in the state that it leaves:
one that lost it writes nothing. What becomes of the steps is `step_progress`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import structlog

from bot.core.ports import Clock, PlanRecord, Transaction
from bot.core.remediation.guarding.gate import Gate
from bot.core.remediation.plan_moves import concerned_by
from bot.core.remediation.running.holds import Hold, Holds
from bot.core.shared.incident_book import redraw
from bot.domain.audit import BOT, Event
from bot.domain.incident import PartKind, TimelineEntry
from bot.domain.place import Place
from bot.domain.plans import plan_life as life
from bot.domain.plans import step_run
from bot.domain.plans.guards import Moment, Refusal, check, patience_of
from bot.domain.plans.plan import Plan, PlanStatus, Position
from bot.domain.plans.step_run import StepDone, StepSent
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts

log = structlog.get_logger(__name__)
S = TypeVar("S", bound=life.AtWork)

LONGEST_WHY = 500
END_KINDS: Mapping[PlanStatus, str] = {
    PlanStatus.SUCCEEDED: "plan.verified",
    PlanStatus.ROLLED_BACK: "plan.rolled_back",
    PlanStatus.FAILED: "plan.failed",
    PlanStatus.UNVERIFIED: "plan.unverified",
    PlanStatus.OUTCOME_UNKNOWN: "plan.outcome_unknown",
    PlanStatus.HALTED: "plan.halted",
    PlanStatus.EXPIRED: "plan.expired",
    PlanStatus.WITHDRAWN: "plan.withdrawn",
}


class Progress:
    """Writes down what this process does with the plans it holds."""

    def __init__(
        self, holds: Holds, clock: Clock, gate: Gate, texts: Texts, redactor: Redactor
    ) -> None:
        """`redactor` cuts what a target, an action or an error says."""
        self._holds, self._clock, self._gate = holds, clock, gate
        self._texts, self._redactor = texts, redactor

    async def move(
        self, tx: Transaction, record: PlanRecord, kind: str, actor: str, facts: Mapping[str, Any]
    ) -> PlanRecord:
        """Move a plan, with its audit row and its card."""
        moved = await tx.plans.move(record)
        await tx.outbox.refresh("plan", record.plan.id)
        said = {"status": moved.status.value, "version": moved.version, **facts}
        await tx.audit.append(self._event(record.plan, kind, actor, said))
        return moved

    async def verifying(self, hold: Hold, leaving: life.Running, until: datetime) -> life.Verifying:
        """All steps are done: watch whether it helped."""

        async def write(tx: Transaction, record: PlanRecord, now: life.Running) -> life.Verifying:
            state = life.verify(now, until)
            facts = {"until": until.isoformat()}
            await self.move(tx, record.to(state), "plan.verifying", BOT, facts)
            return state

        return await self._holds.leave(hold, leaving, write)

    async def undoing(
        self, hold: Hold, leaving: life.Running | life.Verifying, why: str
    ) -> life.Undoing:
        """Begin to take the plan's steps back."""

        async def write(
            tx: Transaction, record: PlanRecord, now: life.Running | life.Verifying
        ) -> life.Undoing:
            clean = self._redactor.text(why)
            state = life.take_back(now, clean[:LONGEST_WHY])
            await self.move(tx, record.to(state), "plan.undoing", BOT, {"why": clean})
            return state

        return await self._holds.leave(hold, leaving, write)

    async def end(
        self,
        hold: Hold,
        leaving: S,
        end: Callable[[S, str, datetime], life.Ended],
        key: str,
        why: str,
    ) -> None:
        """End a plan by a move of `plan_life` and tell those who answered for it."""
        plan = hold.plan

        async def write(tx: Transaction, record: PlanRecord, now: S) -> None:
            clean = self._redactor.text(why)
            text = self._texts.say(key, id=plan.id, title=plan.title, why=clean)
            await self._end(tx, record, end(now, text, self._clock.now()), clean)

        await self._holds.leave(hold, leaving, write)

    async def stop(self, hold: Hold, leaving: S, refusal: Refusal, key: str, **fields: str) -> None:
        """Halt a plan at work that a guard refuses, on record; `key` says what people read."""

        async def write(tx: Transaction, record: PlanRecord, now: S) -> None:
            why = await self._refused(tx, record.plan, refusal)
            text = self._texts.say(key, **_about(record.plan), why=why, **fields)
            await self._end(tx, record, life.halt(now, text, self._clock.now()), why)

        await self._holds.leave(hold, leaving, write)

    async def waits(self, hold: Hold, running: life.Running, refusal: Refusal) -> bool:
        """Let the next step wait for a refusal to end; False when its patience is over."""
        wall = self._clock.wall()

        async def write(tx: Transaction, record: PlanRecord, now: life.Running) -> bool:
            if now.waits_since is not None:
                return wall - now.waits_since < patience_of(refusal)
            why = self._redactor.text(refusal.message)
            facts = {"guard": refusal.guard, "why": why}
            state = life.wait(now, wall)
            await self.move(tx, record.to(state), "plan.waiting", BOT, facts)
            log.warning("plan.waits", plan_id=hold.plan.id, guard=refusal.guard, why=why)
            return True

        return await self._holds.leave(hold, running, write)

    async def refuse_claim(
        self, tx: Transaction, record: PlanRecord, state: life.PlanApproved, refusal: Refusal
    ) -> None:
        """End an approved plan that a guard refuses when it is claimed."""
        why = await self._refused(tx, record.plan, refusal)
        text = self._texts.say("plan.end.refused", **_about(record.plan), why=why)
        now, wall = self._clock.now(), self._clock.wall()
        ended: life.Ended
        if refusal.guard == "halt":
            ended = life.halt(state, text, now)
        elif refusal.guard == "expiry":
            ended = life.expire(state, text, wall, now)
        else:
            ended = life.withdraw(state, text, wall, now)
        await self._end(tx, record, ended, why)

    async def refuse_to_go_on(
        self, tx: Transaction, record: PlanRecord, state: life.AtWork, refusal: Refusal
    ) -> None:
        """Hand a plan at work to people: a guard refuses to go on with it.

        What was sent and has no outcome is unknown: nobody looks for it on behalf of this plan.
        """
        plan, why = record.plan, await self._refused(tx, record.plan, refusal)
        theirs = {*plan.body.forward(), *map(Position.back, range(len(plan.body.undo)))}
        runs = [run for run in await tx.plans.steps(plan.id) if run.position in theirs]
        sent = [run for run in runs if isinstance(run, StepSent)]
        for run in sent:
            await self._lose(tx, record, run, why)
        done = [plan.body.at(run.position).name for run in runs if isinstance(run, StepDone)]
        text = self._texts.say(
            "plan.end.by_hand",
            **_about(plan),
            why=why,
            done=", ".join(done) or "–",
            unknown=", ".join(plan.body.at(run.position).name for run in sent) or "–",
        )
        now = self._clock.now()
        ended: life.Ended = life.halt(state, text, now)
        if sent and not isinstance(state, life.Verifying):
            ended = life.lose(state, text, now)
        await self._end(tx, record, ended, why)

    async def _lose(self, tx: Transaction, record: PlanRecord, run: StepSent, why: str) -> None:
        step = record.plan.body.at(run.position)
        lost = step_run.lose(run, self._clock.now(), why)
        await tx.plans.save_step(lost, str(step.target), record.token)
        facts = {
            "index": run.position.index,
            "undo": run.position.undo,
            "key": run.key,
            "action": step.action,
            "target": str(step.target),
            "note": why,
        }
        await tx.audit.append(self._event(record.plan, "step.unknown", BOT, facts))

    async def _refused(self, tx: Transaction, plan: Plan, refusal: Refusal) -> str:
        """Write down which guard refuses to run a plan; returns why, fit to be told."""
        why = self._redactor.text(refusal.message)
        facts = {"guard": refusal.guard, "why": why}
        await tx.audit.append(self._event(plan, "plan.refused", BOT, facts))
        return why

    async def _end(self, tx: Transaction, record: PlanRecord, ended: life.Ended, why: str) -> None:
        plan, text = record.plan, ended.outcome
        moved = await self.move(tx, record.to(ended), END_KINDS[ended.status], BOT, {"why": why})
        body = {"text": text, "quotes": True, "mentions": concerned_by(record)}
        threaded = plan.place.thread_ts is not None
        await tx.outbox.post(
            f"plan-end:{plan.id}:{moved.version}",
            "notice",
            plan.id,
            Place(plan.place.channel, plan.place.thread_ts),
            body,
            behind="" if threaded else f"plan:{plan.id}",
        )
        await self._timeline(tx, plan, text)
        log.info("plan.ended", plan_id=plan.id, status=ended.status.value, why=why)

    async def _timeline(self, tx: Transaction, plan: Plan, text: str) -> None:
        """Tell the incident that the plan belongs to, wherever it was proposed."""
        owner = await tx.incidents.owner_of(PartKind.PLAN, plan.id)
        if owner is None and plan.finding is not None:  # proposed before there was an incident
            owner = (await tx.findings.get(plan.finding)).incident
        if owner is not None:
            entry = TimelineEntry(self._clock.now(), text, "plan", ref=plan.id)
            await tx.incidents.note(owner, entry)
            await redraw(tx, owner)

    async def objection(self, hold: Hold) -> Refusal | None:
        """Return who objects to watching a plan any longer, None when nobody does."""

        async def ask(tx: Transaction, record: PlanRecord) -> Refusal | None:
            return check(await self._gate.case(tx, record), Moment.VERIFY)

        return await self._holds.write(hold, ask)

    def _event(self, plan: Plan, kind: str, actor: str, facts: Mapping[str, Any]) -> Event:
        return Event(
            kind=kind,
            at=self._clock.now(),
            actor=actor,
            subject=plan.id,
            digest=plan.digest,
            facts=dict(facts),
        )


def _about(plan: Plan) -> dict[str, str]:
    """Return what texts about a plan may name."""
    return {"id": plan.id, "title": plan.title}
