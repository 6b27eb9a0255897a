"""What the API answers: pydantic models made from the domain's nouns."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.core.ports import PlanRecord
from bot.domain.anomaly import Acknowledged, Anomaly, FalseAlarm, Open, Resolved
from bot.domain.approval import Approved, Pending, Rejected
from tools.world import Baseline, MetricSpec


class Out(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)


class Alive(Out):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Dependency(Out):
    """One backend as last seen."""

    name: str
    up: bool
    configured: bool
    detail: str
    state: str = "up"  # up, degraded, down, off
    since: datetime | None = None  # since when it is degraded or down, or well again


class HealthOut(Out):
    """The process and what it depends on."""

    status: Literal["ok", "degraded", "down"]
    version: str
    dependencies: list[Dependency]


class ReadyOut(Out):
    """Whether the process may take work."""

    ready: bool
    detail: str


class StatusOut(Out):
    """How the bot is doing."""

    running: bool
    version: str
    mode: str
    leading: bool
    active_anomalies: int
    open_findings: int
    plans_waiting: int
    baselines_loaded: int
    last_baseline_update: datetime | None
    last_cycle_at: datetime | None
    metrics_collector_connected: bool
    logs_collector_connected: bool
    cluster_connected: bool
    inbox_backlog: int
    outbox_backlog: int
    halted: str
    halted_by: str
    halted_since: datetime | None
    frozen: str
    not_configured: list[str]
    failing_jobs: dict[str, str]
    backends: list[Dependency]
    now: datetime


class MetricOut(Out):
    """One metric of the catalogue."""

    name: str
    category: str
    query: str
    unit: str
    description: str
    bad_direction: str
    threshold: float | None

    @classmethod
    def of(cls, spec: MetricSpec) -> MetricOut:
        """Tell a metric."""
        return cls(
            name=spec.name,
            category=spec.category,
            query=spec.query,
            unit=spec.unit,
            description=spec.description,
            bad_direction=spec.bad_direction.value,
            threshold=spec.threshold,
        )


class AnomalyOut(Out):
    """One anomaly. `state` is open, acknowledged, resolved or false_alarm."""

    id: str
    metric: str
    service: str
    category: str
    severity: str
    state: str
    state_by: str
    state_at: datetime | None
    started_at: datetime
    seen_at: datetime
    observed: float | None
    expected: float | None
    deviation_sigma: float
    unit: str
    labels: dict[str, str]
    method: str

    @classmethod
    def of(cls, anomaly: Anomaly) -> AnomalyOut:
        """Tell an anomaly."""
        state, by, at = _state(anomaly)
        return cls(
            id=anomaly.id,
            metric=anomaly.metric,
            service=anomaly.service,
            category=anomaly.category,
            severity=anomaly.severity.value,
            state=state,
            state_by=by,
            state_at=at,
            started_at=anomaly.started_at,
            seen_at=anomaly.latest.at,
            observed=number(anomaly.worst.observed),
            expected=number(anomaly.worst.expected),
            deviation_sigma=anomaly.worst.deviation_sigma,
            unit=anomaly.worst.unit,
            labels=dict(anomaly.first.labels),
            method=anomaly.worst.method,
        )


def _state(anomaly: Anomaly) -> tuple[str, str, datetime | None]:
    match anomaly.state:
        case Open():
            return "open", "", None
        case Acknowledged(by, at):
            return "acknowledged", by, at
        case FalseAlarm(by, at):
            return "false_alarm", by, at
        case Resolved(at):
            return "resolved", "", at


class BaselineOut(Out):
    """What is normal for one series, without its profile."""

    metric: str
    labels: dict[str, str]
    learned_at: datetime
    history_days: float
    samples: int
    mean: float | None
    std: float | None
    quality: float
    unit: str

    @classmethod
    def of(cls, baseline: Baseline) -> BaselineOut:
        """Tell a baseline."""
        return cls(
            metric=baseline.metric,
            labels=dict(baseline.labels),
            learned_at=baseline.learned_at,
            history_days=baseline.history.total_seconds() / 86_400,
            samples=baseline.samples,
            mean=number(baseline.mean),
            std=number(baseline.std),
            quality=baseline.quality,
            unit=baseline.unit,
        )


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
            digest=plan.digest,
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
    reason: str = Field(min_length=1, max_length=3000)


class BreakGlassIn(BaseModel):
    """One yes instead of two, with a written reason that everybody in the channel reads."""

    model_config = ConfigDict(extra="forbid")
    approver: str = Field(min_length=1, max_length=200)
    reason: str = Field(min_length=1, max_length=3000)
    digest: str = Field("", max_length=64, description="The plan's digest as it was read")


class SwitchIn(BaseModel):
    """Why the kill switch is set or let go."""

    model_config = ConfigDict(extra="forbid")
    reason: str = Field(min_length=1, max_length=3000)


class SwitchOut(Out):
    """The kill switch as it stands now. A halt file stays in force until it is removed."""

    halted: str
    halted_by: str
    halted_since: datetime | None


class AlertIn(BaseModel):
    """One alert of Alertmanager's webhook, version 4; further fields are left alone."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: datetime  # noqa: N815 - Alertmanager's spelling


class AlertsIn(BaseModel):
    """Alertmanager's webhook, version 4."""

    version: str = "4"
    alerts: list[AlertIn] = Field(max_length=1000)


class AlertsOut(Out):
    """What became of a delivery."""

    opened: list[str]
    resolved: list[str]
    unchanged: int


class DeploymentIn(BaseModel):
    """A deployment that a pipeline made."""

    model_config = ConfigDict(extra="forbid")
    service: str = Field(min_length=1, max_length=200)
    version: str = Field(min_length=1, max_length=200)
    previous_version: str = Field("", max_length=200)
    author: str = Field("", max_length=200)
    summary: str = Field("", max_length=500)
    kind: Literal["deploy", "config", "flag", "scale"] = "deploy"
    at: datetime | None = Field(None, description="When it happened; now if absent")
    id: str = Field("", max_length=200, description="The pipeline's own id; repeats are dropped")


class DeploymentOut(Out):
    """Whether a deployment was new."""

    stored: bool
    service: str
    at: datetime


class BaselineData(BaseModel):
    """One baseline with everything it holds, for export and import."""

    model_config = ConfigDict(extra="forbid")
    metric: str = Field(min_length=1, max_length=200)
    labels: dict[str, str]
    learned_at: datetime
    history_seconds: float = Field(gt=0, le=10_000 * 86_400)
    samples: int = Field(ge=0, le=10**12)
    slot_seconds: float = Field(gt=0)
    profile: list[float | None] = Field(min_length=1, max_length=20_000)
    spread: list[float | None] = Field(min_length=1, max_length=20_000)
    mean: float | None
    std: float | None
    median: float | None
    mad: float | None
    trend_per_day: float | None
    quality: float = Field(ge=0, le=1)
    unit: str = ""


class ImportOut(Out):
    """How many baselines were replaced."""

    imported: int


def number(value: float) -> float | None:
    """Return a figure as JSON knows it: not-a-number and infinities are null."""
    return value if math.isfinite(value) else None
