"""The whole of an incident as it stands: its card, updates and status text are made of it.

parts ──> findings, their signals, plans, questions ─┐
timeline ────────────────────────────────────────────┴─> Story
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.ports import PlanRecord, Transaction
from bot.domain.finding import Finding
from bot.domain.ids import AlertId, FindingId, IncidentId, PlanId
from bot.domain.incident import Incident, PartKind, TimelineEntry
from bot.domain.plans.plan import FOR_A_PERSON
from bot.domain.signal import Signal
from tools.errors import NotFoundError
from tools.world import Cause


@dataclass(frozen=True, slots=True)
class Story:
    """One incident with all that is its."""

    incident: Incident
    findings: tuple[Finding, ...] = ()  # oldest first
    signals: tuple[Signal, ...] = ()  # the worst first
    plans: tuple[PlanRecord, ...] = ()  # oldest first
    timeline: tuple[TimelineEntry, ...] = ()
    questions: int = 0

    @property
    def cause(self) -> Cause | None:
        """The likeliest cause of its findings."""
        causes = sorted((c for f in self.findings for c in f.causes), key=lambda c: -c.confidence)
        return causes[0] if causes else None

    @property
    def waiting(self) -> tuple[PlanRecord, ...]:
        """The plans that a person should answer."""
        return tuple(each for each in self.plans if each.status in FOR_A_PERSON)

    @property
    def active(self) -> tuple[Signal, ...]:
        """What is abnormal or fires now."""
        return tuple(each for each in self.signals if each.active)


async def read_story(tx: Transaction, incident_id: IncidentId) -> Story:
    """Return an incident's story; what was erased meanwhile is left out."""
    incident = await tx.incidents.get(incident_id)
    findings: list[Finding] = []
    signals: dict[str, Signal] = {}
    plans: dict[str, PlanRecord] = {}
    questions = 0
    for part in await tx.incidents.parts(incident_id):
        try:
            match part.kind:
                case PartKind.FINDING:
                    findings.append(await tx.findings.get(FindingId(part.ref)))
                case PartKind.ALERT:
                    alert = await tx.alerts.get(AlertId(part.ref))
                    signals[alert.id] = alert
                case PartKind.PLAN:
                    plans[part.ref] = await tx.plans.get(PlanId(part.ref))
                case PartKind.QUESTION:
                    questions += 1
                case PartKind.POST:
                    pass
        except NotFoundError:
            continue
    for finding in findings:
        try:
            signals |= {each: await tx.anomalies.get(each) for each in finding.anomalies}
            signals |= {each: await tx.alerts.get(each) for each in finding.alerts}
        except NotFoundError:
            continue
        plans |= {r.plan.id: r for r in await tx.plans.of_finding(finding.id)}
    return Story(
        incident,
        tuple(findings),
        tuple(sorted(signals.values(), key=lambda s: (not s.active, -s.severity.rank))),
        tuple(sorted(plans.values(), key=lambda r: r.plan.created_at)),
        tuple(await tx.incidents.timeline(incident_id)),
        questions,
    )
