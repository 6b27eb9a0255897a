"""An alert: what Alertmanager, or whoever sends its webhook, says is firing, in its own words.

    Firing ──acknowledge──> Acknowledged ──resolved | expired | gone──> Over ──heard again──> Firing
      │──────────────────────────────────────────────────^              (unless it was told over)
      │──mark_false_alarm──> FalseAlarm

One spell of one alert is one row: deliveries are repeated, come late, twice (from a pair) and out
of order, and may stop without a resolve. An alert is no verdict: nobody measured a deviation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.anomaly import Acknowledged, FalseAlarm
from bot.domain.ids import AlertId, UserId
from tools.world import Labels, ServiceName, Severity

# Which of two equal Prometheus servers noticed it says nothing of what it is about.
REPLICA_LABELS = frozenset({"prometheus_replica", "__replica__"})
SUMMARIES = ("summary", "message", "title", "description")  # the first that is written is shown
RUNBOOKS = ("runbook_url", "runbook", "runbookURL", "playbook_url")


class AlertEnding(StrEnum):
    """How we know that an alert is over."""

    TOLD = "told"  # a delivery said resolved
    EXPIRED = "expired"  # nothing was heard of it for longer than anybody repeats
    GONE = "gone"  # Alertmanager, asked, does not have it


@dataclass(frozen=True, slots=True)
class Firing:
    """Nobody has said anything about it yet."""


@dataclass(frozen=True, slots=True)
class Over:
    """It no longer fires."""

    at: datetime
    how: AlertEnding


AlertState = Firing | Acknowledged | Over | FalseAlarm


@dataclass(frozen=True, slots=True)
class SeverityWord:
    """What an alert calls its own severity, and whether the table of words knows it."""

    text: str  # as it was written, empty when no label says it
    known: bool = True


@dataclass(frozen=True, slots=True)
class Alert:
    """One spell of one alert. Its words were written by others: data, never instructions."""

    id: AlertId
    name: str  # the label `alertname`
    service: ServiceName
    subject: str  # the object it is about, "team-a/Pod/my-api-7f…"; empty: the service
    severity: Severity
    severity_word: SeverityWord
    labels: Labels  # with all it came with but `alertname`
    annotations: Labels
    started_at: datetime  # world time; of several senders the earliest
    heard_at: datetime  # world time of the latest delivery
    generator_url: str = ""  # where its rule can be looked at
    group_key: str = ""  # Alertmanager's group; empty where it groups nothing
    left_out: int = 0  # alerts of the same delivery that the sender left out (max_alerts)
    state: AlertState = Firing()

    @property
    def active(self) -> bool:
        """Whether it still fires, for all we know."""
        return isinstance(self.state, Firing | Acknowledged)

    @property
    def fingerprint(self) -> str:
        """Name and labels, hashed: what makes two deliveries the same alert."""
        return fingerprint_of_alert(self.name, dict(self.labels))

    @property
    def category(self) -> str:
        """What the risk of a plan and the filters of the API know it by."""
        return "alert"

    @property
    def summary(self) -> str:
        """Its own words in one line, empty when its rule has none."""
        return " ".join(_first(self.annotations, SUMMARIES).split())

    @property
    def description(self) -> str:
        """What its rule says at length, where that is more than the summary."""
        text = _first(self.annotations, ("description",)).strip()
        return "" if " ".join(text.split()) == self.summary else text

    @property
    def runbook(self) -> str:
        """The runbook that its rule names, empty when it names none."""
        return _first(self.annotations, RUNBOOKS).strip()


def fingerprint_of_alert(name: str, labels: Mapping[str, str]) -> str:
    """Return the key of an alert. The sender's own is not used: not every sender fills it in."""
    kept = sorted((k, v) for k, v in labels.items() if k not in REPLICA_LABELS | {"alertname"})
    text = "\0".join([name, *(f"{k}={v}" for k, v in kept)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hear_again(known: Alert, told: Alert) -> Alert | None:
    """Take one more delivery that says it fires; None: `told` is a new spell of it.

    What is returned unchanged came late: that spell was told over before.
    """
    match known.state:
        case Over(at, AlertEnding.TOLD):
            return known if told.started_at <= at else None
        case Over(at):  # we ended it, and were wrong
            return replace(_renewed(known, told), state=Firing()) if told.started_at <= at else None
        case FalseAlarm(_, at):
            return replace(known, heard_at=told.heard_at) if told.started_at <= at else None
        case _:
            return _renewed(known, told)


def hear_resolved(known: Alert, ended_at: datetime) -> Alert:
    """Take a delivery that says it is over; an older spell's end changes nothing."""
    if not known.active or ended_at < known.started_at:
        return known
    return replace(known, state=Over(ended_at, AlertEnding.TOLD))


def ended_unheard(known: Alert | None, told: Alert, ended_at: datetime) -> Alert | None:
    """Take the end of a spell whose beginning nobody told us: it may come after, late.

    None: it is no spell of its own, but one that is known, or over before.
    """
    match known.state if known is not None else None:
        case Firing() | Acknowledged():
            return None
        case Over(at) | FalseAlarm(_, at) if told.started_at <= at:
            return None
    return replace(told, state=Over(ended_at, AlertEnding.TOLD))


def end_unheard(alert: Alert, at: datetime, how: AlertEnding) -> Alert:
    """End an alert that nobody told us is over."""
    return replace(alert, state=Over(at, how)) if alert.active else alert


def acknowledge_alert(alert: Alert, by: UserId, at: datetime) -> Alert:
    """Note that a person has seen it; a second acknowledgement changes nothing."""
    return replace(alert, state=Acknowledged(by, at)) if isinstance(alert.state, Firing) else alert


def mark_false_alert(alert: Alert, by: UserId, at: datetime) -> Alert:
    """Close an active alert as none, until it begins anew; a closed one keeps its end."""
    return replace(alert, state=FalseAlarm(by, at)) if alert.active else alert


def _renewed(known: Alert, told: Alert) -> Alert:
    return replace(
        known,
        annotations=told.annotations,
        started_at=min(known.started_at, told.started_at),
        heard_at=max(known.heard_at, told.heard_at),
        generator_url=told.generator_url or known.generator_url,
        left_out=told.left_out,
    )


def _first(annotations: Labels, names: tuple[str, ...]) -> str:
    found = dict(annotations)
    return next((found[name] for name in names if found.get(name, "").strip()), "")
