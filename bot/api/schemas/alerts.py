"""The alert webhook: Alertmanager's (version 4), and of Grafana, whose form is the same.

One alert that cannot be read refuses no other: Alertmanager does not send a refused delivery again.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from bot.api.schemas.common import At, Out
from bot.domain.alert import Alert, Over
from bot.domain.anomaly import Acknowledged, FalseAlarm

MOST_ALERTS = 5_000  # of one delivery; the rest is counted and told


def _text(value: Any) -> Any:
    """Take a number or a flag as its text: senders that build JSON by hand write them bare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _no_time(value: Any) -> Any:
    """Take the zero time of Go, and nothing, as no time."""
    return None if isinstance(value, str) and (not value or value.startswith("0001-")) else value


Text = Annotated[str, BeforeValidator(_text)]


class AlertIn(BaseModel):
    """One alert; further fields are left alone."""

    status: Literal["firing", "resolved"]
    labels: dict[str, Text]
    annotations: dict[str, Text] = Field(default_factory=dict)
    startsAt: At  # noqa: N815 - Alertmanager's spelling
    endsAt: Annotated[At | None, BeforeValidator(_no_time)] = None  # noqa: N815
    generatorURL: str = ""  # noqa: N815


class AlertsIn(BaseModel):
    """One delivery. Its alerts are read one by one."""

    version: str = "4"
    groupKey: str = ""  # noqa: N815
    groupLabels: dict[str, Text] = Field(default_factory=dict)  # noqa: N815
    truncatedAlerts: int = Field(0, ge=0)  # noqa: N815
    alerts: list[Any]


class RefusedAlert(Out):
    """An alert of a delivery that could not be taken."""

    index: int
    why: str


class AlertsOut(Out):
    """What became of a delivery."""

    opened: list[str]
    resolved: list[str]
    unchanged: int
    heartbeats: int
    refused: list[RefusedAlert]
    left_out: int


class AlertOut(Out):
    """One alert. `state` is firing, acknowledged, over or false_alarm."""

    id: str
    alert: str
    service: str
    subject: str
    severity: str
    severity_word: str
    state: str
    state_by: str
    state_at: datetime | None
    ended_how: str
    started_at: datetime
    heard_at: datetime
    summary: str
    description: str
    runbook: str
    generator_url: str
    labels: dict[str, str]

    @classmethod
    def of(cls, alert: Alert) -> AlertOut:
        """Tell an alert."""
        state, by, at, how = _state(alert)
        return cls(
            id=alert.id,
            alert=alert.name,
            service=alert.service,
            subject=alert.subject,
            severity=alert.severity.value,
            severity_word=alert.severity_word.text,
            state=state,
            state_by=by,
            state_at=at,
            ended_how=how,
            started_at=alert.started_at,
            heard_at=alert.heard_at,
            summary=alert.summary,
            description=alert.description,
            runbook=alert.runbook,
            generator_url=alert.generator_url,
            labels=dict(alert.labels),
        )


def _state(alert: Alert) -> tuple[str, str, datetime | None, str]:
    match alert.state:
        case Acknowledged(by, at):
            return "acknowledged", by, at, ""
        case FalseAlarm(by, at):
            return "false_alarm", by, at, ""
        case Over(at, how):
            return "over", "", at, how.value
        case _:
            return "firing", "", None, ""
