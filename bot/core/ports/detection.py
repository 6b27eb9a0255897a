"""What is found about the world: anomalies, alerts, mutes, findings, incidents, baselines, changes.

Each repository keeps one noun.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy.typing as npt

from bot.domain.alert import Alert
from bot.domain.anomaly import Anomaly
from bot.domain.finding import Finding
from bot.domain.heartbeat import Heartbeat
from bot.domain.ids import AlertId, AnomalyId, ChannelId, FindingId, IncidentId, UserId
from bot.domain.incident import Incident, PartKind, StoryPart, TimelineEntry
from bot.domain.place import Place
from tools.world import (
    Baseline,
    Change,
    Labels,
    MetricName,
    ServiceName,
    Window,
)
from tools.world.conclusions import LearnedBatch


class Anomalies(Protocol):
    """Anomalies by fingerprint."""

    async def active(self) -> list[Anomaly]:
        """Return every active anomaly."""
        ...

    async def get(self, anomaly_id: AnomalyId) -> Anomaly:
        """Return one anomaly."""
        ...

    async def save(self, anomaly: Anomaly) -> None:
        """Insert or replace. At most one active per fingerprint: StaleError otherwise."""
        ...

    async def is_genuine(self, anomaly_id: AnomalyId) -> bool:
        """Say whether we wrote an anomaly as it stands; False when it is gone."""
        ...

    async def list(
        self,
        *,
        active_only: bool = True,
        category: str = "",
        severity: str = "",
        since: datetime | None = None,
        limit: int = 200,
    ) -> list[Anomaly]:
        """Return anomalies, newest first."""
        ...


class Alerts(Protocol):
    """Spells of alerts, and the heartbeats among them."""

    async def active(self) -> list[Alert]:
        """Return every alert that fires, oldest first."""
        ...

    async def get(self, alert_id: AlertId) -> Alert:
        """Return one spell. Raises NotFoundError."""
        ...

    async def is_genuine(self, alert_id: AlertId) -> bool:
        """Say whether we wrote an alert as it stands; False for one that is gone."""
        ...

    async def latest(self, fingerprint: str) -> Alert | None:
        """Return the newest spell of an alert."""
        ...

    async def save(self, alert: Alert) -> None:
        """Insert or replace. At most one active per fingerprint: StaleError otherwise."""
        ...

    async def heartbeats(self) -> list[Heartbeat]:
        """Return every heartbeat that was ever heard."""
        ...

    async def save_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Insert or replace."""
        ...

    async def list(
        self, *, active_only: bool = True, severity: str = "", limit: int = 200
    ) -> list[Alert]:
        """Return alerts, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Mute:
    """No new findings for a service, or one metric of it, until a time."""

    service: ServiceName
    metric: str  # empty: all metrics
    until: datetime
    by: UserId
    reason: str = ""


class Mutes(Protocol):
    """Mutes set by people."""

    async def add(self, mute: Mute) -> None:
        """Set a mute."""
        ...

    async def active(self, at: datetime) -> list[Mute]:
        """Return the mutes in force."""
        ...


class Findings(Protocol):
    """Findings."""

    async def save(self, finding: Finding) -> None:
        """Insert or replace."""
        ...

    async def is_genuine(self, finding_id: FindingId) -> bool:
        """Say whether we wrote a finding as it stands; False when it is gone."""
        ...

    async def get(self, finding_id: FindingId) -> Finding:
        """Return one."""
        ...

    async def open(self) -> list[Finding]:
        """Return findings not resolved, newest first."""
        ...

    async def list(self, since: datetime, until: datetime) -> list[Finding]:
        """Return findings opened in a span, oldest first."""
        ...

    async def latest_in(self, channel: ChannelId) -> Finding | None:
        """Return the newest finding of a channel."""
        ...


class Incidents(Protocol):
    """Incidents and their timelines."""

    async def next_id(self, year: int) -> IncidentId:
        """Return the next readable id of a year: INC-2026-0007."""
        ...

    async def save(self, incident: Incident) -> None:
        """Insert or replace."""
        ...

    async def get(self, incident_id: IncidentId) -> Incident:
        """Return one."""
        ...

    async def open(self) -> list[Incident]:
        """Return incidents not resolved, newest first."""
        ...

    async def latest_in(self, channel: ChannelId) -> Incident | None:
        """Return the newest incident of a channel."""
        ...

    async def at(self, place: Place) -> Incident | None:
        """Return the incident whose thread this is."""
        ...

    async def note(self, incident_id: IncidentId, entry: TimelineEntry) -> None:
        """Add a line to the timeline."""
        ...

    async def timeline(self, incident_id: IncidentId) -> list[TimelineEntry]:
        """Return the timeline, oldest first."""
        ...

    async def held(self, incident_id: IncidentId) -> Incident:
        """Return one that nobody else changes before this transaction ends. NotFoundError."""
        ...

    async def newest(self, limit: int = 100) -> list[Incident]:
        """Return incidents in whatever state, newest first."""
        ...

    async def attach(self, incident_id: IncidentId, part: StoryPart) -> bool:
        """Let something belong to an incident; False when it belongs to one already."""
        ...

    async def owner_of(self, kind: PartKind, ref: str) -> IncidentId | None:
        """Return the incident that something belongs to."""
        ...

    async def parts(self, incident_id: IncidentId) -> list[StoryPart]:
        """Return what belongs to an incident, oldest first."""
        ...

    async def absorb(self, incident_id: IncidentId, into: IncidentId) -> None:
        """Give another incident all parts and the whole timeline of one."""
        ...


@dataclass(frozen=True, slots=True)
class LearnedMetric:
    """What was learned of one metric."""

    series: int
    oldest: datetime  # when the baseline that is longest unchanged was learned
    newest: datetime


class BaselineRows(Protocol):
    """Learned baselines."""

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        """Return a series' baseline."""
        ...

    async def save(self, baselines: Sequence[Baseline]) -> None:
        """Replace the baselines of these series."""
        ...

    async def all(self) -> list[Baseline]:
        """Return all."""
        ...

    async def after(self, revision: int) -> LearnedBatch | None:
        """Return what the first save after a revision left, None when there was none."""
        ...

    async def learned(self) -> dict[MetricName, LearnedMetric]:
        """Return for each metric how many baselines there are, and how old."""
        ...


class ChangeRows(Protocol):
    """Deployments told by webhook and the bot's own actions."""

    async def add(self, change: Change, dedupe_key: str) -> bool:
        """Store one change; False when the key is known."""
        ...

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        """Return changes in the window, newest first."""
        ...


Arrays = Mapping[str, npt.NDArray[Any]]


class Snapshots(Protocol):
    """Where the detector's state outlives the process: arrays by name, whole or not at all."""

    async def load(self, name: str) -> Arrays | None:
        """Return what was saved last; None when there is nothing that can be read."""
        ...

    async def save(self, name: str, arrays: Arrays) -> None:
        """Replace what was saved. Raises BackendUnavailableError; the older one stays then."""
        ...
