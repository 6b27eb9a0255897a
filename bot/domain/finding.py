"""A finding: one group of anomalies and alerts, told once, with what is behind it.

signals of one service and time --group--> Finding --agent--> conclusion
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.ids import AlertId, AnomalyId, FindingId, IncidentId, PlanId
from bot.domain.place import Place
from tools.world import Cause, ServiceName, Severity, SimilarCase


@dataclass(frozen=True, slots=True)
class BreachForecast:
    """When a metric is forecast to pass its limit."""

    metric: str
    at: datetime
    value: float
    threshold: float
    unit: str
    method: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What the detection cycle tells people about one group of signals."""

    id: FindingId
    service: ServiceName
    severity: Severity
    opened_at: datetime  # world time
    anomalies: tuple[AnomalyId, ...]
    lines: tuple[str, ...]  # one per signal: what was measured, or an alert's own words
    causes: tuple[Cause, ...] = ()
    breaches: tuple[BreachForecast, ...] = ()
    similar: tuple[SimilarCase, ...] = ()
    conclusion: str = ""  # written by the agent run that followed; empty until then
    place: Place | None = None
    incident: IncidentId | None = None
    plan: PlanId | None = None
    resolved_at: datetime | None = None
    chart: str = ""  # id of the stored chart, empty for none
    alerts: tuple[AlertId, ...] = ()
    notes: tuple[str, ...] = ()  # on its alerts: an unknown word, alerts left out
    investigated: bool = False  # its agent run ended, and all that follows from that was done
    gaps: tuple[str, ...] = ()  # what could not be looked at when it was told, "name: why"
