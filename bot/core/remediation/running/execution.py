"""Execution: what was approved, once, with proof of every effect.

    Approved --claim--> Running --steps--> Verifying --cleared--------> Succeeded
                           |                   |------no data---------> Unverified
                           |--a step failed----+------not cleared-----> Undoing --> RolledBack
                           |--a guard refuses--> Halted
                           '--sent, no proof--> OutcomeUnknown          a person says what happened

Each step is *look → intent → sent → outcome*, each committed before the next thing happens. Every
guard is asked again before *sent*; what a guard refuses between two steps stops the plan, and
people are offered the way back. `drive` reads where a plan is from the store and goes on from
there, so it is the same code after a kill at any instruction: a step that was sent without an
outcome is looked up in the world, and sent again only where its action is idempotent by contract
and the world shows no effect. `tick` starts what is due and returns; time comes from the clock,
nothing sleeps here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import structlog

from bot.core.ports import Clock, PlanRecord, StaleError
from bot.core.remediation.binding import Binder, bound_of
from bot.core.remediation.guarding.gate import Look
from bot.core.remediation.running.claiming import LOOK_AGAIN, Claims
from bot.core.remediation.running.holds import Hold, Holds, NotOursError
from bot.core.remediation.running.permits import Permit
from bot.core.remediation.running.progress import Progress
from bot.core.remediation.running.step_progress import StepProgress
from bot.core.remediation.running.verification import VerificationResult, Verifier
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.guards import Refusal, patience_of
from bot.domain.plans.plan import Position, Step
from bot.domain.plans.step_run import StepDone, StepFailed, StepSent, StepUnknown
from tools.act.contract import (
    ActionResult,
    Actors,
    Bound,
    Probe,
    StoppedShortError,
    is_idempotent,
)
from tools.act.fencing import fenced
from tools.act.patience import Patience
from tools.errors import (
    BackendError,
    LostRaceError,
    OutcomeUnknownError,
    ToolError,
)

log = structlog.get_logger(__name__)

BEAT_EVERY = timedelta(seconds=5)  # wall
RESEND_WITHIN = timedelta(hours=1)  # world: later, what shows no effect may have forgotten it
BRAKES = frozenset({"halt", "stopped"})  # let go, or asked past, by the person who undoes


class HandedOverError(Exception):
    """A step's effect is not proved; a person must look."""


class StepFailedError(Exception):
    """A step was refused before it changed anything."""


class PlanStoppedError(Exception):
    """A guard stops before the next step."""

    def __init__(self, refusal: Refusal, sent: Position | None) -> None:
        """Keep which guard it was, and the step that would have been sent a second time."""
        super().__init__(refusal.message)
        self.refusal, self.sent = refusal, sent


class Execution:
    """Runs approved plans in this process."""

    def __init__(
        self,
        *,
        clock: Clock,
        actors: Actors,
        binder: Binder,
        claims: Claims,
        holds: Holds,
        progress: Progress,
        steps: StepProgress,
        verifier: Verifier,
    ) -> None:
        """The parts share one store, clock and owner: see `assembly.build_remediation`."""
        self._clock, self._actors, self._binder = clock, actors, binder
        self._claims, self._holds, self._verifier = claims, holds, verifier
        self._progress, self._steps = progress, steps
        self._at_work: KeyedTasks[PlanId] = KeyedTasks("plan")
        self._looked: dict[PlanId, datetime] = {}  # wall: plans whose next step waits

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
        if _waits(state) and record.plan.id in self._looked:
            return self._clock.wall() - self._looked[record.plan.id] >= LOOK_AGAIN
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
            if isinstance(record.state, life.AtWork) and self._claims.is_ours(record.state)
            if isinstance(record.state, life.Verifying) or _waits(record.state)
        ]
        for plan_id in dict.fromkeys([*self._at_work, *waiting]):
            await self._claims.beat(plan_id, BEAT_EVERY)

    # --- one plan -------------------------------------------------------------------------

    async def drive(self, plan_id: PlanId) -> None:
        """Bring one plan as far as it can go now."""
        claimed = await self._claims.take(plan_id)
        if claimed is None:
            return
        hold = claimed.hold
        match claimed.state:
            case life.Running() as running:
                await self._run(running, hold)
            case life.Verifying() as verifying:
                await self._verify(verifying, hold)
            case life.Undoing() as undoing:
                await self._undo(undoing, hold)

    async def _run(self, running: life.Running, hold: Hold) -> None:
        progress = self._progress
        try:
            for position in hold.plan.body.forward():
                await self._step(hold, position)
        except PlanStoppedError as stop:
            await self._wait_or_stop(running, hold, stop)
        except HandedOverError as error:
            await progress.end(hold, running, life.lose, "plan.end.unknown", str(error))
        except StepFailedError as error:
            if await self._steps.done_steps(hold):
                await self._begin_undo(running, hold, f"step failed: {error}")
            else:
                await progress.end(hold, running, life.fail, "plan.end.failed", str(error))
        else:
            until = self._verifier.until(hold.plan)
            await self._verify(await progress.verifying(hold, running, until), hold)

    async def _wait_or_stop(
        self, running: life.Running, hold: Hold, stop: PlanStoppedError
    ) -> None:
        """Stop before the next step; what nobody can judge now is judged again for a while."""
        plan_id, refusal, progress = hold.plan.id, stop.refusal, self._progress
        self._looked[plan_id] = self._clock.wall()
        if patience_of(refusal) and await progress.waits(hold, running, refusal):
            return
        self._looked.pop(plan_id)
        if stop.sent is not None:
            why = await self._not_again(hold, stop.sent, refusal)
            await progress.end(hold, running, life.lose, "plan.end.unknown", why)
            return
        await progress.stop(hold, running, refusal, "plan.end.halted")

    async def _not_again(self, hold: Hold, position: Position, refusal: Refusal) -> str:
        """Note of a step that it was sent, shows no effect, and must not be sent again."""
        name = hold.plan.body.at(position).name
        why = f"{name} was sent before a restart and is not sent again: {refusal.message}"
        await self._steps.unknown(hold, position, why)
        return why

    async def _verify(self, verifying: life.Verifying, hold: Hold) -> None:
        plan, progress = hold.plan, self._progress
        if (refusal := await progress.objection(hold)) is not None:
            await progress.stop(hold, verifying, refusal, "plan.end.halted")
            return
        result, seen = await self._verifier.look(plan, verifying)
        match result:
            case VerificationResult.CLEARED:
                await progress.end(hold, verifying, life.succeed, "plan.end.succeeded", seen)
            case VerificationResult.NO_DATA:
                await progress.end(
                    hold, verifying, life.leave_unverified, "plan.end.unverified", seen
                )
            case VerificationResult.NOT_CLEARED:
                await self._begin_undo(verifying, hold, f"it did not help: {seen}")
            case VerificationResult.NOT_YET:
                pass

    async def _begin_undo(
        self, leaving: life.Running | life.Verifying, hold: Hold, why: str
    ) -> None:
        """Undo what was done; a plan without a way back ends as it is."""
        if not hold.plan.body.way_back(await self._steps.done_steps(hold)):
            await self._progress.end(hold, leaving, life.fail, "plan.end.no_way_back", why)
            return
        await self._undo(await self._progress.undoing(hold, leaving, why), hold)

    async def _undo(self, undoing: life.Undoing, hold: Hold) -> None:
        progress = self._progress
        try:
            for position in hold.plan.body.way_back(await self._steps.done_steps(hold)):
                await self._step(hold, position)
        except PlanStoppedError as stop:
            if stop.sent is not None:
                why = await self._not_again(hold, stop.sent, stop.refusal)
                await progress.end(hold, undoing, life.lose, "plan.end.undo_unknown", why)
                return
            if stop.refusal.guard in BRAKES:
                await progress.stop(hold, undoing, stop.refusal, "plan.end.halted")
                return
            left = await self._steps.half_done(hold)
            await progress.stop(hold, undoing, stop.refusal, "plan.end.half_done", left=left)
        except (HandedOverError, StepFailedError) as error:
            await progress.end(hold, undoing, life.lose, "plan.end.undo_unknown", str(error))
        else:
            if undoing.asked is None:
                await progress.end(
                    hold, undoing, life.roll_back, "plan.end.rolled_back", undoing.why
                )
                return
            back = ", ".join(step.name for step in hold.plan.body.undo)
            await progress.end(hold, undoing, life.roll_back, "plan.end.undone", back)

    # --- one step -------------------------------------------------------------------------

    async def _step(self, hold: Hold, position: Position) -> None:
        """Bring one step to its outcome, from wherever an earlier attempt left it."""
        step, again = hold.plan.body.at(position), False
        match await self._steps.run(hold, position):
            case StepDone():
                return
            case StepFailed(note=note):
                raise _refused(position, note or f"{step.name} failed")
            case StepUnknown(note=note):
                raise HandedOverError(note)
            case StepSent() as sent:
                if await self._is_done_after_a_kill(hold, sent):
                    return
                again = True
            case _:
                pass  # nothing was sent yet
        look = await self._steps.look(hold, position)  # unreadable: the next tick tries again
        try:
            bound = await self._bound(hold, position)
        except BackendError:
            raise  # nothing was sent: the next tick tries again
        except ToolError as error:
            refusal = await self._steps.objection(hold, look)
            if refusal is not None:
                raise PlanStoppedError(refusal, position if again else None) from error
            await self._failed(hold, position, error)
        else:
            await self._send(hold, position, bound, look, again=again)

    async def _bound(self, hold: Hold, position: Position) -> Bound:
        step = hold.plan.body.at(position)
        if not position.undo:
            return bound_of(step)
        return await self._binder.bind_undo(step, await self._left_behind(hold, step))

    async def _left_behind(self, hold: Hold, undo: Step) -> str:
        """Return the fingerprint that the step left which `undo` takes back."""
        done = await self._steps.done_steps(hold)
        run = None if undo.undoes is None else done.get(undo.undoes)
        return run.fingerprint if run is not None else ""

    async def _send(
        self, hold: Hold, position: Position, bound: Bound, look: Look, *, again: bool
    ) -> None:
        """Intent and sent are committed, then the request goes out, then its outcome is."""
        step = hold.plan.body.at(position)
        if not again:
            await self._steps.intent(hold, position)
        permit = await self._steps.sent(hold, position, look, again=again)
        if isinstance(permit, Refusal):
            raise PlanStoppedError(permit, position if again else None)
        try:
            outcome = await self._execute(permit, hold, position, bound)
        except (OutcomeUnknownError, TimeoutError) as error:
            why = str(error) or f"no answer within {step.timeout_seconds} s"
            if await self._probe(step, bound, position.key(hold.plan.id)) is Probe.DONE:
                await self._found(hold, position)
                return
            await self._steps.unknown(hold, position, why)
            raise HandedOverError(why) from error
        except StoppedShortError as error:
            await self._steps.done(hold, position, error.result, stopped=str(error))
            raise PlanStoppedError(Refusal("effect_set", str(error)), None) from error
        except ToolError as error:
            await self._failed(hold, position, error)
        else:
            await self._steps.done(hold, position, outcome)

    async def _execute(
        self, permit: Permit, hold: Hold, position: Position, bound: Bound
    ) -> ActionResult:
        """Change the world. The only call of `Action.execute`; it takes a permit.

        Whether the plan is still ours is asked once more before each request that changes
        something: one that was taken by another process meanwhile sends nothing.
        """
        step = permit.step(position)  # the digest is compared once more
        if not position.undo and bound != bound_of(step):
            raise LostRaceError(f"{step.name} is not the step that was approved")
        action = self._binder.action(step.action)
        actors = replace(self._actors, waiting=Patience(step.timeout_seconds))
        fence = partial(self._holds.check, hold, position)
        async with asyncio.timeout(step.timeout_seconds):
            return await action.execute(fenced(actors, fence), bound, position.key(permit.plan.id))

    async def _failed(self, hold: Hold, position: Position, error: ToolError) -> None:
        step = hold.plan.body.at(position)
        await self._steps.failed(hold, position, str(error))
        raise _refused(position, f"{step.name}: {error}") from error

    async def _is_done_after_a_kill(self, hold: Hold, sent: StepSent) -> bool:
        """Look up a step that was sent and has no outcome.

        False: it may be sent again, once, because the world shows that it was not done and a second
        request would do nothing more if it was. Raises HandedOverError when nothing proves either.
        """
        step = hold.plan.body.at(sent.position)
        bound = bound_of(step)
        if sent.position.undo:  # what it was bound to when it was sent
            after = await self._left_behind(hold, step)
            bound = Bound(step.action, step.target, step.parameters, after)
        found = await self._probe(step, bound, sent.key)  # unreadable: the next tick looks again
        if found is Probe.DONE:
            await self._found(hold, sent.position)
            return True
        fresh = self._clock.now() - sent.sent_at < RESEND_WITHIN
        repeatable = is_idempotent(self._binder.action(step.action)) and fresh and not sent.again
        if found is Probe.NOT_DONE and repeatable:
            return False
        why = f"{step.name} was sent before a restart; the world does not show what became of it"
        await self._steps.unknown(hold, sent.position, why)
        raise HandedOverError(why)

    async def _probe(self, step: Step, bound: Bound, key: str) -> Probe:
        return await self._binder.action(step.action).probe(self._actors, bound, key)

    async def _found(self, hold: Hold, position: Position) -> None:
        """Note a step whose effect was found in the world."""
        plan, step, after = hold.plan, hold.plan.body.at(position), ""
        if not position.undo:
            back = next((s for s in plan.body.undo if s.undoes == position.index), None)
            after = await self._binder.fingerprint_now(back) if back is not None else ""
        outcome = ActionResult("found done in the world", step.target, after)
        await self._steps.done(hold, position, outcome)


def _waits(state: life.PlanState) -> bool:
    return isinstance(state, life.Running) and state.waits_since is not None


def _refused(position: Position, why: str) -> HandedOverError | StepFailedError:
    """Return what a refused step means: one of the way back needs a person."""
    return HandedOverError(why) if position.undo else StepFailedError(why)
