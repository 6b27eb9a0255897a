"""Anomalies: read, and acknowledged as by the button."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from bot.api.access import Caller, needs
from bot.api.problems import described
from bot.api.routes.status import known_category
from bot.api.schemas.anomalies import AnomalyOut
from bot.core.ports import Transaction
from bot.domain.anomaly import Anomaly
from bot.domain.ids import AnomalyId
from tools.world import Severity

router = APIRouter(prefix="/api/v1", responses=described(401, 403, 422, 503))


@router.get("/anomalies", tags=["anomalies"])
async def anomalies(
    caller: Annotated[Caller, Depends(needs("api.anomalies"))],
    category: Annotated[str, Query(max_length=100)] = "",
    severity: Severity | None = None,
    active_only: bool = True,  # noqa: FBT001, FBT002 - a query parameter
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[AnomalyOut]:
    """Return anomalies, newest first."""
    known = {s.category for s in caller.deps.catalogue().metrics.values()}
    known_category(category, known)
    async with caller.deps.store.begin() as tx:
        found = await tx.anomalies.list(
            active_only=active_only,
            category=category,
            severity=severity.value if severity else "",
            limit=limit,
        )
    return [AnomalyOut.of(a) for a in found if caller.may_read(a.service)]


@router.get("/anomalies/{anomaly_id}", tags=["anomalies"], responses=described(404))
async def anomaly(
    anomaly_id: str, caller: Annotated[Caller, Depends(needs("api.anomalies"))]
) -> AnomalyOut:
    """Return one anomaly."""
    return AnomalyOut.of(await _anomaly(caller, anomaly_id))


@router.post("/anomalies/{anomaly_id}/acknowledge", tags=["anomalies"], responses=described(404))
async def acknowledge_anomaly(
    anomaly_id: str, caller: Annotated[Caller, Depends(needs("api.acknowledge"))]
) -> AnomalyOut:
    """Note that the token's owner has seen an anomaly; twice is once."""
    found = await _anomaly(caller, anomaly_id)
    seen = await caller.deps.triage.acknowledge_anomaly(found.id, caller.token.user)
    return AnomalyOut.of(seen)


async def _anomaly(caller: Caller, anomaly_id: str) -> Anomaly:
    async def read(tx: Transaction) -> Anomaly:
        return await tx.anomalies.get(AnomalyId(anomaly_id))

    return await caller.find("anomaly", anomaly_id, read, lambda found: found.service)
