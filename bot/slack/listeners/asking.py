"""Questions: mentions, direct messages, the agent's messages, /ask and the message shortcut.

Where people meet the app depends on its manifest: `agent_view` (its messages, whose threads begin
at what people write) or the older `assistant_view` (a pane, whose threads Slack begins).
"""

from __future__ import annotations

import structlog
from slack_sdk.errors import SlackApiError

from bot.domain.place import Place
from bot.slack.failures import failure_of
from bot.slack.interactions import Interaction
from bot.slack.listeners.incidents import wished
from bot.slack.listeners.room import Room

log = structlog.get_logger(__name__)

SAID_BY_PEOPLE = frozenset({"", "file_share", "thread_broadcast"})
PROMPTS = ("latency", "changes", "healthy", "similar")


def by_a_person(message: Interaction) -> bool:
    """Say whether a person wrote it."""
    return not message.bot and message.subtype in SAID_BY_PEOPLE


def to_us_alone(message: Interaction) -> bool:
    """Say whether a person wrote it in a direct message or the assistant pane."""
    return message.direct and bool(message.user) and by_a_person(message)


async def mentioned(room: Room, event: Interaction, _: None) -> None:
    """`@sre …` in a channel: answered in the thread, which begins at the message if need be.

    In a thread of an incident `quiet here` and `catch me up` are wishes, not questions.
    """
    if await wished(room, event, str((await room.bot.known()).get("user_id", ""))):
        return
    await room.ask(event, event.place, "mention")


async def messaged(room: Room, event: Interaction, _: None) -> None:
    """A direct message, or one in the assistant pane."""
    await room.ask(event, event.place, "assistant" if event.assistant else "dm")


async def assistant_started(room: Room, event: Interaction, _: None) -> None:
    """The assistant pane, or the agent's messages, was opened: offer what can be asked."""
    texts = room.texts(event)
    prompts = [
        {
            "title": texts.say(f"slack.prompt.{name}_title"),
            "message": texts.say(f"slack.prompt.{name}"),
        }
        for name in PROMPTS
    ]
    try:
        await room.client.assistant_threads_setSuggestedPrompts(
            channel_id=event.channel,
            thread_ts=str(event.thread_ts) if event.thread_ts else None,
            title=texts.say("slack.prompt.title"),
            prompts=prompts,
        )
    except SlackApiError as error:
        log.info("prompts.failed", why=failure_of(error).text)


async def stopped(room: Room, event: Interaction, _: None) -> None:
    """Slack's own stop button: its streams ended already, and the run ends before its next step."""
    async with room.deps.store.begin() as tx:
        run = await tx.runs.running_in(event.place)
    if run is not None:
        await room.deps.reactions.stop(run.id, event.user)


async def commanded(room: Room, command: Interaction, _: None) -> None:
    """`/ask TEXT`: a message of its own, answered in its thread."""
    if not command.text:
        await room.say_privately(command, "slack.ask_what")
        return
    place = await room.thread_for(command, command.text)
    if place is not None:
        await room.ask(command, place, "command")


async def about_message(room: Room, shortcut: Interaction, _: None) -> None:
    """The shortcut "Ask about this": the message is the question, its thread the place."""
    if not await room.book.is_member(shortcut.channel):
        await room.say_privately(shortcut, "slack.invite_me")
        return
    place = Place(shortcut.channel, shortcut.thread_ts or shortcut.ts)
    await room.ask(shortcut, place, "shortcut")
