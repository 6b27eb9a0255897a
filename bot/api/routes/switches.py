"""The kill switch over HTTP: the same switch as `/sre halt` and the halt file; admins only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.schemas.switches import SwitchIn, SwitchOut
from bot.core.remediation.answers.switches import Switched, Switches
from bot.domain.ids import ChannelId

router = APIRouter(prefix="/api/v1", tags=["switches"], responses=described(401, 403, 422, 503))
NOWHERE = ChannelId("")  # the general roles count: no channel's own


@router.post("/halt")
async def halt(body: SwitchIn, caller: Annotated[Caller, Depends(needs("api.halt"))]) -> SwitchOut:
    """Stop every plan before its next step."""
    switches = caller.deps.switches
    done = await switches.halt(caller.token.user, body.reason, NOWHERE, "api.halt")
    return await _now(switches, done)


@router.post("/resume")
async def resume(
    body: SwitchIn, caller: Annotated[Caller, Depends(needs("api.resume"))]
) -> SwitchOut:
    """Let plans run again."""
    switches = caller.deps.switches
    done = await switches.resume(caller.token.user, NOWHERE, body.reason, "api.resume")
    return await _now(switches, done)


async def _now(switches: Switches, done: Switched) -> SwitchOut:
    if not done.accepted:
        raise ProblemError(403, f"{done.why}; ask an admin")
    halted, _ = await switches.now()
    return SwitchOut(halted=halted.why, halted_by=halted.by, halted_since=halted.since)
