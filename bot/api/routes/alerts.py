"""Alerts, as Alertmanager tells them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.schemas.alerts import AlertsIn, AlertsOut
from bot.core.detection.alerts import Alert

router = APIRouter(
    prefix="/api/v1", tags=["webhooks"], responses=described(401, 403, 413, 422, 503)
)


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
        firing = each.status == "firing"
        told.append(Alert(name, firing, each.labels, each.startsAt, each.annotations))
    receipt = await caller.deps.alerts.receive(told)
    return AlertsOut(
        opened=list(receipt.opened), resolved=list(receipt.resolved), unchanged=receipt.unchanged
    )
