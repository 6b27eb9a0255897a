"""Questions: mentions, direct messages, the assistant pane, /ask and the message shortcut."""

from __future__ import annotations

import structlog
from slack_sdk.errors import SlackApiError

from bot.domain.place import Place
from bot.slack.calls import judge
from bot.slack.deeds import Deed
from bot.slack.listeners.room import Room

log = structlog.get_logger(__name__)

SAID_BY_PEOPLE = frozenset({"", "file_share", "thread_broadcast"})
PROMPTS = ("latency", "changes", "healthy", "similar")


async def mentioned(room: Room, deed: Deed) -> None:
    """`@sre …` in a channel: answered in the thread, which begins at the message if need be."""
    if deed.bot or deed.subtype not in SAID_BY_PEOPLE:
        return
    await room.ask(deed, deed.place, "mention", "mention", deed.text)


async def messaged(room: Room, deed: Deed) -> None:
    """A direct message, or one in the assistant pane."""
    if not deed.direct or deed.bot or not deed.user or deed.subtype not in SAID_BY_PEOPLE:
        return
    trigger = "assistant" if deed.assistant else "dm"
    await room.ask(deed, deed.place, trigger, "ask", deed.text)


async def assistant_started(room: Room, deed: Deed) -> None:
    """The assistant pane was opened: offer what can be asked."""
    if await room.admits(deed, "assistant") is None:
        return
    texts = room.texts(deed)
    prompts = [
        {
            "title": texts.say(f"slack.prompt.{name}_title"),
            "message": texts.say(f"slack.prompt.{name}"),
        }
        for name in PROMPTS
    ]
    try:
        await room.client.assistant_threads_setSuggestedPrompts(
            channel_id=deed.channel,
            thread_ts=str(deed.thread_ts),
            title=texts.say("slack.prompt.title"),
            prompts=prompts,
        )
    except SlackApiError as error:
        log.info("prompts.failed", why=judge(error).text)


async def commanded(room: Room, deed: Deed) -> None:
    """`/ask TEXT`: a message of its own, answered in its thread."""
    if await room.admits(deed, "command.ask") is None:
        return
    if not deed.text:
        await room.say_privately(deed, "slack.ask_what")
        return
    place = await room.thread_for(deed, deed.text)
    if place is not None:
        await room.ask(deed, place, "command", "command.ask", deed.text)


async def about_message(room: Room, deed: Deed) -> None:
    """The shortcut "Ask about this": the message is the question, its thread the place."""
    if await room.admits(deed, "message.ask") is None:
        return
    if not await room.book.is_member(deed.channel):
        await room.say_privately(deed, "slack.invite_me")
        return
    place = Place(deed.channel, deed.thread_ts or deed.ts)
    await room.ask(deed, place, "shortcut", "message.ask", deed.text)
