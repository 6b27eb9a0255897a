"""The app's own place: the Home tab, and its messages when somebody opens them."""

from __future__ import annotations

from bot.domain.plans.plan import FOR_A_PERSON
from bot.slack.blocks import home as view
from bot.slack.interactions import Interaction
from bot.slack.listeners.asking import assistant_started
from bot.slack.listeners.commands import switched
from bot.slack.listeners.room import Room


def is_ours(opened: Interaction) -> bool:
    """Say whether it is a tab that we have something for."""
    return opened.tab in {"", "home", "messages"}


async def opened(room: Room, event: Interaction, _: None) -> None:
    """Draw a person's Home tab; offer what can be asked where they write."""
    if event.tab == "messages":
        await assistant_started(room, event, None)
        return
    async with room.deps.store.begin() as tx:
        plans = await tx.plans.list(FOR_A_PERSON)
        findings = await tx.findings.open()
        incidents = await tx.incidents.open()
    texts = room.texts(event)
    switches = await switched(room, texts)
    shown = view.home(
        plans, findings, await room.deps.status(), texts, incidents=incidents, switches=switches
    )
    await room.client.views_publish(user_id=event.user, view=shown)
