"""The Home tab: what waits for approval, what is open, how the bot is."""

from __future__ import annotations

from bot.domain.plans.plan import FOR_A_PERSON
from bot.slack.blocks import home as view
from bot.slack.interactions import Interaction
from bot.slack.listeners.room import Room


def is_home(opened: Interaction) -> bool:
    """Say whether it is the Home tab that somebody opened."""
    return opened.tab in {"", "home"}


async def opened(room: Room, event: Interaction, _: None) -> None:
    """Draw a person's Home tab."""
    async with room.deps.store.begin() as tx:
        plans = await tx.plans.list(FOR_A_PERSON)
        findings = await tx.findings.open()
    shown = view.home(plans, findings, await room.deps.status(), room.texts(event))
    await room.client.views_publish(user_id=event.user, view=shown)
