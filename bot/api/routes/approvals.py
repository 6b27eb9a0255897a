"""Answering plans over HTTP: the same function, guards and roles as behind a click."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from bot.api.access import Caller, deny, needs
from bot.api.problems import ProblemError, described
from bot.api.routes.plans import plan_of
from bot.api.schemas.plans import ApproveIn, BreakGlassIn, RejectIn, SaidOut
from bot.core.remediation.answers.approvals import Said
from bot.domain.ids import ChannelId, PlanId

router = APIRouter(
    prefix="/api/v1/approvals",
    tags=["approvals"],
    responses=described(401, 403, 404, 409, 422, 503),
)


@router.post("/{plan_id}/approve")
async def approve(
    plan_id: str, body: ApproveIn, caller: Annotated[Caller, Depends(needs("api.approve"))]
) -> SaidOut:
    """Say yes to one plan, as the token's owner."""
    await _own_name(caller, "approver", body.approver, plan_id)
    channel, user = await _channel(caller, plan_id), caller.token.user
    return _told(await caller.deps.plans.approve(PlanId(plan_id), user, channel, body.digest))


@router.post("/{plan_id}/reject")
async def reject(
    plan_id: str, body: RejectIn, caller: Annotated[Caller, Depends(needs("api.reject"))]
) -> SaidOut:
    """Say no to one plan, as the token's owner."""
    await _own_name(caller, "rejector", body.rejector, plan_id)
    channel, user = await _channel(caller, plan_id), caller.token.user
    return _told(await caller.deps.plans.reject(PlanId(plan_id), user, body.reason, channel))


@router.post("/{plan_id}/break-glass")
async def break_glass(
    plan_id: str,
    body: BreakGlassIn,
    caller: Annotated[Caller, Depends(needs("api.break_glass"))],
) -> SaidOut:
    """Open a MANUAL plan alone, where `auto_remediation.break_glass` allows it."""
    await _own_name(caller, "approver", body.approver, plan_id)
    channel, user = await _channel(caller, plan_id), caller.token.user
    plan, reason = PlanId(plan_id), body.reason
    return _told(await caller.deps.plans.break_glass(plan, user, reason, channel, body.digest))


async def _own_name(caller: Caller, field: str, name: str, plan_id: str) -> None:
    if caller.is_called(name):
        return
    why = f"{field} {name!r} is not the owner of this token ({caller.person.id})"
    await deny(caller, f"api.{field}", plan_id, why)
    raise ProblemError(403, f"{why}; answer with your own token")


async def _channel(caller: Caller, plan_id: str) -> ChannelId:
    """Return the channel of the plan's card, where rights are judged."""
    return (await plan_of(caller, plan_id)).plan.place.channel


def _told(said: Said) -> SaidOut:
    if said.accepted:
        return SaidOut(
            accepted=True, status=said.status.value if said.status else "", detail=said.text
        )
    raise ProblemError(403 if said.refused_by == "access" else 409, said.text)
