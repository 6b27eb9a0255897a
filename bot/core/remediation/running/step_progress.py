"""The steps of a plan at work: each move of a step's row, with its audit row, in one transaction.

    intent · sent · done · failed · unknown

`sent` asks every guard again and returns the permit that the request needs, or who refuses; the
row that says *sent* is committed with the permit, before anything goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from bot.core.ports import Clock, PlanRecord, Transaction
from bot.core.remediation.guarding.gate import Gate, Look
from bot.core.remediation.guarding.plan_effects import STARTED, WORKS_ON, workloads_of
from bot.core.remediation.running.holds import Hold, Holds, NotOursError, run_at
from bot.core.remediation.running.permits import Permit, mint
from bot.domain.audit import BOT, Event
from bot.domain.plans import plan_life as life
from bot.domain.plans import step_run
from bot.domain.plans.guards import Refusal
from bot.domain.plans.plan import Plan, Position
from bot.domain.plans.step_run import StepDone, StepIntended, StepRun, StepSent
from bot.domain.secrets.redaction import Redactor
from tools.act.contract import ActionResult
from tools.world import Change, ChangeKind

R = TypeVar("R", StepIntended, StepSent)

LONGEST_NOTE = 1000


class StepProgress:
    """Writes down what becomes of the steps of the plans that this process holds."""

    def __init__(self, holds: Holds, clock: Clock, gate: Gate, redactor: Redactor) -> None:
        """`redactor` cuts what a target, an action or an error says of a step."""
        self._holds, self._clock, self._gate, self._redactor = holds, clock, gate, redactor

    async def run(self, hold: Hold, position: Position) -> StepRun | None:
        """Return what is known of a step, None when it was never begun."""
        async with self._holds.store.begin() as tx:
            return await run_at(tx, hold.plan.id, position)

    async def done_steps(self, hold: Hold) -> dict[int, StepDone]:
        """Return the forward steps that took effect, by their index."""
        async with self._holds.store.begin() as tx:
            runs = await tx.plans.steps(hold.plan.id)
        return {
            run.position.index: run
            for run in runs
            if isinstance(run, StepDone) and not run.position.undo
        }

    async def half_done(self, hold: Hold) -> str:
        """Return the names of the steps that took effect and were not taken back."""
        body = hold.plan.body
        async with self._holds.store.begin() as tx:
            done = [r.position for r in await tx.plans.steps(hold.plan.id) if _done(r)]
        undone = {body.at(each).undoes for each in done if each.undo}
        left = [each for each in done if not each.undo and each.index not in undone]
        return ", ".join(body.at(each).name for each in left)

    async def look(self, hold: Hold, position: Position) -> Look:
        """Read what the guards look at before a step, outside any transaction."""
        return await self._gate.look_ahead(await self._holds.record(hold), position)

    async def objection(self, hold: Hold, look: Look) -> Refusal | None:
        """Return who objects to a step that cannot be bound, None when nobody does."""

        async def judge(tx: Transaction, record: PlanRecord) -> Refusal | None:
            found = mint(record, await self._gate.case(tx, record, look))
            return found if isinstance(found, Refusal) else None

        return await self._holds.write(hold, judge)

    # --- moves ----------------------------------------------------------------------------

    async def intent(self, hold: Hold, position: Position) -> None:
        """Commit that a step will be sent, unless that is on record already."""
        plan = hold.plan

        async def write(tx: Transaction, _: PlanRecord) -> None:
            if isinstance(await run_at(tx, plan.id, position), StepIntended):
                return
            step = plan.body.at(position)
            run = StepIntended(plan.id, position, self._clock.now())
            await tx.plans.save_step(run, str(step.target), hold.token)
            facts = {**_named(run), "action": step.action, "target": str(step.target)}
            await tx.audit.append(self._event(plan, "step.intended", facts))

        await self._holds.write(hold, write)

    async def sent(
        self, hold: Hold, position: Position, look: Look, *, again: bool
    ) -> Permit | Refusal:
        """Ask every guard, and commit that a step is being sent now when none objects."""

        async def write(tx: Transaction, record: PlanRecord) -> Permit | Refusal:
            found = mint(record, await self._gate.case(tx, record, look))
            if isinstance(found, Refusal):
                return found
            if isinstance(record.state, life.Running) and record.state.waits_since is not None:
                await tx.plans.move(record.to(life.wait(record.state, None)))
            run, now = await run_at(tx, hold.plan.id, position), self._clock.now()
            moved = (
                step_run.send_again(_still(run, StepSent), now)
                if again
                else step_run.send(_still(run, StepIntended), now)
            )
            # what cools down from now on: the rows of steps are anybody's who writes the database
            works_on = sorted(workloads_of([hold.plan.body.at(position)]))
            facts = {"token": hold.token, WORKS_ON: works_on}
            await self._step_row(tx, hold, moved, STARTED, facts)
            return found

        return await self._holds.write(hold, write)

    async def done(
        self, hold: Hold, position: Position, outcome: ActionResult, *, stopped: str = ""
    ) -> None:
        """Commit that a step took effect, and tell the changes of production about it.

        `stopped` says why it did less than was shown: what it did stays until it is taken back, and
        no further step begins, not even after a kill right here.
        """
        plan = hold.plan

        async def write(tx: Transaction, record: PlanRecord) -> None:
            run, now = await run_at(tx, plan.id, position), self._clock.now()
            sent, after = _still(run, StepSent), outcome.fingerprint
            said = ". ".join(filter(None, (outcome.detail, stopped)))
            moved = step_run.finish(sent, now, self._redactor.text(said), after)
            response = self._redactor.json(dict(outcome.response))
            facts = {"after": after, "response": response}
            kind = "step.stopped" if stopped else "step.succeeded"
            await self._step_row(tx, hold, moved, kind, facts)
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

        await self._holds.write(hold, write)

    async def failed(self, hold: Hold, position: Position, note: str) -> None:
        """Commit that a step was refused before it changed anything."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            now, plan_id = self._clock.now(), hold.plan.id
            run = await run_at(tx, plan_id, position) or StepIntended(plan_id, position, now)
            begun = run if isinstance(run, StepSent) else _still(run, StepIntended)
            moved = step_run.fail(begun, now, self._redactor.text(note)[:LONGEST_NOTE])
            await self._step_row(tx, hold, moved, "step.failed", {})

        await self._holds.write(hold, write)

    async def unknown(self, hold: Hold, position: Position, note: str) -> None:
        """Commit that a step was sent and nothing proves what became of it."""

        async def write(tx: Transaction, _: PlanRecord) -> None:
            run = _still(await run_at(tx, hold.plan.id, position), StepSent)
            said = self._redactor.text(note)[:LONGEST_NOTE]
            moved = step_run.lose(run, self._clock.now(), said)
            await self._step_row(tx, hold, moved, "step.unknown", {})

        await self._holds.write(hold, write)

    async def _step_row(
        self, tx: Transaction, hold: Hold, run: StepRun, kind: str, facts: Mapping[str, Any]
    ) -> None:
        step = hold.plan.body.at(run.position)
        await tx.plans.save_step(run, str(step.target), hold.token)
        await tx.outbox.refresh("plan", hold.plan.id)
        about = {"action": step.action, "target": str(step.target), "note": run.note}
        await tx.audit.append(self._event(hold.plan, kind, {**_named(run), **about, **facts}))

    def _event(self, plan: Plan, kind: str, facts: Mapping[str, Any]) -> Event:
        return Event(
            kind=kind,
            at=self._clock.now(),
            actor=BOT,
            subject=plan.id,
            digest=plan.digest,
            facts=dict(facts),
        )


def _still(run: StepRun | None, kind: type[R]) -> R:
    """Return a step that is as this process left it."""
    if not isinstance(run, kind):
        found = run.phase.value if run is not None else "not begun"
        raise NotOursError(f"the step is {found}, not {kind.phase.value}")
    return run


def _done(run: StepRun) -> bool:
    return isinstance(run, StepDone)


def _named(run: StepRun) -> dict[str, Any]:
    """Return what every audit row of a step tells of its place."""
    return {"index": run.position.index, "undo": run.position.undo, "key": run.key}
