"""Incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.api.schemas.common import Label, Out, Reason
from bot.core.incidents.story import Story
from bot.domain.incident import Declared, Incident, InHand, MergedInto, PartKind, Priority

Name = Annotated[Label, Field(min_length=1, max_length=100)]
State = Literal["declared", "in_hand", "resolved", "merged"]


class IncidentOut(Out):
    """One incident. `lead` is who has it, empty for nobody; `into` where it was merged."""

    id: str
    title: str
    priority: Priority
    service: str
    state: State
    lead: str
    people: list[str]
    started_at: datetime
    declared_at: datetime
    declared_by: str
    respond_by: datetime
    resolved_at: datetime | None
    into: str
    quiet: bool

    @classmethod
    def of(cls, incident: Incident) -> IncidentOut:
        """Tell an incident."""
        state = incident.state
        return cls(
            id=incident.id,
            title=incident.title,
            priority=incident.priority,
            service=incident.service,
            state=_state(incident),
            lead=incident.lead or "",
            people=list(incident.people),
            started_at=incident.started_at,
            declared_at=incident.declared_at,
            declared_by=incident.declared_by or "",
            respond_by=incident.respond_by,
            resolved_at=incident.resolved_at,
            into=state.into if isinstance(state, MergedInto) else "",
            quiet=incident.quiet,
        )


class LineOut(Out):
    """One line of the timeline."""

    at: datetime
    text: str
    source: str
    by: str
    ref: str


class StoryOut(Out):
    """An incident with all that is its."""

    incident: IncidentOut
    findings: list[str]
    alerts: list[str]
    plans: list[str]
    questions: int
    timeline: list[LineOut]

    @classmethod
    def of(cls, story: Story, parts: dict[PartKind, list[str]]) -> StoryOut:
        """Tell a story."""
        return cls(
            incident=IncidentOut.of(story.incident),
            findings=[each.id for each in story.findings],
            alerts=parts.get(PartKind.ALERT, []),
            plans=[each.plan.id for each in story.plans],
            questions=story.questions,
            timeline=[
                LineOut(at=e.at, text=e.text, source=e.source, by=e.by, ref=e.ref)
                for e in story.timeline
            ],
        )


def _state(incident: Incident) -> State:
    match incident.state:
        case Declared():
            return "declared"
        case InHand():
            return "in_hand"
        case MergedInto():
            return "merged"
        case _:
            return "resolved"


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeclareIn(_In):
    """What is wrong, with which service, and how serious it is."""

    title: Reason
    service: Name
    priority: Priority = Priority.P2


class HandOverIn(_In):
    """Who has it from now on: a Slack user id."""

    to: Annotated[str, Field(pattern=r"^[UW][A-Z0-9]{2,30}$")]


class SeverityIn(_In):
    """How serious it is."""

    priority: Priority


class NoteIn(_In):
    """A line for the timeline."""

    text: Reason


class ResolveIn(_In):
    """What ended it, if there is something to say."""

    text: Annotated[Label, Field(max_length=3000)] = ""


class MergeIn(_In):
    """The incident that this one is a part of."""

    into: Name
