"""Execution: what was approved, once, with proof of every effect.

    Approved --claim--> Running --steps--> Verifying --cleared--------> Succeeded
                           |                   |------no data---------> Unverified
                           |--a step failed----+------not cleared-----> Undoing --> RolledBack
                           |--halt, stop--> Halted
                           '--sent, no proof--> OutcomeUnknown          a person says what happened

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
from bot.core.remediation.binding import Binder, bound_of
from bot.core.remediation.claiming import Claims
from bot.core.remediation.permits import Permit
from bot.core.remediation.progress import NotOursError, Progress
from bot.core.remediation.verification import VerificationResult, Verifier
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain import plan_life as life
from bot.domain.ids import PlanId
from bot.domain.plan import Position, Step
from bot.domain.step_run import StepDone, StepFailed, StepSent, StepUnknown
from tools.act.contract import ActionResult, Actors, Bound, Probe, StoppedShortError
from tools.act.patience import Patience
from tools.errors import (
    BackendError,
    LostRaceError,
    OutcomeUnknownError,
    ToolError,
)

log = structlog.get_logger(__name__)

BEAT_EVERY = timedelta(seconds=5)  # wall


class HandedOverError(Exception):
    """A step's effect is not proved; a person must look."""


class StepFailedError(Exception):
    """A step was refused before it changed anything."""


class PlanStoppedError(Exception):
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
        """The parts share one store, clock and owner: see `assembly.build_remediation`."""
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
        state = record.state
        if isinstance(state, life.Verifying) and self._claims.is_ours(state):
            return state.stop_asked or self._verifier.is_due(record.plan, state)
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
            if isinstance(record.state, life.Verifying) and self._claims.is_ours(record.state)
        ]
        for plan_id in dict.fromkeys([*self._at_work, *waiting]):
            await self._claims.beat(plan_id, BEAT_EVERY)

    # --- one plan -------------------------------------------------------------------------

    async def drive(self, plan_id: PlanId) -> None:
        """Bring one plan as far as it can go now."""
        claimed = await self._claims.take(plan_id)
        if claimed is None:
            return
        match claimed.state:
            case life.Running() as running:
                await self._run(running, claimed.permit)
            case life.Verifying() as verifying:
                await self._verify(verifying, claimed.permit)
            case life.Undoing() as undoing:
                await self._undo(undoing, claimed.permit)

    async def _run(self, running: life.Running, permit: Permit) -> None:
        plan, progress = permit.plan, self._progress
        try:
            for position in plan.body.forward():
                await self._step(permit, position)
        except PlanStoppedError as stop:
            await progress.end(plan, running, life.halt, "plan.end.halted", str(stop))
        except HandedOverError as error:
            await progress.end(plan, running, life.lose, "plan.end.unknown", str(error))
        except StepFailedError as error:
            if await progress.done_steps(plan.id):
                await self._begin_undo(running, permit, f"step failed: {error}")
            else:
                await progress.end(plan, running, life.fail, "plan.end.failed", str(error))
        else:
            until = self._verifier.until(plan)
            await self._verify(await progress.verifying(plan, running, until), permit)

    async def _verify(self, verifying: life.Verifying, permit: Permit) -> None:
        plan, progress = permit.plan, self._progress
        if stop := await progress.stop_reason(plan.id):
            await progress.end(plan, verifying, life.halt, "plan.end.halted", stop)
            return
        result, seen = await self._verifier.look(plan, verifying)
        match result:
            case VerificationResult.CLEARED:
                await progress.end(plan, verifying, life.succeed, "plan.end.succeeded", seen)
            case VerificationResult.NO_DATA:
                await progress.end(
                    plan, verifying, life.leave_unverified, "plan.end.unverified", seen
                )
            case VerificationResult.NOT_CLEARED:
                await self._begin_undo(verifying, permit, f"it did not help: {seen}")
            case VerificationResult.NOT_YET:
                pass

    async def _begin_undo(
        self, leaving: life.Running | life.Verifying, permit: Permit, why: str
    ) -> None:
        """Undo what was done; a plan without a way back ends as it is."""
        plan, progress = permit.plan, self._progress
        if not plan.body.way_back(await progress.done_steps(plan.id)):
            await progress.end(plan, leaving, life.fail, "plan.end.no_way_back", why)
            return
        await self._undo(await progress.undoing(plan, leaving, why), permit)

    async def _undo(self, undoing: life.Undoing, permit: Permit) -> None:
        plan, progress = permit.plan, self._progress
        try:
            for position in plan.body.way_back(await progress.done_steps(plan.id)):
                await self._step(permit, position)
        except PlanStoppedError as stop:
            await progress.end(plan, undoing, life.halt, "plan.end.halted", str(stop))
        except (HandedOverError, StepFailedError) as error:
            await progress.end(plan, undoing, life.lose, "plan.end.undo_unknown", str(error))
        else:
            await progress.end(plan, undoing, life.roll_back, "plan.end.rolled_back", undoing.why)

    # --- one step -------------------------------------------------------------------------

    async def _step(self, permit: Permit, position: Position) -> None:
        """Bring one step to its outcome, from wherever an earlier attempt left it."""
        step, again = permit.step(position), False
        match await self._progress.step_run(permit.plan, position):
            case StepDone():
                return
            case StepFailed(note=note):
                raise _refused(position, note or f"{step.name} failed")
            case StepUnknown(note=note):
                raise HandedOverError(note)
            case StepSent() as sent:
                if await self._is_done_after_a_kill(permit, sent):
                    return
                again = True
            case _:
                pass  # nothing was sent yet
        try:
            bound = await self._bound(permit, position)
        except BackendError:
            raise  # nothing was sent: the next tick tries again
        except ToolError as error:
            await self._failed(permit, position, error)
        else:
            await self._send(permit, position, bound, again=again)

    async def _bound(self, permit: Permit, position: Position) -> Bound:
        step = permit.step(position)
        if not position.undo:
            return bound_of(step)
        return await self._binder.bind_undo(step, await self._left_behind(permit, step))

    async def _left_behind(self, permit: Permit, undo: Step) -> str:
        """Return the fingerprint that the step left which `undo` takes back."""
        done = await self._progress.done_steps(permit.plan.id)
        run = None if undo.undoes is None else done.get(undo.undoes)
        return run.fingerprint if run is not None else ""

    async def _send(self, permit: Permit, position: Position, bound: Bound, *, again: bool) -> None:
        """Intent and sent are committed, then the request goes out, then its outcome is."""
        plan, step = permit.plan, permit.step(position)
        if not again:
            await self._progress.intent(plan, position)
        if stop := await self._progress.sent(plan, position, again=again):
            raise PlanStoppedError(stop)
        try:
            outcome = await self._execute(permit, position, bound)
        except (OutcomeUnknownError, TimeoutError) as error:
            why = str(error) or f"no answer within {step.timeout_seconds} s"
            if await self._probe(step, bound, position.key(plan.id)) is Probe.DONE:
                await self._found(permit, position)
                return
            await self._progress.unknown(plan, position, why)
            raise HandedOverError(why) from error
        except StoppedShortError as error:
            await self._progress.done(plan, position, error.result, stopped=str(error))
            raise PlanStoppedError(str(error)) from error
        except ToolError as error:
            await self._failed(permit, position, error)
        else:
            await self._progress.done(plan, position, outcome)

    async def _execute(self, permit: Permit, position: Position, bound: Bound) -> ActionResult:
        """Change the world. The only call of `Action.execute`; it takes a permit."""
        step = permit.step(position)  # the digest is compared once more
        if not position.undo and bound != bound_of(step):
            raise LostRaceError(f"{step.name} is not the step that was approved")
        action = self._binder.action(step.action)
        actors = replace(self._actors, waiting=Patience(step.timeout_seconds))
        async with asyncio.timeout(step.timeout_seconds):
            return await action.execute(actors, bound, position.key(permit.plan.id))

    async def _failed(self, permit: Permit, position: Position, error: ToolError) -> None:
        step = permit.step(position)
        await self._progress.failed(permit.plan, position, str(error))
        raise _refused(position, f"{step.name}: {error}") from error

    async def _is_done_after_a_kill(self, permit: Permit, sent: StepSent) -> bool:
        """Look up a step that was sent and has no outcome.

        False: it may be sent again, once, because the world shows that it was not done. Raises
        HandedOverError when nothing proves either.
        """
        plan, step = permit.plan, permit.step(sent.position)
        bound = bound_of(step)
        if sent.position.undo:  # what it was bound to when it was sent
            after = await self._left_behind(permit, step)
            bound = Bound(step.action, step.target, step.parameters, after)
        found = await self._probe(step, bound, sent.key)  # unreadable: the next tick looks again
        if found is Probe.DONE:
            await self._found(permit, sent.position)
            return True
        if found is Probe.NOT_DONE and not sent.again:
            return False
        why = f"{step.name} was sent before a restart; the world does not show what became of it"
        await self._progress.unknown(plan, sent.position, why)
        raise HandedOverError(why)

    async def _probe(self, step: Step, bound: Bound, key: str) -> Probe:
        return await self._binder.action(step.action).probe(self._actors, bound, key)

    async def _found(self, permit: Permit, position: Position) -> None:
        """Note a step whose effect was found in the world."""
        plan, step, after = permit.plan, permit.step(position), ""
        if not position.undo:
            back = next((s for s in plan.body.undo if s.undoes == position.index), None)
            after = await self._binder.fingerprint_now(back) if back is not None else ""
        outcome = ActionResult("found done in the world", step.target, after)
        await self._progress.done(plan, position, outcome)


def _refused(position: Position, why: str) -> HandedOverError | StepFailedError:
    """Return what a refused step means: one of the way back needs a person."""
    return HandedOverError(why) if position.undo else StepFailedError(why)
