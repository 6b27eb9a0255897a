"""Permits: the only way to an action.

    Case ──gate──> Refusal | Permit ──execute(permit, …)──> the world

A claim needs one, and every step a fresh one, made in the transaction that says it is being sent.

`mint` is the one function that makes a permit; it asks every guard itself and leaves nothing to
its caller. The plan travels inside the permit, bound to its digest: what runs is what was shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from bot.core.ports import PlanRecord
from bot.domain.ids import UserId
from bot.domain.plans.guards import Case, Moment, Refusal, check
from bot.domain.plans.plan import Plan, Position, Step
from bot.domain.plans.plan_life import AtWork, PlanApproved, PlanState, Running, Undoing

MOMENTS: Mapping[type[PlanState], Moment] = {
    PlanApproved: Moment.CLAIM,
    Running: Moment.STEP,
    Undoing: Moment.UNDO,
}
_SEAL = object()  # known to this module alone


class PermitForgedError(Exception):
    """Somebody tried to make or bend a permit."""


@final
@dataclass(frozen=True, slots=True)
class Permit:
    """The right to run exactly one plan's steps and their undo."""

    plan: Plan
    digest: str
    approvers: tuple[UserId, ...]  # empty: policy let an AUTO plan run
    seal: object

    def __post_init__(self) -> None:
        """Refuse a permit that `mint` did not make, or whose plan is another."""
        if self.seal is not _SEAL:
            raise PermitForgedError("permits come from running.permits.mint alone")
        if self.plan.body.digest() != self.digest:
            raise PermitForgedError(f"{self.plan.id} is not the plan that was approved")

    def step(self, position: Position) -> Step:
        """Return one step of the plan; the digest is compared again first."""
        if self.plan.body.digest() != self.digest:
            raise PermitForgedError(f"{self.plan.id} has changed since it was approved")
        return self.plan.body.at(position)


def mint(record: PlanRecord, case: Case) -> Permit | Refusal:
    """Make the permit of a plan, or say which guard refuses.

    An approved plan passes every guard of a claim; one at work every guard of a step, or of a step
    of the way back. A plan whose steps are all done has none ahead, and gets no permit.
    """
    if case.plan is not record.plan or case.approval is not record.approval:
        return Refusal("plan_digest", "the case is about another plan")
    state = record.state
    moment = MOMENTS.get(type(state))
    if moment is None or not isinstance(state, PlanApproved | AtWork):
        return Refusal("status", f"{record.plan.id} is {record.status.value}, not approved")
    if not state.approval.answers and not record.plan.auto:
        return Refusal("distinct_approvers", f"nobody said yes to {record.plan.id}")
    refusal = check(case, moment)
    if refusal is not None:
        return refusal
    people = tuple(dict.fromkeys(yes.by for yes in state.approval.answers))
    return Permit(record.plan, state.approval.digest, people, _SEAL)
