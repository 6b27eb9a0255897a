"""An anomaly: a verdict with a lifecycle.

    Open --acknowledge--> Acknowledged --clear--> Resolved
      |---------------------clear----------------^
      |--mark_false_alarm--> FalseAlarm

A fingerprint (metric + labels) has at most one active anomaly, so nothing is posted twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.ids import AnomalyId, UserId
from tools.world import Labels, MetricName, ServiceName, Severity, Verdict

CLEAR_AFTER = timedelta(minutes=3)  # this long without an abnormal verdict resolves an anomaly


@dataclass(frozen=True, slots=True)
class Open:
    """Nobody has said anything about it yet."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A person has seen it."""

    by: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class Resolved:
    """The series is back to normal."""

    at: datetime


@dataclass(frozen=True, slots=True)
class FalseAlarm:
    """A person said it is none; the detector learns from it."""

    by: UserId
    at: datetime


AnomalyState = Open | Acknowledged | Resolved | FalseAlarm


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One abnormal spell of one series.

    `first`, `latest` and `worst` are the verdicts that opened it, that came last and that
    deviated most; `severity` never falls during the spell.
    """

    id: AnomalyId
    service: ServiceName
    category: str
    first: Verdict
    latest: Verdict
    worst: Verdict
    state: AnomalyState

    @property
    def metric(self) -> MetricName:
        """The metric it is about."""
        return self.first.metric

    @property
    def severity(self) -> Severity:
        """Severity of the worst verdict."""
        return self.worst.severity

    @property
    def started_at(self) -> datetime:
        """When the abnormal run began (world time)."""
        return self.first.started_at

    @property
    def active(self) -> bool:
        """Whether the spell still lasts."""
        return isinstance(self.state, Open | Acknowledged)

    @property
    def fingerprint(self) -> str:
        """Metric and labels, hashed: what makes two verdicts the same anomaly."""
        return fingerprint_of(self.metric, self.first.labels)


def fingerprint_of(metric: MetricName, labels: Labels) -> str:
    """Return the key under which verdicts of one series are one anomaly."""
    text = metric + "\0" + "\0".join(f"{k}={v}" for k, v in labels)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def open_anomaly(anomaly_id: AnomalyId, category: str, verdict: Verdict) -> Anomaly:
    """Open an anomaly from its first abnormal verdict."""
    return Anomaly(anomaly_id, verdict.service, category, verdict, verdict, verdict, Open())


def observe(anomaly: Anomaly, verdict: Verdict) -> Anomaly:
    """Add one more verdict of the same series: abnormal ones renew it, quiet ones may clear it."""
    if not verdict.anomalous:
        if verdict.at - anomaly.latest.at >= CLEAR_AFTER:
            return replace(anomaly, state=Resolved(verdict.at))
        return anomaly
    worse = abs(verdict.deviation_sigma) > abs(anomaly.worst.deviation_sigma)
    return replace(anomaly, latest=verdict, worst=verdict if worse else anomaly.worst)


def gone(anomaly: Anomaly, at: datetime) -> Anomaly:
    """End the anomaly of a series that no longer exists: nothing will ever say that it is over."""
    return replace(anomaly, state=Resolved(at)) if anomaly.active else anomaly


def acknowledge(anomaly: Anomaly, by: UserId, at: datetime) -> Anomaly:
    """Note that a person has seen it; a second acknowledgement changes nothing."""
    if isinstance(anomaly.state, Open):
        return replace(anomaly, state=Acknowledged(by, at))
    return anomaly


def mark_false_alarm(anomaly: Anomaly, by: UserId, at: datetime) -> Anomaly:
    """Close an active anomaly as none; a closed one keeps its end."""
    return replace(anomaly, state=FalseAlarm(by, at)) if anomaly.active else anomaly
