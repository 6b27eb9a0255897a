"""Execution: what was approved, once, with proof of every effect.

    APPROVED --claim--> RUNNING --steps--> VERIFYING --cleared--------> SUCCEEDED
                           |                   |------no data---------> UNVERIFIED
                           |--a step failed----+------not cleared-----> UNDOING --> ROLLED_BACK
                           |--halt, stop--> HALTED
                           '--sent, no proof--> OUTCOME_UNKNOWN         a person says what happened

Each step is *intent → sent → outcome*, each committed before the next thing happens. `drive` reads
where a plan is from the store and goes on from there, so it is the same code after a kill at any
instruction: a step that was sent without an outcome is looked up in the world, never repeated
blindly. `tick` starts what is due and returns; time comes from the clock, nothing sleeps here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import structlog

from bot.core.ports import Clock, PlanRecord, StaleError
from bot.core.remediation.binding import UNDOES, Binder, bound_of
from bot.core.remediation.claiming import Claims
from bot.core.remediation.permits import Permit
from bot.core.remediation.progress import NotOursError, Progress, key_of
from bot.core.remediation.verification import Outlook, Verifier
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.ids import PlanId
from bot.domain.plan import PlanStatus, Step, StepPhase, StepRun
from tools.act.contract import ActionResult, Actors, Bound, Probe
from tools.act.patience import Patience
from tools.errors import BackendError, LostRaceError, OutcomeUnknownError, ToolError

log = structlog.get_logger(__name__)

BEAT_EVERY = timedelta(seconds=5)  # wall
AGAIN = "sent again: the world showed that it had not been done"


class HandedOverError(Exception):
    """A step's effect is not proved; a person must look."""


class StepFailedError(Exception):
    """A step was refused before it changed anything."""


class StoppedError(Exception):
    """A guard stops before the next step."""


class Execution:
    """Runs approved plans in this process."""

    def __init__(
        self,
        *,
        clock: Clock,
        actors: Actors,
        binder: Binder,
        claims: Claims,
        progress: Progress,
        verifier: Verifier,
    ) -> None:
        """The parts share one store, clock and owner: see `assembly.build_remedy`."""
        self._clock, self._actors, self._binder = clock, actors, binder
        self._claims, self._progress, self._verifier = claims, progress, verifier
        self._at_work: KeyedTasks[PlanId] = KeyedTasks("plan")

    # --- time -----------------------------------------------------------------------------

    async def tick(self) -> int:
        """End holds, claim approved plans, take over orphans, go on with ours; returns how many.

        Work runs in tasks of its own: a slow step never delays the next tick. Call once a second.
        """
        await self._claims.end_holds()
        due = await self._claims.due()
        await self._beat(due)
        started = 0
        for record in due:
            if record.plan.id not in self._at_work and await self._is_due(record):
                started += self._at_work.spawn(record.plan.id, self._guarded(record.plan.id))
        return started

    async def idle(self) -> None:
        """Wait until nothing started by ticks is at work (tests, orderly shutdown)."""
        await self._at_work.idle()

    async def run_due(self) -> int:
        """Tick and wait for what it started."""
        started = await self.tick()
        await self.idle()
        return started

    async def close(self, grace_seconds: float = 10.0) -> None:
        """Let running steps finish for a moment; what remains is recovered by the next start."""
        await self._at_work.drain(timedelta(seconds=grace_seconds))

    async def _is_due(self, record: PlanRecord) -> bool:
        if record.status is PlanStatus.VERIFYING and self._claims.is_ours(record):
            return self._verifier.is_due(record) or record.halted
        return True

    async def _guarded(self, plan_id: PlanId) -> None:
        """Drive one plan; the task's outer boundary. The next tick goes on from the store."""
        try:
            await self.drive(plan_id)
        except NotOursError as error:
            log.info("plan.left_to_others", plan_id=plan_id, why=str(error))
        except (ToolError, StaleError) as error:
            log.warning("plan.drive_interrupted", plan_id=plan_id, why=str(error))
        except Exception:  # the task's outer boundary: reported, and the next tick goes on
            log.exception("plan.drive_failed", plan_id=plan_id)

    async def _beat(self, due: Sequence[PlanRecord]) -> None:
        """Show that we live: for what runs now, and for what waits for its next look."""
        waiting = [
            record.plan.id
            for record in due
            if record.status is PlanStatus.VERIFYING and self._claims.is_ours(record)
        ]
        for plan_id in dict.fromkeys([*self._at_work, *waiting]):
            await self._claims.beat(plan_id, BEAT_EVERY)

    # --- one plan -------------------------------------------------------------------------

    async def drive(self, plan_id: PlanId) -> None:
        """Bring one plan as far as it can go now."""
        taken = await self._claims.take(plan_id)
        if taken is None:
            return
        record, permit = taken
        if record.status is PlanStatus.RUNNING:
            await self._run(permit)
        elif record.status is PlanStatus.VERIFYING:
            await self._verify(record, permit)
        elif record.status is PlanStatus.UNDOING:
            await self._undo(permit, record.outcome)

    async def _run(self, permit: Permit) -> None:
        plan = permit.plan
        try:
            for index in range(len(plan.body.steps)):
                await self._step(permit, index, undo=False)
        except StoppedError as stop:
            await self._progress.end(plan.id, PlanStatus.HALTED, "plan.end.halted", why=str(stop))
        except HandedOverError as error:
            await self._progress.end(
                plan.id, PlanStatus.OUTCOME_UNKNOWN, "plan.end.unknown", why=str(error)
            )
        except StepFailedError as error:
            if await self._progress.done_steps(plan.id):
                await self._begin_undo(permit, f"step failed: {error}")
            else:
                await self._progress.end(
                    plan.id, PlanStatus.FAILED, "plan.end.failed", why=str(error)
                )
        else:
            record = await self._progress.verifying(plan, self._verifier.until(plan))
            if record is not None:
                await self._verify(record, permit)

    async def _verify(self, record: PlanRecord, permit: Permit) -> None:
        plan = permit.plan
        if stop := await self._progress.stop_reason(plan.id):
            await self._progress.end(plan.id, PlanStatus.HALTED, "plan.end.halted", why=stop)
            return
        outlook, seen = await self._verifier.look(record)
        if outlook is Outlook.CLEARED:
            await self._progress.end(plan.id, PlanStatus.SUCCEEDED, "plan.end.succeeded", why=seen)
        elif outlook is Outlook.NO_DATA:
            await self._progress.end(
                plan.id, PlanStatus.UNVERIFIED, "plan.end.unverified", why=seen
            )
        elif outlook is Outlook.NOT_CLEARED:
            await self._begin_undo(permit, f"it did not help: {seen}")

    async def _begin_undo(self, permit: Permit, why: str) -> None:
        """Undo what was done; a plan without a way back ends as it is."""
        plan = permit.plan
        done = await self._progress.done_steps(plan.id)
        if not any(step.state_before.get(UNDOES) in done for step in plan.body.undo):
            await self._progress.end(plan.id, PlanStatus.FAILED, "plan.end.no_way_back", why=why)
            return
        if await self._progress.undoing(plan, why):
            await self._undo(permit, why)

    async def _undo(self, permit: Permit, why: str) -> None:
        plan = permit.plan
        done = await self._progress.done_steps(plan.id)
        try:
            for index, step in enumerate(plan.body.undo):
                if step.state_before.get(UNDOES) in done:
                    await self._step(permit, index, undo=True)
        except StoppedError as stop:
            await self._progress.end(plan.id, PlanStatus.HALTED, "plan.end.halted", why=str(stop))
        except (HandedOverError, StepFailedError) as error:
            await self._progress.end(
                plan.id, PlanStatus.OUTCOME_UNKNOWN, "plan.end.undo_unknown", why=str(error)
            )
        else:
            await self._progress.end(
                plan.id, PlanStatus.ROLLED_BACK, "plan.end.rolled_back", why=why
            )

    # --- one step -------------------------------------------------------------------------

    async def _step(self, permit: Permit, index: int, *, undo: bool) -> None:
        """Bring one step to its outcome, from wherever an earlier attempt left it."""
        step = permit.step(index, undo=undo)
        run = await self._progress.step_run(permit.plan, index, undo=undo)
        if run is not None and run.phase is StepPhase.DONE:
            return
        if run is not None and run.phase is StepPhase.FAILED:
            if undo:
                raise HandedOverError(run.note or f"{step.name} failed")
            raise StepFailedError(run.note or f"{step.name} failed")
        if run is not None and run.phase is StepPhase.UNKNOWN:
            raise HandedOverError(run.note)
        note = ""
        if run is not None and run.phase is StepPhase.SENT:
            note = await self._after_a_kill(permit, step, run)
            if not note:
                return
        try:
            bound = await self._bound(permit, step, undo=undo)
        except BackendError:
            raise  # nothing was sent: the next tick tries again
        except ToolError as error:
            await self._failed(permit, step, index, undo=undo, error=error)
        else:
            await self._send(permit, step, index, bound, undo=undo, note=note)

    async def _bound(self, permit: Permit, step: Step, *, undo: bool) -> Bound:
        if not undo:
            return bound_of(step)
        after = await self._progress.left_behind(permit.plan.id, int(step.state_before[UNDOES]))
        return await self._binder.bind_undo(step, after)

    async def _send(
        self, permit: Permit, step: Step, index: int, bound: Bound, *, undo: bool, note: str
    ) -> None:
        """Intent and sent are committed, then the request goes out, then its outcome is."""
        plan = permit.plan
        if not note:
            await self._progress.intent(plan, step, index, undo=undo)
        if stop := await self._progress.sent(plan, step, index, undo=undo, note=note):
            raise StoppedError(stop)
        try:
            outcome = await self._execute(permit, step, index, bound, undo=undo)
        except (OutcomeUnknownError, TimeoutError) as error:
            why = str(error) or f"no answer within {step.timeout_seconds} s"
            if await self._probe(step, bound, key_of(plan.id, index, undo=undo)) is Probe.DONE:
                await self._found(permit, step, index, undo=undo)
                return
            await self._progress.unknown(plan, step, index, undo=undo, note=why)
            raise HandedOverError(why) from error
        except ToolError as error:
            await self._failed(permit, step, index, undo=undo, error=error)
        else:
            await self._progress.done(plan, step, index, outcome, undo=undo)

    async def _execute(
        self, permit: Permit, step: Step, index: int, bound: Bound, *, undo: bool
    ) -> ActionResult:
        """Change the world. The only call of `Action.execute`; it takes a permit."""
        permitted = permit.step(index, undo=undo)
        if permitted != step:
            raise LostRaceError(f"{step.name} is not the step that was approved")
        action = self._binder.action(step.action)
        key = key_of(permit.plan.id, index, undo=undo)
        actors = replace(self._actors, waiting=Patience(step.timeout_seconds))
        async with asyncio.timeout(step.timeout_seconds):
            return await action.execute(actors, bound, key)

    async def _failed(
        self, permit: Permit, step: Step, index: int, *, undo: bool, error: ToolError
    ) -> None:
        await self._progress.failed(permit.plan, step, index, undo=undo, note=str(error))
        if undo:
            raise HandedOverError(f"{step.name}: {error}") from error
        raise StepFailedError(f"{step.name}: {error}") from error

    async def _after_a_kill(self, permit: Permit, step: Step, run: StepRun) -> str:
        """Look up a step that was sent and has no outcome.

        Empty: it is done. Otherwise the note with which it may be sent again, once, because the
        world shows that it was not done. Raises HandedOverError when nothing proves either.
        """
        plan, undo = permit.plan, run.undo
        bound = bound_of(step) if not undo else await self._bound_blind(permit, step)
        found = await self._probe(step, bound, run.key)  # unreadable: the next tick looks again
        if found is Probe.DONE:
            await self._found(permit, step, run.index, undo=undo)
            return ""
        if found is Probe.NOT_DONE and run.note != AGAIN:
            return AGAIN
        why = f"{step.name} was sent before a restart; the world does not show what became of it"
        await self._progress.unknown(plan, step, run.index, undo=undo, note=why)
        raise HandedOverError(why)

    async def _bound_blind(self, permit: Permit, step: Step) -> Bound:
        """Return what an undo step was bound to when it was sent: what its step left behind."""
        after = await self._progress.left_behind(permit.plan.id, int(step.state_before[UNDOES]))
        return Bound(step.action, step.target, step.parameters, after)

    async def _probe(self, step: Step, bound: Bound, key: str) -> Probe:
        return await self._binder.action(step.action).probe(self._actors, bound, key)

    async def _found(self, permit: Permit, step: Step, index: int, *, undo: bool) -> None:
        """Note a step whose effect was found in the world."""
        after = ""
        if not undo:
            back = next(
                (s for s in permit.plan.body.undo if s.state_before.get(UNDOES) == index), None
            )
            after = await self._binder.fingerprint_now(back) if back is not None else ""
        outcome = ActionResult("found done in the world", step.target, after)
        await self._progress.done(permit.plan, step, index, outcome, undo=undo)
