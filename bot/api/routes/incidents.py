"""Incidents over HTTP: the same use cases as behind the card's buttons and `/sre incident`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.schemas.incidents import (
    DeclareIn,
    HandOverIn,
    IncidentOut,
    MergeIn,
    NoteIn,
    ResolveIn,
    SeverityIn,
    StoryOut,
)
from bot.core.incidents.desk import Declaration
from bot.core.ports import Transaction
from bot.domain.ids import IncidentId, UserId
from bot.domain.incident import Incident, PartKind, WrongMoveError
from tools.errors import BadArgumentError

router = APIRouter(prefix="/api/v1", tags=["incidents"], responses=described(401, 403, 422, 503))
Reader = Annotated[Caller, Depends(needs("api.incidents"))]
Responder = Annotated[Caller, Depends(needs("api.incident"))]
MOVES = described(404, 409)


@router.get("/incidents")
async def incidents(
    caller: Reader,
    active_only: bool = True,  # noqa: FBT001, FBT002 - a query parameter
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[IncidentOut]:
    """Return incidents, newest first."""
    found = await caller.deps.incidents.list(open_only=active_only)
    return [IncidentOut.of(i) for i in found if caller.may_read(i.service)][:limit]


@router.get("/incidents/{incident_id}", responses=described(404))
async def incident(incident_id: str, caller: Reader) -> StoryOut:
    """Return one incident with its findings, plans and timeline."""
    found = await _incident(caller, incident_id)
    story = await caller.deps.incidents.story(found.id)
    async with caller.deps.store.begin() as tx:
        parts = await tx.incidents.parts(found.id)
    by_kind: dict[PartKind, list[str]] = {}
    for part in parts:
        by_kind.setdefault(part.kind, []).append(part.ref)
    return StoryOut.of(story, by_kind)


@router.post("/incidents", status_code=201)
async def declare(body: DeclareIn, caller: Responder) -> IncidentOut:
    """Declare an incident, as the token's owner."""
    said = Declaration(body.title, body.service, body.priority)
    return await _told(caller.deps.incidents.declare(said, caller.token.user))


@router.post("/incidents/{incident_id}/take", responses=MOVES)
async def take(incident_id: str, caller: Responder) -> IncidentOut:
    """Have it; where another has it, join them."""
    found = await _incident(caller, incident_id)
    return await _told(caller.deps.incidents.take(found.id, caller.token.user))


@router.post("/incidents/{incident_id}/join", responses=MOVES)
async def join(incident_id: str, caller: Responder) -> IncidentOut:
    """Work on it too."""
    found = await _incident(caller, incident_id)
    return await _told(caller.deps.incidents.join(found.id, caller.token.user))


@router.post("/incidents/{incident_id}/hand-over", responses=MOVES)
async def hand_over(incident_id: str, body: HandOverIn, caller: Responder) -> IncidentOut:
    """Let somebody else have it."""
    found = await _incident(caller, incident_id)
    moved = caller.deps.incidents.hand_over(found.id, UserId(body.to), caller.token.user)
    return await _told(moved)


@router.post("/incidents/{incident_id}/severity", responses=MOVES)
async def severity(incident_id: str, body: SeverityIn, caller: Responder) -> IncidentOut:
    """Say how serious it is."""
    found = await _incident(caller, incident_id)
    return await _told(caller.deps.incidents.judge(found.id, body.priority, caller.token.user))


@router.post("/incidents/{incident_id}/notes", responses=MOVES)
async def note(incident_id: str, body: NoteIn, caller: Responder) -> IncidentOut:
    """Write a line into the timeline."""
    found = await _incident(caller, incident_id)
    return await _told(caller.deps.incidents.note(found.id, body.text, caller.token.user))


@router.post("/incidents/{incident_id}/resolve", responses=MOVES)
async def resolve(incident_id: str, body: ResolveIn, caller: Responder) -> IncidentOut:
    """Say that it is over; twice is once."""
    found = await _incident(caller, incident_id)
    return await _told(caller.deps.incidents.resolve(found.id, caller.token.user, body.text))


@router.post("/incidents/{incident_id}/reopen", responses=MOVES)
async def reopen(incident_id: str, caller: Responder) -> IncidentOut:
    """Go on with one that was over."""
    found = await _incident(caller, incident_id)
    return await _told(caller.deps.incidents.reopen(found.id, caller.token.user))


@router.post("/incidents/{incident_id}/merge", responses=MOVES)
async def merge(incident_id: str, body: MergeIn, caller: Responder) -> IncidentOut:
    """Make it a part of another one, which is returned."""
    found, into = await _incident(caller, incident_id), await _incident(caller, body.into)
    return await _told(caller.deps.incidents.merge(found.id, into.id, caller.token.user))


async def _incident(caller: Caller, incident_id: str) -> Incident:
    async def read(tx: Transaction) -> Incident:
        return await tx.incidents.get(IncidentId(incident_id))

    return await caller.find("incident", incident_id, read, lambda found: found.service)


async def _told(moving: Awaitable[Incident]) -> IncidentOut:
    try:
        return IncidentOut.of(await moving)
    except WrongMoveError as error:
        raise ProblemError(409, str(error)) from error
    except BadArgumentError as error:
        raise ProblemError(422, str(error)) from error
