"""The Home tab: what waits for approval, what is open, how the bot is."""

from __future__ import annotations

from bot.domain.plan import PlanStatus
from bot.slack.blocks import home as view
from bot.slack.deeds import Deed
from bot.slack.listeners.room import Room

WAITING = (PlanStatus.WAITING, PlanStatus.HELD, PlanStatus.OUTCOME_UNKNOWN)


async def opened(room: Room, deed: Deed) -> None:
    """Draw a person's Home tab."""
    if deed.tab not in {"", "home"}:
        return
    if await room.admits(deed, "home") is None:
        return
    async with room.deps.store.begin() as tx:
        plans = await tx.plans.list(WAITING)
        findings = await tx.findings.open()
    status = await room.deps.status()
    shown = view.home(plans, findings, status, room.texts(deed))
    await room.client.views_publish(user_id=deed.user, view=shown)
