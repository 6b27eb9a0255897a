"""The parts of one local Slack, joined once in `server.py` and handed to every method."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.slack import people
from sandbox.slack.files import Files
from sandbox.slack.hub import Hub
from sandbox.slack.manifest import Manifest
from sandbox.slack.people import Channel
from sandbox.slack.shelf import Shelf
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.triggers import Triggers
from sandbox.slack.views import Views
from sandbox.slack.wire import Json, Refusal, WorldClock
from sandbox.slack.workspace import Message, Workspace

STREAM_SECONDS = 300.0  # Slack closes a stream about five minutes after it began


@dataclass
class Parts:
    """Everything a Web API method or a person's deed may touch.

    Attributes:
        base_url: the server's address without a trailing slash; set once it listens.
        streams: when each open stream began (wall seconds of the event loop).
        statuses: assistant status by (channel, thread ts).
    """

    clock: WorldClock
    manifest: Manifest
    shelf: Shelf
    chat: Workspace
    hub: Hub
    files: Files
    views: Views
    triggers: Triggers
    socket: SocketMode
    stream_seconds: float = STREAM_SECONDS
    base_url: str = ""
    streams: dict[tuple[str, str], float] = field(default_factory=dict)
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)

    def joined(self, channel_id: object) -> Channel:
        """A channel the bot is in, or Slack's refusal."""
        channel = self.chat.channel(channel_id)
        if people.BOT_USER_ID not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def audience(self, message: Message) -> list[str]:
        """Who sees a message."""
        if message.only_for:
            return [message.only_for]
        return list(self.chat.channel(message.channel).members)

    def need_scope(self, *any_of: str) -> None:
        """Refuse unless the app holds one of these scopes."""
        refuse_without(self.manifest.scopes, any_of)

    def set_status(self, channel_id: str, thread_ts: str, text: str) -> None:
        """Show or clear what the bot says it is doing."""
        if not text and (channel_id, thread_ts) not in self.statuses:
            return
        self.statuses[channel_id, thread_ts] = text
        if not text:
            del self.statuses[channel_id, thread_ts]
        event: Json = {
            "type": "status", "channel": channel_id, "thread_ts": thread_ts, "text": text,
        }  # fmt: skip
        self.hub.push(self.chat.channel(channel_id).members, event)


def refuse_without(held: frozenset[str], any_of: tuple[str, ...]) -> None:
    """Slack's `missing_scope`, naming what is needed and what the token has."""
    if any_of and not held.intersection(any_of):
        provided = ",".join(sorted(held))
        raise Refusal("missing_scope", needed=any_of[0], provided=provided)


def page_of(items: list[Json], limit: int, cursor: str) -> tuple[list[Json], str]:
    """One page of a list and the cursor of the next (`""` when there is none)."""
    start = _position(cursor)
    end = start + limit
    return items[start:end], cursor_at(end) if end < len(items) else ""


def cursor_at(position: int) -> str:
    """An opaque cursor."""
    import base64

    return base64.b64encode(f"next:{position}".encode()).decode()


def _position(cursor: str) -> int:
    import base64
    import binascii

    if not cursor:
        return 0
    try:
        word, _, number = base64.b64decode(cursor, validate=True).decode().partition(":")
        if word == "next":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise Refusal("invalid_cursor")


def conversations(chat: Workspace) -> Iterator[Channel]:
    """Every conversation, channels first."""
    yield from sorted(chat.channels.values(), key=lambda c: (c.is_im, c.name))
