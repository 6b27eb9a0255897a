"""Alerts: taken from the webhook, and read."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Query
from pydantic import ValidationError

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.schemas.alerts import (
    MOST_ALERTS,
    AlertIn,
    AlertOut,
    AlertsIn,
    AlertsOut,
    RefusedAlert,
)
from bot.core.detection.alerts import Delivery, ToldAlert
from tools.world import Severity

log = structlog.get_logger(__name__)
router = APIRouter(prefix="/api/v1", responses=described(401, 403, 413, 422, 503))
MOST_WHYS = 5  # that a refusal of everything tells


@router.post("/alerts", tags=["webhooks"])
async def alerts(
    body: AlertsIn, caller: Annotated[Caller, Depends(needs("api.alerts"))]
) -> AlertsOut:
    """Take a delivery of Alertmanager's webhook; repeated deliveries change nothing.

    What cannot be read is named, and the rest is taken. It is refused when nothing can be read.
    """
    told: list[ToldAlert] = []
    refused: dict[int, str] = {}
    for index, each in enumerate(body.alerts[:MOST_ALERTS]):
        found = _read(each)
        if isinstance(found, str):
            refused[index] = found
        else:
            told.append(found)
    if refused and not told:
        whys = [f"alerts.{index}: {why}" for index, why in list(refused.items())[:MOST_WHYS]]
        raise ProblemError(422, f"none of {len(refused)} alerts can be read: {'; '.join(whys)}")
    left_out = body.truncatedAlerts + max(0, len(body.alerts) - MOST_ALERTS)
    group = body.groupKey if body.groupLabels else ""  # without labels it is everything at once
    receipt = await caller.deps.alerts.receive(Delivery(told, group, left_out, refused))
    return AlertsOut(
        opened=list(receipt.opened),
        resolved=list(receipt.resolved),
        unchanged=receipt.unchanged,
        heartbeats=receipt.heartbeats,
        refused=[RefusedAlert(index=index, why=why) for index, why in refused.items()],
        left_out=left_out,
    )


@router.get("/alerts", tags=["alerts"])
async def firing(
    caller: Annotated[Caller, Depends(needs("api.anomalies"))],
    severity: Severity | None = None,
    active_only: bool = True,  # noqa: FBT001, FBT002 - a query parameter
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[AlertOut]:
    """Return alerts, newest first."""
    async with caller.deps.store.begin() as tx:
        found = await tx.alerts.list(
            active_only=active_only, severity=severity.value if severity else "", limit=limit
        )
    return [AlertOut.of(each) for each in found if caller.may_read(each.service)]


def _read(item: Any) -> ToldAlert | str:
    """Return one alert of a delivery, or why it is none."""
    try:
        found = AlertIn.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    name = found.labels.get("alertname", "").strip()
    if not name:
        return "labels: 'alertname' is missing"
    return ToldAlert(
        name=name,
        firing=found.status == "firing",
        labels=found.labels,
        starts_at=found.startsAt,
        ends_at=found.endsAt,
        annotations=found.annotations,
        generator_url=found.generatorURL,
    )
