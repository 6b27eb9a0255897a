"""Plans, and those that wait for an answer."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from bot.api.access import Caller, needs
from bot.api.problems import described
from bot.api.schemas.plans import PlanOut
from bot.core.ports import PlanRecord, Transaction
from bot.domain.ids import PlanId
from bot.domain.plans.plan import OPEN, PlanStatus

router = APIRouter(prefix="/api/v1", responses=described(401, 403, 422, 503))


@router.get("/plans", tags=["plans"])
async def plans(
    caller: Annotated[Caller, Depends(needs("api.plans"))],
    status: PlanStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[PlanOut]:
    """Return plans, newest first."""
    return await _plans(caller, (status,) if status else (), limit)


@router.get("/approvals", tags=["approvals"])
async def approvals(caller: Annotated[Caller, Depends(needs("api.approvals"))]) -> list[PlanOut]:
    """Return the plans that wait for an answer."""
    return await _plans(caller, OPEN, 500)


@router.get("/approvals/{plan_id}", tags=["approvals"], responses=described(404))
async def approval(
    plan_id: str, caller: Annotated[Caller, Depends(needs("api.approvals"))]
) -> PlanOut:
    """Return one plan with its answers."""
    return PlanOut.of(await plan_of(caller, plan_id))


async def plan_of(caller: Caller, plan_id: str) -> PlanRecord:
    """Return a plan that somebody may see; what they may not is answered as what is not there."""

    async def read(tx: Transaction) -> PlanRecord:
        return await tx.plans.get(PlanId(plan_id))

    return await caller.find("plan", plan_id, read, lambda found: found.plan.service)


async def _plans(caller: Caller, statuses: tuple[PlanStatus, ...], limit: int) -> list[PlanOut]:
    async with caller.deps.store.begin() as tx:
        found: list[PlanRecord] = await tx.plans.list(statuses, limit=limit)
    return [PlanOut.of(r) for r in found if caller.may_read(r.plan.service)]
