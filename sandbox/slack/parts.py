"""The parts of one local Slack, joined once in `server.py` and handed to every method."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sandbox.slack.chat import people
from sandbox.slack.chat.files import Files
from sandbox.slack.chat.people import Channel
from sandbox.slack.chat.shelf import Shelf
from sandbox.slack.chat.wire import Json, Refusal, WorldClock
from sandbox.slack.chat.workspace import Message, Workspace
from sandbox.slack.hub import Hub
from sandbox.slack.manifest import Manifest
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.tenant import ONE_WORKSPACE, Tenant
from sandbox.slack.triggers import Triggers
from sandbox.slack.views import Views

STREAM_SECONDS = 300.0  # Slack closes a stream about five minutes after it began


@dataclass
class OpenStream:
    """A stream that still grows.

    Attributes:
        mode: what it grows by, `markdown_text` or `chunks`; "" until the first came.
        blocks: how many came in chunks of blocks.
    """

    mode: str = ""
    blocks: int = 0


@dataclass
class Parts:
    """Everything a Web API method or a person's deed may touch.

    Attributes:
        base_url: the server's address without a trailing slash; set once it listens.
        streams: the streams that still grow.
        stopped: streams that a person stopped.
        locked: threads that nobody may answer in any more.
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
    tenant: Tenant = ONE_WORKSPACE
    streams: dict[tuple[str, str], OpenStream] = field(default_factory=dict)
    stopped: set[tuple[str, str]] = field(default_factory=set)
    locked: set[tuple[str, str]] = field(default_factory=set)
    statuses: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def organisation(self) -> Json | None:
        """The Enterprise Grid organisation, as interactions name it."""
        if not self.tenant.grid:
            return None
        return {"id": people.ENTERPRISE_ID, "name": people.ENTERPRISE_NAME}

    def joined(self, channel_id: object) -> Channel:
        """A channel the bot is in, or Slack's refusal."""
        channel = self.chat.channel(channel_id)
        if people.BOT_USER_ID not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def writable(self, channel_id: object, thread_ts: str = "") -> Channel:
        """A channel the bot may post to, at its top or in a thread, or Slack's refusal."""
        if self.chat.channel(channel_id).is_archived:
            raise Refusal("is_archived")
        channel = self.joined(channel_id)
        if channel.is_im and not self.manifest.messages_tab:
            raise Refusal("messages_tab_disabled")
        if channel.posting == "read_only":
            raise Refusal("restricted_action_read_only_channel")
        if channel.posting == "thread_only" and not thread_ts:
            raise Refusal("restricted_action_thread_only_channel")
        if channel.posting == "non_threadable" and thread_ts:
            raise Refusal("restricted_action_non_threadable_channel")
        if (channel.id, thread_ts) in self.locked:
            raise Refusal("restricted_action_thread_locked")
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
