"""What a plan touches: as it was shown, as it is now, and what of it nobody foresaw. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.core.ports import PlanRecord, Touch
from bot.core.remediation.binding import Looked
from bot.domain.plans.plan import Plan, Step
from bot.domain.plans.plan_life import AtWork
from tools.act.effects import EffectSet, Reached
from tools.world import WorkloadRef

STARTED = "step.started"  # kind of the audit row of a request that goes out
WORKS_ON = "works_on"  # fact of such a row: the workloads that it touches


def effects_now(plan: Plan, objects: Mapping[int, Looked]) -> EffectSet:
    """Return what a plan touches: as its steps were read just now, else as they were shown."""
    now = []
    for index, step in enumerate(plan.body.steps):
        looked = objects.get(index)
        now.append(looked.effects if looked is not None and looked.effects else _shown(step))
    return EffectSet.union([*now, *(_shown(step) for step in plan.body.undo)])


def touched_by(plan: Plan) -> tuple[WorkloadRef, ...]:
    """Return every object that a plan, as it was shown, touches."""
    return tuple(each.ref for each in effects_now(plan, {}).everything())


def _shown(step: Step) -> EffectSet:
    """Return what a step said it touches; one of an older version named its target alone."""
    return step.effects or EffectSet(objects=(Reached(step.target),))


def workloads_of(steps: Sequence[Step]) -> set[str]:
    """Return what some steps work on, by the names that two plans must not share."""
    return {str(ref) for step in steps for ref in _shown(step).workloads()}


def touched_workloads(touch: Touch) -> set[str]:
    """Return what one step of a plan worked on."""
    return workloads_of([touch.plan.body.at(touch.position)])


def unknown_in(effects: EffectSet) -> str:
    """Return what of an effect set nobody knows, empty when all of it is known."""
    for each in effects.unknown():
        return f"nobody knows {each.ref}, which it would reach: {each.why}"
    return ""


def unforeseen_in(record: PlanRecord, now: EffectSet) -> str:
    """Return what a plan would touch beyond what it was shown with."""
    shown = record.plan.body.effects()
    if shown is None:
        if isinstance(record.state, AtWork):
            return ""  # it was approved and begun by an older version; protection still counts
        return (
            "an older version made this plan without saying all that it touches; propose it again"
        )
    return unknown_in(now) or shown.excess(now)
