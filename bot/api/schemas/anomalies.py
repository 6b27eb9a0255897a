"""Anomalies."""

from __future__ import annotations

from datetime import datetime

from bot.api.schemas.common import Out, number
from bot.domain.anomaly import Acknowledged, Anomaly, FalseAlarm, Open, Resolved


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
