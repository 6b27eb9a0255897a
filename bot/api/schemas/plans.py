"""Plans, and the answers people give to them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.api.schemas.common import Out, Reason
from bot.core.ports import PlanRecord
from bot.domain.plans.approval import Approved, Pending, Rejected


class StepOut(Out):
    """One step of a plan."""

    name: str
    action: str
    target: str
    parameters: dict[str, Any]
    diff: list[str]


class RiskOut(Out):
    """The risk and its four parts, each in [0, 1]."""

    score: float
    severity: float
    urgency: float
    impact: float
    complexity: float
    reasons: list[str]


class AnswerOut(Out):
    """One person's yes."""

    by: str
    at: datetime


class PlanOut(Out):
    """A plan as it was shown, and where it is in its life."""

    id: str
    title: str
    service: str
    reason: str
    status: str
    tier: str
    risk: RiskOut
    steps: list[StepOut]
    undo: list[StepOut]
    verify: list[str]
    blast_radius: list[str]
    dry_run: list[str]
    playbook: str
    digest: str
    requested_by: str
    finding: str
    created_at: datetime
    expires_at: datetime
    approvers_needed: int
    answers: list[AnswerOut]
    rejected_by: str
    rejected_because: str
    outcome: str
    ended_at: datetime | None

    @classmethod
    def of(cls, record: PlanRecord) -> PlanOut:
        """Tell a plan."""
        plan, approval = record.plan, record.approval
        answers = approval.answers if isinstance(approval, Pending | Approved) else ()
        rejected = approval if isinstance(approval, Rejected) else None
        risk = plan.risk
        return cls(
            id=plan.id,
            title=plan.title,
            service=plan.service,
            reason=plan.reason,
            status=record.status.value,
            tier=plan.tier.value,
            risk=RiskOut(
                score=risk.score,
                severity=risk.severity,
                urgency=risk.urgency,
                impact=risk.impact,
                complexity=risk.complexity,
                reasons=list(risk.lines),
            ),
            steps=[_step(s) for s in plan.body.steps],
            undo=[_step(s) for s in plan.body.undo],
            verify=[v.expression for v in plan.body.verify],
            blast_radius=list(plan.blast_radius),
            dry_run=list(plan.dry_run),
            playbook=plan.body.playbook_id,
            digest=plan.body.digest(),  # of what is told here: a yes to it is to nothing else
            requested_by=plan.requested_by or "",
            finding=plan.finding or "",
            created_at=plan.created_at,
            expires_at=plan.expires_at,
            approvers_needed=plan.approvers_needed,
            answers=[AnswerOut(by=a.by, at=a.at) for a in answers],
            rejected_by=rejected.by if rejected else "",
            rejected_because=rejected.reason if rejected else "",
            outcome=record.outcome,
            ended_at=record.ended_at,
        )


def _step(step: Any) -> StepOut:
    return StepOut(
        name=step.name,
        action=step.action,
        target=str(step.target),
        parameters=dict(step.parameters),
        diff=list(step.diff),
    )


class SaidOut(Out):
    """What an answer to a plan came to."""

    accepted: bool
    status: str
    detail: str


class ApproveIn(BaseModel):
    """A yes. `approver` is the token's own Slack user id or e-mail."""

    model_config = ConfigDict(extra="forbid")
    approver: str = Field(min_length=1, max_length=200)
    digest: str = Field("", max_length=64, description="The plan's digest as it was read")


class RejectIn(BaseModel):
    """A no, with a reason. `rejector` is the token's own Slack user id or e-mail."""

    model_config = ConfigDict(extra="forbid")
    rejector: str = Field(min_length=1, max_length=200)
    reason: Reason


class BreakGlassIn(BaseModel):
    """One yes instead of two, with a written reason that everybody in the channel reads."""

    model_config = ConfigDict(extra="forbid")
    approver: str = Field(min_length=1, max_length=200)
    reason: Reason
    digest: str = Field("", max_length=64, description="The plan's digest as it was read")
