"""An incident: declared, with a severity P0–P3, a timeline and a thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.ids import IncidentId, UserId
from bot.domain.place import Place
from tools.world import ServiceName, Severity


class Priority(StrEnum):
    """P0 everything is down … P3 can wait for daylight."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

    @classmethod
    def of(cls, severity: Severity, tier: int) -> Priority:
        """Return the priority of a severity at a service tier (1 = most critical)."""
        level = 3 - severity.rank + max(0, tier - 1)
        return list(cls)[min(3, max(1, level))]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One dated line of the timeline; `source` names where it came from."""

    at: datetime
    text: str
    source: str  # anomaly, change, plan, person, bot
    by: str = ""  # user id, or empty for the bot
    ref: str = ""  # id of what it tells about


@dataclass(frozen=True, slots=True)
class Incident:
    """A declared incident. `resolved_at` is None while it lasts."""

    id: IncidentId
    title: str
    priority: Priority
    service: ServiceName
    declared_at: datetime
    declared_by: UserId | None  # None: the bot
    place: Place
    started_at: datetime  # first abnormal sample
    resolved_at: datetime | None = None


def resolve(incident: Incident, at: datetime) -> Incident:
    """Close an incident; closing twice keeps the first end."""
    return incident if incident.resolved_at else replace(incident, resolved_at=at)
