"""An incident: declared, with a severity P0–P3, people, a timeline and one live card.

    Declared --take--> InHand --hand_over--> InHand
       |--------------resolve--------------> IncidentResolved --reopen--> Declared or InHand
       |---------------merge---------------> MergedInto     (its story goes on in another one)

`Declared`: nobody has it yet, and by `respond_by` somebody should. Whoever presses first has it;
the others join. Times are world time; what people must answer by is wall time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bot.domain.ids import ChannelId, IncidentId, UserId
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

    @property
    def rank(self) -> int:
        """0 for P0 … 3 for P3."""
        return list(Priority).index(self)

    @property
    def answer_within(self) -> timedelta:
        """How soon somebody should have it (wall time), as the platform's own rules say."""
        return _TARGETS[self]

    @property
    def update_every(self) -> timedelta | None:
        """How often its thread is told how it stands (wall time); None: only what happens."""
        return _RHYTHM[self]

    @property
    def calls(self) -> bool:
        """Whether the people on call are mentioned when it is declared."""
        return self.rank <= Priority.P1.rank


_TARGETS = {
    Priority.P0: timedelta(minutes=15),
    Priority.P1: timedelta(hours=1),
    Priority.P2: timedelta(hours=4),
    Priority.P3: timedelta(hours=24),
}
_RHYTHM = {
    Priority.P0: timedelta(minutes=15),
    Priority.P1: timedelta(minutes=30),
    Priority.P2: timedelta(hours=2),
    Priority.P3: None,
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One dated line of the timeline; `source` names where it came from."""

    at: datetime
    text: str
    source: str  # anomaly, alert, change, plan, person, note, bot
    by: str = ""  # user id, or empty for the bot
    ref: str = ""  # id of what it tells about


class PartKind(StrEnum):
    """What belongs to an incident besides its timeline and its people."""

    FINDING = "finding"
    ALERT = "alert"
    QUESTION = "question"  # an agent run
    PLAN = "plan"
    POST = "post"  # a thread of Slack, by `Place.key`


@dataclass(frozen=True, slots=True)
class StoryPart:
    """One thing that belongs to an incident; it belongs to one at a time."""

    kind: PartKind
    ref: str
    at: datetime  # world time: since when


@dataclass(frozen=True, slots=True)
class Declared:
    """Nobody has it yet."""

    reminded_at: datetime | None  # wall: nobody had it in time, and that was said


@dataclass(frozen=True, slots=True)
class InHand:
    """Somebody has it."""

    lead: UserId
    lead_since: datetime
    acknowledged_at: datetime  # when the first person took it


@dataclass(frozen=True, slots=True)
class IncidentResolved:
    """It is over."""

    resolved_at: datetime
    resolved_by: UserId | None  # None: the bot, when nothing of it was abnormal any more
    had_by: UserId | None  # who had it at the end


@dataclass(frozen=True, slots=True)
class MergedInto:
    """It turned out to be a part of another one, which owns all that was its."""

    into: IncidentId
    merged_at: datetime
    merged_by: UserId


IncidentState = Declared | InHand | IncidentResolved | MergedInto
Open = Declared | InHand


class WrongMoveError(ValueError):
    """An incident cannot be moved so; the message says why, and what can be done."""


@dataclass(frozen=True, slots=True)
class Paged:
    """The people on call were mentioned: once, in the card or in a message of its own."""

    names: tuple[str, ...]  # user groups (S…) and people (U…)
    in_card: bool


@dataclass(frozen=True, slots=True)
class Incident:
    """A declared incident."""

    id: IncidentId
    title: str
    priority: Priority
    service: ServiceName
    declared_at: datetime
    declared_by: UserId | None  # None: the bot
    place: Place
    started_at: datetime  # first abnormal sample
    respond_by: datetime  # wall: when somebody should have it
    state: IncidentState
    people: tuple[UserId, ...] = ()  # who joined, in their order
    call: Paged | None = None
    room: ChannelId | None = None  # its own channel, if it has one
    next_update_at: datetime | None = None  # wall
    quiet: bool = False  # its thread gets no updates at a rhythm

    @property
    def open(self) -> bool:
        """Whether it lasts."""
        return isinstance(self.state, Declared | InHand)

    @property
    def lead(self) -> UserId | None:
        """Who has it, or had it when it ended."""
        match self.state:
            case InHand(lead=lead):
                return lead
            case IncidentResolved(had_by=lead):
                return lead
            case _:
                return None

    @property
    def resolved_at(self) -> datetime | None:
        """When it ended, None while it lasts."""
        match self.state:
            case IncidentResolved(resolved_at=at):
                return at
            case MergedInto(merged_at=at):
                return at
            case _:
                return None


def declare(  # noqa: PLR0913 - everything that is known of one at its start
    incident_id: IncidentId,
    title: str,
    priority: Priority,
    service: ServiceName,
    place: Place,
    *,
    at: datetime,
    wall: datetime,
    by: UserId | None = None,
    started_at: datetime | None = None,
) -> Incident:
    """Declare an incident, which nobody has yet."""
    rhythm = priority.update_every
    return Incident(
        id=incident_id,
        title=title,
        priority=priority,
        service=service,
        declared_at=at,
        declared_by=by,
        place=place,
        started_at=started_at or at,
        respond_by=wall + priority.answer_within,
        state=Declared(None),
        people=(by,) if by else (),
        next_update_at=wall + rhythm if rhythm else None,
    )


def take(incident: Incident, by: UserId, at: datetime) -> Incident:
    """Let somebody have it; where another has it already, they join."""
    joined = join(incident, by)
    if isinstance(incident.state, Declared):
        return replace(joined, state=InHand(by, at, at))
    return joined


def join(incident: Incident, user: UserId) -> Incident:
    """Let somebody work on it too. Raises WrongMoveError when it is over."""
    _must_last(incident)
    people = dict.fromkeys([*incident.people, user])
    return replace(incident, people=tuple(people))


def hand_over(incident: Incident, to: UserId, at: datetime) -> Incident:
    """Let somebody else have it."""
    joined, state = join(incident, to), incident.state
    if isinstance(state, InHand):
        return (
            joined
            if state.lead == to
            else replace(joined, state=InHand(to, at, state.acknowledged_at))
        )
    return replace(joined, state=InHand(to, at, at))


def resolve(incident: Incident, at: datetime, by: UserId | None = None) -> Incident:
    """Close an incident; closing twice keeps the first end."""
    if not incident.open:
        return incident
    return replace(incident, state=IncidentResolved(at, by, incident.lead), next_update_at=None)


def reopen(incident: Incident, by: UserId, at: datetime, wall: datetime) -> Incident:
    """Go on with one that was over: in the hands of who had it, or of nobody.

    Raises WrongMoveError for one that was merged; one that lasts stays as it is.
    """
    match incident.state:
        case MergedInto(into=into):
            raise WrongMoveError(f"{incident.id} is a part of {into} now; look there")
        case IncidentResolved(had_by=lead):
            state: IncidentState = InHand(lead, at, at) if lead else Declared(None)
            rhythm = incident.priority.update_every
            again = replace(
                incident,
                state=state,
                respond_by=wall + incident.priority.answer_within,
                next_update_at=wall + rhythm if rhythm else None,
            )
            return join(again, by)
        case _:
            return incident


def merge(incident: Incident, into: Incident, by: UserId, at: datetime) -> Incident:
    """Make it a part of another one. Raises WrongMoveError."""
    if incident.id == into.id:
        raise WrongMoveError(f"{incident.id} cannot become a part of itself; name two incidents")
    if isinstance(incident.state, MergedInto):
        raise WrongMoveError(f"{incident.id} is a part of {incident.state.into} already")
    _must_last(into)
    return replace(incident, state=MergedInto(into.id, at, by), next_update_at=None)


def absorb(into: Incident, other: Incident) -> Incident:
    """Return the incident that another was merged into: its people, and the earlier start."""
    people = dict.fromkeys([*into.people, *other.people])
    return replace(into, people=tuple(people), started_at=min(into.started_at, other.started_at))


def judge(incident: Incident, priority: Priority, wall: datetime) -> Incident:
    """Say how serious it is; a more serious one must be answered sooner, never later."""
    _must_last(incident)
    rhythm = priority.update_every
    return replace(
        incident,
        priority=priority,
        respond_by=min(incident.respond_by, wall + priority.answer_within),
        next_update_at=wall + rhythm if rhythm else None,
    )


def remind(incident: Incident, wall: datetime) -> Incident | None:
    """Note that nobody had it in time; None when that is not so, or was said before."""
    state = incident.state
    late = isinstance(state, Declared) and state.reminded_at is None and wall >= incident.respond_by
    return replace(incident, state=Declared(wall)) if late else None


def _must_last(incident: Incident) -> None:
    match incident.state:
        case MergedInto(into=into):
            raise WrongMoveError(f"{incident.id} is a part of {into} now; look there")
        case IncidentResolved():
            raise WrongMoveError(f"{incident.id} is resolved; reopen it first")
        case _:
            return
