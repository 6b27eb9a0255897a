"""Progress: every move of a running plan, its steps and its end, each in one transaction.

    intent · sent · done · failed · unknown      a step's row, its audit row, the card
    verifying · undoing · end                    the plan's row, its audit row, the card, a notice

A move is made only while the plan is this process's own: one that lost it writes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import structlog

from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.core.remediation.gate import Gate
from bot.core.remediation.permits import AT_WORK
from bot.core.remediation.plan_ends import concerned_by
from bot.core.remediation.unknown_outcome import UNDO_ASKED
from bot.domain.approval import Expired
from bot.domain.audit import BOT, Event
from bot.domain.guards import Moment, Refusal, check
from bot.domain.ids import PlanId, UserId
from bot.domain.incident import TimelineEntry
from bot.domain.place import Place
from bot.domain.plan import Plan, PlanStatus, Step, StepPhase, StepRun
from bot.locale import Texts
from tools.act.contract import ActionResult
from tools.world import Change, ChangeKind

log = structlog.get_logger(__name__)
T = TypeVar("T")

TRIES = 12
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


class NotOursError(Exception):
    """The plan is another process's now, or is at work no more."""


def key_of(plan_id: PlanId, index: int, *, undo: bool) -> str:
    """Return the idempotency key of a step: plan, direction, index."""
    return f"{plan_id}/{'undo' if undo else 'do'}/{index}"


class Progress:
    """Writes down what a process does with its plans."""

    def __init__(self, store: Store, clock: Clock, gate: Gate, texts: Texts, owner: str) -> None:
        self._store, self._clock, self._gate = store, clock, gate
        self._texts, self._owner = texts, owner

    # --- steps ----------------------------------------------------------------------------

    async def step_run(self, plan: Plan, index: int, *, undo: bool) -> StepRun | None:
        """Return what is known of a step, None when it was never begun."""
        async with self._store.begin() as tx:
            runs = await tx.plans.steps(plan.id)
        return next((r for r in runs if r.index == index and r.undo is undo), None)

    async def done_steps(self, plan_id: PlanId) -> set[int]:
        """Return the indexes of the forward steps that took effect."""
        async with self._store.begin() as tx:
            runs = await tx.plans.steps(plan_id)
        return {r.index for r in runs if not r.undo and r.phase is StepPhase.DONE}

    async def left_behind(self, plan_id: PlanId, index: int) -> str:
        """Return the fingerprint a forward step left, from its audit row; empty when unknown."""
        async with self._store.begin() as tx:
            rows = await tx.audit.tail(1000, plan_id)
        for row in reversed(rows):
            facts = row.event.facts
            if row.event.kind == "step.succeeded" and not facts["undo"] and facts["index"] == index:
                return str(facts["after"])
        return ""

    async def intent(self, plan: Plan, step: Step, index: int, *, undo: bool) -> None:
        """Commit that a step will be sent."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            run = StepRun(
                plan_id=plan.id,
                index=index,
                undo=undo,
                phase=StepPhase.INTENT,
                key=key_of(plan.id, index, undo=undo),
                intent_at=self._clock.now(),
            )
            await tx.plans.save_step(run, str(step.target))
            facts = {"index": index, "undo": undo, "action": step.action, "key": run.key}
            facts["target"] = str(step.target)
            await tx.audit.append(self._event(plan, "step.intended", BOT, facts))

        await self._ours(plan.id, write)

    async def sent(self, plan: Plan, step: Step, index: int, *, undo: bool, note: str) -> str:
        """Commit that a step is being sent now; returns why it must not be, if so."""

        async def write(tx: Transaction, record: PlanRecord) -> str:
            stop = await self._stop(tx, record, undo=undo)
            if stop:
                return stop
            run = await self._run(tx, plan.id, index, undo=undo)
            moved = replace(run, phase=StepPhase.SENT, sent_at=self._clock.now(), note=note)
            await self._step_row(tx, plan, step, moved, "step.started", {})
            return ""

        return await self._ours(plan.id, write)

    async def done(
        self, plan: Plan, step: Step, index: int, outcome: ActionResult, *, undo: bool
    ) -> None:
        """Commit that a step took effect, and tell the changes of production about it."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            run = await self._run(tx, plan.id, index, undo=undo)
            now = self._clock.now()
            moved = replace(run, phase=StepPhase.DONE, ended_at=now, note=outcome.detail)
            facts = {"after": outcome.fingerprint, "response": dict(outcome.response)}
            await self._step_row(tx, plan, step, moved, "step.succeeded", facts)
            change = Change(
                at=now,
                kind=ChangeKind.ACTION,
                service=plan.service,
                summary=f"{plan.id}: {step.name}",
                after="; ".join(step.diff[:3]),
                author=BOT,
                workload=step.target,
                source="sre-agent",
            )
            await tx.changes.add(change, moved.key)

        await self._ours(plan.id, write)

    async def failed(self, plan: Plan, step: Step, index: int, *, undo: bool, note: str) -> None:
        """Commit that a step was refused before it changed anything."""
        await self._ended(plan, step, index, undo=undo, note=note, phase=StepPhase.FAILED)

    async def unknown(self, plan: Plan, step: Step, index: int, *, undo: bool, note: str) -> None:
        """Commit that a step was sent and nothing proves what became of it."""
        await self._ended(plan, step, index, undo=undo, note=note, phase=StepPhase.UNKNOWN)

    async def _ended(
        self, plan: Plan, step: Step, index: int, *, undo: bool, note: str, phase: StepPhase
    ) -> None:
        async def write(tx: Transaction, _: PlanRecord) -> None:
            run = await self._run(tx, plan.id, index, undo=undo)
            moved = replace(run, phase=phase, ended_at=self._clock.now(), note=note[:1000])
            await self._step_row(tx, plan, step, moved, f"step.{phase.value}", {})

        await self._ours(plan.id, write)

    async def _run(self, tx: Transaction, plan_id: PlanId, index: int, *, undo: bool) -> StepRun:
        runs = await tx.plans.steps(plan_id)
        known = next((r for r in runs if r.index == index and r.undo is undo), None)
        if known is not None:
            return known
        key = key_of(plan_id, index, undo=undo)
        return StepRun(plan_id, index, undo, StepPhase.INTENT, key, self._clock.now())

    async def _step_row(
        self,
        tx: Transaction,
        plan: Plan,
        step: Step,
        run: StepRun,
        kind: str,
        facts: Mapping[str, Any],
    ) -> None:
        await tx.plans.save_step(run, str(step.target))
        await tx.outbox.refresh("plan", plan.id)
        own = {"index": run.index, "undo": run.undo, "action": step.action}
        named = {"target": str(step.target), "note": run.note, "key": run.key}
        await tx.audit.append(self._event(plan, kind, BOT, {**own, **named, **facts}))

    # --- the plan -------------------------------------------------------------------------

    async def move(
        self, tx: Transaction, record: PlanRecord, kind: str, actor: str, facts: Mapping[str, Any]
    ) -> PlanRecord:
        """Move a plan, with its audit row and its card."""
        moved = await tx.plans.move(record)
        await tx.outbox.refresh("plan", record.plan.id)
        said = {"status": moved.status.value, **facts}
        await tx.audit.append(self._event(record.plan, kind, actor, said))
        return moved

    async def verifying(self, plan: Plan, until: datetime) -> PlanRecord | None:
        """All steps are done: watch whether it helped."""

        async def write(tx: Transaction, record: PlanRecord) -> PlanRecord:
            moved = replace(record, status=PlanStatus.VERIFYING, verify_until=until)
            return await self.move(tx, moved, "plan.verifying", BOT, {"until": until.isoformat()})

        return await self._ours(plan.id, write)

    async def undoing(self, plan: Plan, why: str) -> bool:
        """Begin to take the plan's steps back."""

        async def write(tx: Transaction, record: PlanRecord) -> bool:
            moved = replace(record, status=PlanStatus.UNDOING, outcome=why[:500])
            await self.move(tx, moved, "plan.undoing", BOT, {"why": why})
            return True

        return await self._ours(plan.id, write)

    async def end(self, plan_id: PlanId, status: PlanStatus, key: str, *, why: str) -> None:
        """End a plan and tell those who answered for it."""

        async def write(tx: Transaction, record: PlanRecord) -> None:
            await self._end(tx, record, status, key, why)

        await self._ours(plan_id, write)

    async def refuse_claim(self, tx: Transaction, record: PlanRecord, refusal: Refusal) -> None:
        """End an approved plan that a guard refuses when it is claimed."""
        status = {"expiry": PlanStatus.EXPIRED, "halt": PlanStatus.HALTED}.get(
            refusal.guard, PlanStatus.WITHDRAWN
        )
        if record.status in AT_WORK:
            status = PlanStatus.HALTED
        facts = {"guard": refusal.guard, "why": refusal.message}
        await tx.audit.append(self._event(record.plan, "plan.refused", BOT, facts))
        if status is PlanStatus.EXPIRED:
            expired = Expired(record.plan.id, self._clock.wall())
            mentions = concerned_by(record)
            record = replace(record, approval=expired)
            await self._end(tx, record, status, "plan.end.refused", refusal.message, mentions)
        else:
            await self._end(tx, record, status, "plan.end.refused", refusal.message)

    async def _end(
        self,
        tx: Transaction,
        record: PlanRecord,
        status: PlanStatus,
        key: str,
        why: str,
        mentions: list[UserId] | None = None,
    ) -> None:
        plan = record.plan
        text = self._texts.say(key, id=plan.id, title=plan.title, why=why)
        moved = replace(record, status=status, outcome=text, ended_at=self._clock.now())
        moved = await self.move(tx, moved, END_KINDS[status], BOT, {"why": why})
        body = {"text": text, "mentions": concerned_by(record) if mentions is None else mentions}
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
        log.info("plan.ended", plan_id=plan.id, status=status.value, why=why)

    async def _timeline(self, tx: Transaction, plan: Plan, text: str) -> None:
        if plan.finding is None:
            return
        finding = await tx.findings.get(plan.finding)
        if finding.incident is not None:
            entry = TimelineEntry(self._clock.now(), text, "plan", ref=plan.id)
            await tx.incidents.note(finding.incident, entry)

    # --- stopping -------------------------------------------------------------------------

    async def stop_reason(self, plan_id: PlanId) -> str:
        """Return why a plan must not go on, empty when it may."""

        async def read(tx: Transaction, record: PlanRecord) -> str:
            return await self._stop(tx, record, undo=False)

        return await self._ours(plan_id, read)

    async def _stop(self, tx: Transaction, record: PlanRecord, *, undo: bool) -> str:
        case = await self._gate.case(tx, record)
        if undo and record.outcome.startswith(UNDO_ASKED):
            case = replace(case, halted="")  # a person asked for this undo after the halt
        refusal = check(case, Moment.STEP)
        return refusal.message if refusal is not None else ""

    # --- ours -----------------------------------------------------------------------------

    async def _ours(
        self, plan_id: PlanId, write: Callable[[Transaction, PlanRecord], Awaitable[T]]
    ) -> T:
        """Write while the plan is ours; a lost race is read and written again."""
        for _ in range(TRIES):
            try:
                async with self._store.begin() as tx:
                    record = await tx.plans.get(plan_id)
                    if record.owner != self._owner or record.status not in AT_WORK:
                        raise NotOursError(f"{plan_id} is {record.status.value} of another process")
                    return await write(tx, record)
            except StaleError:
                continue
        raise StaleError(f"{plan_id} moved {TRIES} times while it was being written")

    def _event(self, plan: Plan, kind: str, actor: str, facts: Mapping[str, Any]) -> Event:
        return Event(
            kind=kind,
            at=self._clock.now(),
            actor=actor,
            subject=plan.id,
            digest=plan.digest,
            facts=dict(facts),
        )
