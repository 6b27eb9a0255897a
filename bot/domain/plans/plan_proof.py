"""What proves that a plan may go on as its row says: its audit rows, each sealed by itself.

    plan.proposed ─ plan.approved (who) … ─ plan.started ─ …     every move: status and version
    plan.proposed ─ plan.hold_ended ─ plan.started ─ …           one that policy let run
    … ─ plan.halted ─ plan.undo_asked (who) ─ …                  an undo that a person asked for

A row of the database that is genuine by its seal may still be an old one that somebody put back,
or stand there without what people really said. So the newest move in the audit must be the one
that the row shows, and every answer it counts must be written down.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.domain.audit import Event
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import answers_of
from bot.domain.plans.plan import Plan, Position, StepPhase
from bot.domain.plans.step_run import SENT_AGAIN, StepDone, StepRun

PHASES = {  # what leads to a phase
    StepPhase.INTENT: {"step.intended", "step.told_retry"},
    StepPhase.SENT: {"step.started"},
    StepPhase.DONE: {"step.succeeded", "step.stopped", "step.told_done"},
    StepPhase.FAILED: {"step.failed", "step.told_undone"},
    StepPhase.UNKNOWN: {"step.unknown"},
}
OVER = PHASES[StepPhase.DONE] | PHASES[StepPhase.FAILED]  # nobody sends such a step any more
SAID_YES = frozenset({"plan.approved", "plan.break_glass"})
HOLD_ENDED, UNDO_ASKED = "plan.hold_ended", "plan.undo_asked"


def newest_move(told: Iterable[Event]) -> int:
    """Return the version that the newest move in the audit led to, 0 when there is none."""
    return max((event.facts["version"] for event in told if "version" in event.facts), default=0)


def unproved(
    plan: Plan,
    state: life.PlanState,
    version: int,
    told: Sequence[Event],
    steps: Sequence[StepRun] = (),
) -> str:
    """Say what of a plan its audit rows do not prove; empty when they prove all of it.

    `told` are the rows about it that prove themselves, `steps` what the table says of its steps.
    """
    newest = newest_move(told)
    moves = {e.facts["status"] for e in told if newest and e.facts.get("version") == newest}
    if moves != {state.status.value} or version < newest:
        last = " and ".join(sorted(moves)) or "nothing"
        return f"it is {state.status.value}, and the audit's last word of it is {last}"
    if any(event.digest not in {"", plan.digest} for event in told):
        return "the audit tells of other steps"
    said = {event.actor for event in told if event.kind in SAID_YES}
    for yes in answers_of(state.approval):
        if yes.by not in said:
            return f"the audit knows of no yes by {yes.by}"
    if isinstance(state, life.OutcomeUnknown):  # a person answers for the step that is unknown
        return _misplaced_step(told, steps)
    if not isinstance(state, life.PlanApproved | life.AtWork):
        return ""
    return _unheld(state, told) or _misplaced_step(told, steps)


def _unheld(state: life.PlanApproved | life.AtWork, told: Sequence[Event]) -> str:
    """Say what let a plan go on without a person, when the audit does not know of it."""
    if not state.approval.answers and all(event.kind != HOLD_ENDED for event in told):
        return "nobody said yes, and the audit knows of no hold that ended"
    if isinstance(state, life.Undoing) and state.asked is not None:
        asked = {event.actor for event in told if event.kind == UNDO_ASKED}
        if state.asked.by not in asked:
            return f"the audit knows of no undo that {state.asked.by} asked for"
    return ""


def _misplaced_step(told: Sequence[Event], steps: Sequence[StepRun]) -> str:
    """Say which step the table puts where the audit does not: it would be done twice, or never."""
    runs = {run.position: run for run in steps}
    events: dict[Position, list[Event]] = {}
    for event in told:
        if event.kind.startswith("step."):
            index, undo = event.facts["index"], event.facts["undo"]
            position = Position.back(index) if undo else Position.forward(index)
            events.setdefault(position, []).append(event)
    for position in {**runs, **events}:
        if fault := _step_fault(runs.get(position), events.get(position, [])):
            return f"step {position.direction.value}/{position.index} {fault}"
    return ""


def _step_fault(run: StepRun | None, events: Sequence[Event]) -> str:
    kinds = {event.kind for event in events}
    if run is None:
        return "is gone from the table" if kinds else ""
    if not kinds & PHASES[run.phase]:
        return f"is {run.phase.value} in the table, and the audit knows of no such thing"
    if fault := _sent_too_often(run, events):
        return fault
    left = {event.facts["after"] for event in events if "after" in event.facts}
    if isinstance(run, StepDone) and left and run.fingerprint not in left:
        return "left something else behind than the audit says"
    return ""


def _sent_too_often(run: StepRun, events: Sequence[Event]) -> str:
    """Say why a step that the table lets be sent was sent, or answered for, before.

    People let a step begin anew once for each time that nothing proved what became of it.
    """
    kinds = [event.kind for event in events]
    retries = kinds.count("step.told_retry")
    sent = sum(
        event.kind == "step.started" and event.facts.get("note") != SENT_AGAIN for event in events
    )
    over = not OVER.isdisjoint(kinds) or kinds.count("step.unknown") > retries
    if run.phase is StepPhase.INTENT and (over or sent > retries):
        return "is about to be sent, and the audit says that it was"
    if run.phase is StepPhase.SENT and over:
        return "is at work in the table, and the audit knows its outcome"
    if run.phase is StepPhase.UNKNOWN and (
        not OVER.isdisjoint(kinds) or kinds.count("step.unknown") <= retries
    ):
        return "is unknown in the table, and the audit knows what became of it"
    return ""
