"""Deployments told by pipelines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from bot.api.access import Caller, needs
from bot.api.problems import described
from bot.api.schemas.deployments import DeploymentIn, DeploymentOut
from tools.world import Change, ChangeKind

router = APIRouter(
    prefix="/api/v1", tags=["webhooks"], responses=described(401, 403, 413, 422, 503)
)


@router.post("/deployments", status_code=201, responses={200: {"model": DeploymentOut}})
async def deployments(
    body: DeploymentIn,
    caller: Annotated[Caller, Depends(needs("api.deployments"))],
    response: Response,
) -> DeploymentOut:
    """Store a deployment: 201 when it is new, 200 when it was told before."""
    deps = caller.deps
    at = body.at or deps.clock.now()
    default = f"{body.service} {body.previous_version or '?'} → {body.version}"
    told = Change(
        at=at,
        kind=ChangeKind(body.kind),
        service=body.service,
        summary=body.summary or default,
        before=body.previous_version,
        after=body.version,
        author=body.author,
        source="webhook",
    )
    stored = await deps.deployments.take(told, caller.token.user, body.id)
    response.status_code = 201 if stored else 200
    return DeploymentOut(stored=stored, service=body.service, at=at)
