"""The alert webhook: Alertmanager's (version 4), and of Grafana, whose form is the same.

One alert that cannot be read refuses no other, and nothing beside an alert refuses one:
Alertmanager does not send a refused delivery again. Bridges write `null` or `""` where nothing is,
as Go and PHP do for an empty map.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from bot.api.schemas.common import At, Out
from bot.domain.alert import Alert, Over
from bot.domain.anomaly import Acknowledged, FalseAlarm

MOST_ALERTS = 5_000  # of one delivery; the rest is counted and told
ZERO = ("0001-", "1970-01-01T00:00:00")
LONGEST_COUNT = 10  # digits; nobody leaves out more


def _text(value: Any) -> Any:
    """Take a number or a flag as its text: senders that build JSON by hand write them bare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _no_time(value: Any) -> Any:
    """Take the zero times of Go and of Unix, and nothing, as no time."""
    return None if isinstance(value, str) and (not value or value.startswith(ZERO)) else value


def _end(value: Any, read: ValidatorFunctionWrapHandler) -> Any:
    """Read when an alert ended; what is no such time (firing for ever, until 9999) is none."""
    try:
        return read(_no_time(value))
    except ValidationError:
        return None


def _without_nothing(value: Any) -> Any:
    """Leave out labels whose value is nothing."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def _words(value: Any) -> dict[str, str]:
    """Take what has words; words in another form are shown as they came."""
    if not isinstance(value, dict):
        return {}
    said = {name: _text(words) for name, words in value.items() if words is not None}
    return {
        name: words if isinstance(words, str) else json.dumps(words, ensure_ascii=False)
        for name, words in said.items()
    }


def _said(value: Any) -> str:
    found = _text(value)
    return found if isinstance(found, str) else ""


def _count(value: Any) -> int:
    text = _said(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < LONGEST_COUNT else 0


def _list(value: Any) -> Any:
    return [] if value is None else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


Text = Annotated[str, BeforeValidator(_text)]
Words = Annotated[dict[str, str], BeforeValidator(_words)]
Said = Annotated[str, BeforeValidator(_said)]


class AlertIn(BaseModel):
    """One alert; further fields are left alone."""

    status: Annotated[Literal["firing", "resolved"], BeforeValidator(_lower)]
    labels: Annotated[dict[str, Text], BeforeValidator(_without_nothing)]
    annotations: Words = Field(default_factory=dict)
    startsAt: Annotated[At | None, BeforeValidator(_no_time)] = None  # noqa: N815 - as it is sent
    endsAt: Annotated[At | None, WrapValidator(_end)] = None  # noqa: N815
    generatorURL: Said = ""  # noqa: N815


class AlertsIn(BaseModel):
    """One delivery. Its alerts are read one by one; what stands around them refuses none."""

    groupKey: Said = ""  # noqa: N815
    groupLabels: Words = Field(default_factory=dict)  # noqa: N815
    truncatedAlerts: Annotated[int, BeforeValidator(_count)] = 0  # noqa: N815
    alerts: Annotated[list[Any], BeforeValidator(_list)]


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
