"""What every room does to an incident inside its own transaction.

declare     row, live card, who is called, audit
attach      a finding, alert, question, plan or thread becomes a part of it
of_thread   which incident a thread of Slack tells about
of_service  the open incident of a service: one at a time
adopt_plan  a plan, wherever it was proposed, stands in the incident's thread too
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from bot.core.ports import PlanRecord, Transaction
from bot.domain.audit import BOT, Event
from bot.domain.ids import FindingId, IncidentId, PlanId
from bot.domain.incident import Incident, Paged, PartKind, StoryPart, TimelineEntry
from bot.domain.place import Place
from tools.errors import NotFoundError
from tools.world import ServiceName

OnCall = Callable[[ServiceName], tuple[str, ...]]  # user groups and people of a service
OWN = {"finding": PartKind.FINDING, "plan": PartKind.PLAN, "answer": PartKind.QUESTION}


def nobody_on_call(_: ServiceName) -> tuple[str, ...]:
    """Return nobody: it is not known who is on call."""
    return ()


def card_key(incident_id: IncidentId) -> str:
    """Return the key of an incident's card in the outbox: what goes below it names this."""
    return f"incident:{incident_id}"


async def declare(tx: Transaction, incident: Incident, on_call: OnCall) -> Incident:
    """Keep a new incident, with its card; of a serious one the people on call are mentioned."""
    names = on_call(incident.service) if incident.priority.calls else ()
    called = replace(incident, call=Paged(names, in_card=True)) if names else incident
    await tx.incidents.save(called)
    place = Place(incident.place.channel)
    if place.channel:
        await tx.outbox.post(card_key(incident.id), "incident", incident.id, place)
    if incident.place.thread_ts:
        part = StoryPart(PartKind.POST, incident.place.key(), incident.declared_at)
        await tx.incidents.attach(incident.id, part)
    return called


def declared(incident: Incident, facts: Mapping[str, object] | None = None) -> Event:
    """Return the audit row of a declaration; what a person wrote is kept apart."""
    by_bot = incident.declared_by is None
    told = {
        "service": incident.service,
        "priority": incident.priority.value,
        **({"title": incident.title} if by_bot else {}),
        "incident": incident.id,
        **(facts or {}),
    }
    return Event(
        "incident.declared",
        incident.declared_at,
        incident.declared_by or BOT,
        incident.id,
        facts=told,
        private="" if by_bot else incident.title,
    )


async def attach(
    tx: Transaction, incident_id: IncidentId, kind: PartKind, ref: str, at: datetime
) -> bool:
    """Let something belong to an incident and have its card redrawn; False when it has one."""
    new = await tx.incidents.attach(incident_id, StoryPart(kind, ref, at))
    if new:
        await redraw(tx, incident_id)
    return new


async def redraw(tx: Transaction, incident_id: IncidentId) -> None:
    """Have the live card drawn anew."""
    await tx.outbox.refresh("incident", incident_id)


async def of_thread(tx: Transaction, place: Place) -> Incident | None:
    """Return the incident whose thread this is: of its card, a finding, a plan or a question."""
    found = await tx.incidents.at(place) if place.thread_ts else None
    if found is None and place.thread_ts:
        row = await tx.outbox.at(place.channel, place.thread_ts)
        owner: IncidentId | None = None
        if row is not None and row.view == "incident":
            owner = IncidentId(row.ref)
        elif row is not None and row.view in OWN:
            owner = await tx.incidents.owner_of(OWN[row.view], row.ref)
        found = await tx.incidents.get(owner) if owner else None
    return found


async def of_service(tx: Transaction, service: str) -> Incident | None:
    """Return the newest open incident of a service."""
    return next((i for i in await tx.incidents.open() if i.service == service), None)


async def adopt_plan(tx: Transaction, record: PlanRecord, said: str) -> Incident | None:
    """Let a plan belong to the incident it is about, and be seen in that one's thread.

    `said` is the line of the timeline. The incident is the finding's, the thread's, or the open
    one of the service, in this order.
    """
    plan = record.plan
    incident = await _of_finding(tx, plan.finding) if plan.finding else None
    incident = incident or await of_thread(tx, plan.place) or await of_service(tx, plan.service)
    if incident is None:
        return None
    if await attach(tx, incident.id, PartKind.PLAN, plan.id, plan.created_at):
        entry = TimelineEntry(plan.created_at, said, "plan", plan.requested_by or "", plan.id)
        await tx.incidents.note(incident.id, entry)
        await tx.outbox.post(
            f"plan:{plan.id}:{incident.id}",
            "plan",
            plan.id,
            Place(incident.place.channel),
            {"brief": True},
            behind=card_key(incident.id),
        )
        await _name_in_finding(tx, incident, plan.id)
    return incident


async def plan_posted(tx: Transaction, plan_id: PlanId) -> None:
    """Let the incident's card and line lead to a plan's card, now that there is one."""
    owner = await tx.incidents.owner_of(PartKind.PLAN, plan_id)
    if owner is not None:
        await redraw(tx, owner)
        await tx.outbox.refresh("plan", plan_id)


async def _of_finding(tx: Transaction, finding_id: FindingId) -> Incident | None:
    try:
        finding = await tx.findings.get(finding_id)
        return await tx.incidents.get(finding.incident) if finding.incident else None
    except NotFoundError:
        return None


async def _name_in_finding(tx: Transaction, incident: Incident, plan_id: PlanId) -> None:
    """Let the findings of an incident know of its plan: none of them offers to look for one."""
    for part in await tx.incidents.parts(incident.id):
        if part.kind is not PartKind.FINDING:
            continue
        finding = await tx.findings.get(FindingId(part.ref))
        if finding.plan is None and finding.resolved_at is None:
            await tx.findings.save(replace(finding, plan=plan_id))
            await tx.outbox.refresh("finding", finding.id)
