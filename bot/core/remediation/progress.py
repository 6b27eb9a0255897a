"""Progress: every move of a plan at work, its steps and its end, each in one transaction.

    intent · sent · done · failed · unknown      a step's row, its audit row, the card
    verifying · undoing · end                    the plan's row, its audit row, the card, a notice

A move is made only while the plan is this process's own and still in the state that it leaves: one
that lost it writes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import structlog

from bot.core.ports import Clock, PlanRecord, StaleError, Store, Transaction
from bot.core.remediation.gate import Gate
from bot.core.remediation.plan_moves import concerned_by
from bot.domain import plan_life as life
from bot.domain import step_run
from bot.domain.audit import BOT, Event
from bot.domain.guards import Moment, Refusal, check
from bot.domain.ids import PlanId
from bot.domain.incident import TimelineEntry
from bot.domain.place import Place
from bot.domain.plan import Plan, PlanStatus, Position
from bot.domain.redaction import Redactor
from bot.domain.step_run import StepDone, StepIntended, StepRun, StepSent
from bot.locale import Texts
from tools.act.contract import ActionResult
from tools.world import Change, ChangeKind

log = structlog.get_logger(__name__)
T = TypeVar("T")
S = TypeVar("S", bound=life.AtWork)
R = TypeVar("R", StepIntended, StepSent)

TRIES = 12
LONGEST_NOTE, LONGEST_WHY = 1000, 500
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


class Progress:
    """Writes down what a process does with its plans."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        gate: Gate,
        texts: Texts,
        owner: str,
        redactor: Redactor,
    ) -> None:
        """`redactor` cuts what a target, an action or an error says of a step."""
        self._store, self._clock, self._gate = store, clock, gate
        self._texts, self._owner, self._redactor = texts, owner, redactor

    # --- steps ----------------------------------------------------------------------------

    async def step_run(self, plan: Plan, position: Position) -> StepRun | None:
        """Return what is known of a step, None when it was never begun."""
        async with self._store.begin() as tx:
            return await _run(tx, plan.id, position)

    async def done_steps(self, plan_id: PlanId) -> dict[int, StepDone]:
        """Return the forward steps that took effect, by their index."""
        async with self._store.begin() as tx:
            runs = await tx.plans.steps(plan_id)
        return {
            run.position.index: run
            for run in runs
            if isinstance(run, StepDone) and not run.position.undo
        }

    async def intent(self, plan: Plan, position: Position) -> None:
        """Commit that a step will be sent."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            step = plan.body.at(position)
            run = StepIntended(plan.id, position, self._clock.now())
            await tx.plans.save_step(run, str(step.target))
            facts = {**_named(run), "action": step.action, "target": str(step.target)}
            await tx.audit.append(self._event(plan, "step.intended", BOT, facts))

        await self._ours(plan.id, write)

    async def sent(self, plan: Plan, position: Position, *, again: bool) -> str:
        """Commit that a step is being sent now; returns why it must not be, if so."""

        async def write(tx: Transaction, record: PlanRecord) -> str:
            stop = await self._stop(tx, record)
            if stop:
                return stop
            run, now = await _run(tx, plan.id, position), self._clock.now()
            moved = (
                step_run.send_again(_still(run, StepSent), now)
                if again
                else step_run.send(_still(run, StepIntended), now)
            )
            await self._step_row(tx, plan, moved, "step.started", {})
            return ""

        return await self._ours(plan.id, write)

    async def done(
        self, plan: Plan, position: Position, outcome: ActionResult, *, stopped: str = ""
    ) -> None:
        """Commit that a step took effect, and tell the changes of production about it.

        `stopped` says why it did less than was shown: what it did stays until it is taken back, and
        no further step begins, not even after a kill right here.
        """

        async def write(tx: Transaction, record: PlanRecord) -> None:
            run, now = await _run(tx, plan.id, position), self._clock.now()
            sent, after = _still(run, StepSent), outcome.fingerprint
            said = ". ".join(filter(None, (outcome.detail, stopped)))
            moved = step_run.finish(sent, now, self._redactor.text(said), after)
            response = self._redactor.json(dict(outcome.response))
            facts = {"after": after, "response": response}
            kind = "step.stopped" if stopped else "step.succeeded"
            await self._step_row(tx, plan, moved, kind, facts)
            if stopped and isinstance(record.state, life.AtWork):
                await tx.plans.move(record.to(life.ask_stop(record.state)))
            step = plan.body.at(position)
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

    async def failed(self, plan: Plan, position: Position, note: str) -> None:
        """Commit that a step was refused before it changed anything."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            now = self._clock.now()
            run = await _run(tx, plan.id, position) or StepIntended(plan.id, position, now)
            begun = run if isinstance(run, StepSent) else _still(run, StepIntended)
            moved = step_run.fail(begun, now, self._redactor.text(note)[:LONGEST_NOTE])
            await self._step_row(tx, plan, moved, "step.failed", {})

        await self._ours(plan.id, write)

    async def unknown(self, plan: Plan, position: Position, note: str) -> None:
        """Commit that a step was sent and nothing proves what became of it."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            run = _still(await _run(tx, plan.id, position), StepSent)
            said = self._redactor.text(note)[:LONGEST_NOTE]
            moved = step_run.lose(run, self._clock.now(), said)
            await self._step_row(tx, plan, moved, "step.unknown", {})

        await self._ours(plan.id, write)

    async def _step_row(
        self, tx: Transaction, plan: Plan, run: StepRun, kind: str, facts: Mapping[str, Any]
    ) -> None:
        step = plan.body.at(run.position)
        await tx.plans.save_step(run, str(step.target))
        await tx.outbox.refresh("plan", plan.id)
        about = {"action": step.action, "target": str(step.target), "note": run.note}
        await tx.audit.append(self._event(plan, kind, BOT, {**_named(run), **about, **facts}))

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

    async def verifying(self, plan: Plan, leaving: life.Running, until: datetime) -> life.Verifying:
        """All steps are done: watch whether it helped."""

        async def write(tx: Transaction, record: PlanRecord, now: life.Running) -> life.Verifying:
            state = life.verify(now, until)
            facts = {"until": until.isoformat()}
            await self.move(tx, record.to(state), "plan.verifying", BOT, facts)
            return state

        return await self._leave(plan.id, leaving, write)

    async def undoing(
        self, plan: Plan, leaving: life.Running | life.Verifying, why: str
    ) -> life.Undoing:
        """Begin to take the plan's steps back."""

        async def write(
            tx: Transaction, record: PlanRecord, now: life.Running | life.Verifying
        ) -> life.Undoing:
            clean = self._redactor.text(why)
            state = life.take_back(now, clean[:LONGEST_WHY])
            await self.move(tx, record.to(state), "plan.undoing", BOT, {"why": clean})
            return state

        return await self._leave(plan.id, leaving, write)

    async def end(
        self,
        plan: Plan,
        leaving: S,
        end: Callable[[S, str, datetime], life.Ended],
        key: str,
        why: str,
    ) -> None:
        """End a plan by a move of `plan_life` and tell those who answered for it."""

        async def write(tx: Transaction, record: PlanRecord, now: S) -> None:
            clean = self._redactor.text(why)
            text = self._texts.say(key, id=plan.id, title=plan.title, why=clean)
            await self._end(tx, record, end(now, text, self._clock.now()), clean)

        await self._leave(plan.id, leaving, write)

    async def refuse_claim(
        self,
        tx: Transaction,
        record: PlanRecord,
        state: life.Approved | life.AtWork,
        refusal: Refusal,
    ) -> None:
        """End an approved plan that a guard refuses when it is claimed or gone on with."""
        plan, why = record.plan, self._redactor.text(refusal.message)
        facts = {"guard": refusal.guard, "why": why}
        await tx.audit.append(self._event(plan, "plan.refused", BOT, facts))
        text = self._texts.say("plan.end.refused", id=plan.id, title=plan.title, why=why)
        now, wall = self._clock.now(), self._clock.wall()
        ended: life.Ended
        if not isinstance(state, life.Approved) or refusal.guard == "halt":
            ended = life.halt(state, text, now)
        elif refusal.guard == "expiry":
            ended = life.expire(state, text, wall, now)
        else:
            ended = life.withdraw(state, text, wall, now)
        await self._end(tx, record, ended, why)

    async def _end(self, tx: Transaction, record: PlanRecord, ended: life.Ended, why: str) -> None:
        plan, text = record.plan, ended.outcome
        moved = await self.move(tx, record.to(ended), END_KINDS[ended.status], BOT, {"why": why})
        body = {"text": text, "mentions": concerned_by(record)}
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
        if plan.finding is None:
            return
        finding = await tx.findings.get(plan.finding)
        if finding.incident is not None:
            entry = TimelineEntry(self._clock.now(), text, "plan", ref=plan.id)
            await tx.incidents.note(finding.incident, entry)

    # --- stopping -------------------------------------------------------------------------

    async def stop_reason(self, plan_id: PlanId) -> str:
        """Return why a plan must not go on, empty when it may."""
        return await self._ours(plan_id, self._stop)

    async def _stop(self, tx: Transaction, record: PlanRecord) -> str:
        case = await self._gate.case(tx, record)
        if isinstance(record.state, life.Undoing) and record.state.asked is not None:
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
                    if not self._is_ours(record.state):
                        raise NotOursError(f"{plan_id} is {record.status.value} of another process")
                    return await write(tx, record)
            except StaleError:
                continue
        raise StaleError(f"{plan_id} moved {TRIES} times while it was being written")

    async def _leave(
        self,
        plan_id: PlanId,
        leaving: S,
        write: Callable[[Transaction, PlanRecord, S], Awaitable[T]],
    ) -> T:
        """Write while the plan is ours and in the state it leaves, as it is now.

        Its facts may be newer than those of `leaving`: a Stop, a heartbeat.
        """

        async def narrowed(tx: Transaction, record: PlanRecord) -> T:
            state = record.state
            if not isinstance(state, type(leaving)):
                told = f"{plan_id} is {record.status.value}, not {leaving.status.value} any more"
                raise NotOursError(told)
            return await write(tx, record, state)

        return await self._ours(plan_id, narrowed)

    def _is_ours(self, state: life.PlanState) -> bool:
        worker = state.worker if isinstance(state, life.AtWork) else None
        return worker is not None and worker.owner == self._owner

    def _event(self, plan: Plan, kind: str, actor: str, facts: Mapping[str, Any]) -> Event:
        return Event(
            kind=kind,
            at=self._clock.now(),
            actor=actor,
            subject=plan.id,
            digest=plan.digest,
            facts=dict(facts),
        )


async def _run(tx: Transaction, plan_id: PlanId, position: Position) -> StepRun | None:
    runs = await tx.plans.steps(plan_id)
    return next((run for run in runs if run.position == position), None)


def _still(run: StepRun | None, kind: type[R]) -> R:
    """Return a step that is as this process left it."""
    if not isinstance(run, kind):
        found = run.phase.value if run is not None else "not begun"
        raise NotOursError(f"the step is {found}, not {kind.phase.value}")
    return run


def _named(run: StepRun) -> dict[str, Any]:
    """Return what every audit row of a step tells of its place."""
    return {"index": run.position.index, "undo": run.position.undo, "key": run.key}
