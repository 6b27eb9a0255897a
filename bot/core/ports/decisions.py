"""What is decided about the world: anomalies, findings, incidents, plans and what they rest on.

Each repository keeps one noun of `bot.domain`; a plan moves only by compare-and-set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.anomaly import Anomaly
from bot.domain.approval import Approval
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, ChannelId, FindingId, IncidentId, PlanId, PostmortemId, UserId
from bot.domain.incident import Incident, TimelineEntry
from bot.domain.place import Place
from bot.domain.plan import Plan, PlanStatus, StepRun
from bot.domain.postmortem import Postmortem
from tools.ports import ConfigVersion
from tools.world import (
    Baseline,
    Change,
    Labels,
    MetricName,
    ServiceName,
    Window,
    WorkloadRef,
)


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


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan with where it is in its life. `version` rises by one with every move."""

    plan: Plan
    status: PlanStatus
    approval: Approval
    version: int
    halted: bool = False  # a person asked to stop before the next step
    ended_at: datetime | None = None
    outcome: str = ""  # one sentence for people
    verify_until: datetime | None = None  # world time
    owner: str = ""  # the process that executes it
    heartbeat_at: datetime | None = None  # wall time


class Plans(Protocol):
    """Plans, approvals and steps. Every move is a compare-and-set on `version`."""

    async def add(self, record: PlanRecord) -> None:
        """Insert a new plan with its approval."""
        ...

    async def get(self, plan_id: PlanId) -> PlanRecord:
        """Return one."""
        ...

    async def move(self, record: PlanRecord) -> PlanRecord:
        """Save a record read at `record.version`; StaleError when it moved meanwhile.

        Returns the record with its new version.
        """
        ...

    async def of_finding(self, finding_id: FindingId) -> list[PlanRecord]:
        """Return the plans proposed for a finding."""
        ...

    async def last_action_on(self, target: str) -> datetime | None:
        """Return when (world time) a step last touched this object (`str(WorkloadRef)`)."""
        ...

    async def save_step(self, step: StepRun, target: str) -> None:
        """Insert or replace one step attempt (key: plan, undo, index)."""
        ...

    async def steps(self, plan_id: PlanId) -> list[StepRun]:
        """Return a plan's step attempts: forward ones by index, then undo ones."""
        ...

    async def list(self, statuses: Sequence[PlanStatus] = (), limit: int = 100) -> list[PlanRecord]:
        """Return plans, newest first; all statuses when none is named."""
        ...


class StoredChanges(Protocol):
    """Deployments told by webhook and the bot's own actions."""

    async def add(self, change: Change, dedupe_key: str) -> bool:
        """Store one change; False when the key is known."""
        ...

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        """Return changes in the window, newest first."""
        ...


class ConfigVersions(Protocol):
    """Earlier versions of config maps."""

    async def add(self, version: ConfigVersion) -> bool:
        """Store a version; False when it is the newest already. Only the newest few are kept."""
        ...

    async def versions(self, ref: WorkloadRef, limit: int) -> list[ConfigVersion]:
        """Return the versions of a map, newest first."""
        ...


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


class Digests(Protocol):
    """Which digest slots were told, so that a slot is told once."""

    async def take(self, channel: ChannelId, slot: datetime, at: datetime) -> bool:
        """Claim a slot; False when it was told already."""
        ...

    async def last(self, channel: ChannelId) -> datetime | None:
        """Return the newest slot told in a channel."""
        ...


class Postmortems(Protocol):
    """Postmortem drafts and published ones."""

    async def save(self, postmortem: Postmortem) -> None:
        """Insert or replace."""
        ...

    async def get(self, postmortem_id: PostmortemId) -> Postmortem:
        """Return one."""
        ...

    async def of_incident(self, incident_id: IncidentId) -> Postmortem | None:
        """Return an incident's postmortem."""
        ...
