"""What machines tell: alerts of Alertmanager and deployments of pipelines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.schemas import AlertsIn, AlertsOut, DeploymentIn, DeploymentOut
from bot.core.detection.alerts import Alert
from bot.domain.audit import Event
from foundation.nearest import nearest
from tools.world import Change, ChangeKind

router = APIRouter(
    prefix="/api/v1", tags=["webhooks"], responses=described(401, 403, 413, 422, 503)
)
FUTURE = timedelta(minutes=5)  # how far a pipeline's clock may run ahead
DEDUPE = timedelta(minutes=10)  # without an id, the same version again within this is a repeat


@router.post("/alerts")
async def alerts(
    body: AlertsIn, caller: Annotated[Caller, Depends(needs("api.alerts"))]
) -> AlertsOut:
    """Take a delivery of Alertmanager's webhook; repeated deliveries change nothing."""
    if body.version != "4":
        raise ProblemError(422, f"version: only Alertmanager's '4' is known, got {body.version!r}")
    told = []
    for index, each in enumerate(body.alerts):
        name = each.labels.get("alertname", "")
        if not name:
            raise ProblemError(422, f"alerts.{index}.labels: 'alertname' is missing")
        at = _aware(each.startsAt)
        told.append(Alert(name, each.status == "firing", each.labels, at, each.annotations))
    receipt = await caller.deps.alerts.receive(told)
    return AlertsOut(
        opened=list(receipt.opened), resolved=list(receipt.resolved), unchanged=receipt.unchanged
    )


@router.post("/deployments", status_code=201, responses={200: {"model": DeploymentOut}})
async def deployments(
    body: DeploymentIn,
    caller: Annotated[Caller, Depends(needs("api.deployments"))],
    response: Response,
) -> DeploymentOut:
    """Store a deployment: 201 when it is new, 200 when it was told before."""
    deps = caller.deps
    services = deps.catalogue().services
    if body.service not in services:
        hint = nearest(body.service, services)
        raise ProblemError(422, f"service: unknown service {body.service!r}.{hint}")
    now = deps.clock.now()
    at = _aware(body.at) if body.at else now
    if at > now + FUTURE:
        raise ProblemError(422, f"at: {at.isoformat()!r} lies in the future (now {now:%H:%M:%S})")
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
    change = deps.redactor.change(told)
    key = body.id or f"{body.version}@{int(at.timestamp() // DEDUPE.total_seconds())}"
    async with deps.store.begin() as tx:
        stored = await tx.changes.add(change, f"deployment:{body.service}:{key}")
        if stored:
            await tx.audit.append(
                Event(
                    kind="change.told",
                    at=now,
                    actor=caller.token.user,
                    subject=body.service,
                    facts={"version": change.after, "kind": body.kind, "at": at.isoformat()},
                )
            )
    response.status_code = 201 if stored else 200
    return DeploymentOut(stored=stored, service=body.service, at=at)


def _aware(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
