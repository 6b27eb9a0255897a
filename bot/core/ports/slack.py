"""Slack in and out: envelopes kept before the ack, messages that must be posted once, channels.

envelope --add--> inbox --claim--> done | failed (again, or parked for a person)
subject --post--> outbox --claim--> sending --> posted --refresh--> updated
                               └ refused: moved (another way), or held (told in the status)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.domain.ids import ChannelId, Ts
from bot.domain.place import Place
from bot.domain.question import Voice
from tools.world import ServiceSpec

BRAKE = "brake"  # the lane of the inbox that overtakes what people talk


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One acknowledged envelope, waiting to be worked on."""

    id: int
    dedupe_key: str  # event_id or trigger_id
    kind: str  # "event", "action", "command", "view", "shortcut"
    body: Mapping[str, Any]
    received_at: datetime
    attempts: int = 0


class Inbox(Protocol):
    """Envelopes committed before Slack is told yes."""

    async def add(
        self, dedupe_key: str, kind: str, body: Mapping[str, Any], at: datetime, lane: str = ""
    ) -> bool:
        """Store an envelope; False when the key is known already."""
        ...

    async def claim(
        self, owner: str, at: datetime, lease: timedelta, lane: str = ""
    ) -> InboxItem | None:
        """Take the oldest item nobody holds (or whose lease ran out); None when there is none.

        `lane` narrows it to the items of that lane; empty takes those of every lane.
        """
        ...

    async def renew(self, item_id: int, owner: str, until: datetime) -> bool:
        """Extend the lease of a claimed item; False when it is no longer ours."""
        ...

    async def done(self, item_id: int, at: datetime) -> None:
        """Finish an item."""
        ...

    async def failed(self, item_id: int, error: str, retry_at: datetime | None) -> None:
        """Note a failure; with no `retry_at` the item is parked for a person."""
        ...

    async def backlog(self) -> int:
        """Return how many items wait."""
        ...

    async def parked(self, since: datetime) -> list[HeldBack]:
        """Return what was given up of what came since then (wall), by kind."""
        ...


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What does not get where it belongs, for one place."""

    where: str  # the channel it belongs to, as it was asked for; of envelopes their kind
    count: int
    since: datetime  # wall: the oldest of them
    why: str  # of the latest


@dataclass(frozen=True, slots=True)
class Detour:
    """Where a message belongs, when it goes elsewhere."""

    channel: ChannelId
    thread_ts: Ts | None
    why: str  # Slack's words


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message that must be posted exactly once, then kept in step with its subject.

    `view` names a renderer of the Slack room and `ref` the subject's id; `body` carries what
    cannot be looked up. `ts` is None until posted.
    """

    id: str
    key: str
    view: str  # "finding", "plan", "notice", "digest", "postmortem", …
    ref: str
    channel: ChannelId
    thread_ts: Ts | None
    body: Mapping[str, Any]
    ts: Ts | None = None
    attempts: int = 0
    file_id: str = ""  # uploaded chart, so that it is uploaded once
    sent_at: datetime | None = None  # a post was attempted: look before posting again
    refused: int = 0  # times in a row that Slack's API said no to it here
    meant: Detour | None = None  # where it belongs, when that is not here


class Outbox(Protocol):
    """What Slack must show."""

    async def post(
        self,
        key: str,
        view: str,
        ref: str,
        place: Place,
        body: Mapping[str, Any] | None = None,
        *,
        behind: str = "",
        meant: Detour | None = None,
    ) -> str:
        """Ask for one message; the same key twice is one message. Returns the row's id.

        `behind` is the key of a row whose ts becomes this row's thread_ts once it is posted
        (a reply below a message that does not exist yet); it goes where that one went.
        """
        ...

    async def refresh(self, view: str, ref: str, body: Mapping[str, Any] | None = None) -> int:
        """Mark every message of this subject for a re-render; returns how many there are."""
        ...

    async def claim(self, owner: str, at: datetime, lease: timedelta) -> OutboxRow | None:
        """Take the next row to post or to update, in order per channel."""
        ...

    async def sending(self, row_id: str, at: datetime) -> None:
        """Commit that a post is about to be attempted."""
        ...

    async def posted(self, row_id: str, ts: Ts, at: datetime) -> None:
        """Commit where the message is."""
        ...

    async def updated(self, row_id: str, at: datetime) -> None:
        """Clear the dirty mark (unless it was set again meanwhile)."""
        ...

    async def again(self, row_id: str, at: datetime) -> None:
        """Mark a message that is there for a re-render at a time (wall): a part of it was late."""
        ...

    async def uploaded(self, row_id: str, file_id: str) -> None:
        """Remember the uploaded chart."""
        ...

    async def failed(
        self,
        row_id: str,
        error: str,
        at: datetime,
        retry_at: datetime,
        *,
        refused: bool = False,
    ) -> None:
        """Note a failure at a time (wall). What was refused holds back nobody behind it."""
        ...

    async def held(self, row_id: str, error: str, at: datetime, retry_at: datetime | None) -> None:
        """Note that there is no way: it holds nobody back. Without `retry_at` never again."""
        ...

    async def moved(
        self, row_id: str, place: Place, meant: Detour | None, at: datetime, error: str
    ) -> None:
        """Send a message that is not posted another way, or back to where it belongs."""
        ...

    async def held_back(self, before: datetime, lately: datetime) -> list[HeldBack]:
        """Return what is held, or in trouble since before then, by the channel it is for.

        Times are wall; what is never tried again is told when it happened after `lately`.
        """
        ...

    async def told_elsewhere(self, since: datetime) -> list[HeldBack]:
        """Return what was posted elsewhere since then (wall), by the channel it is for."""
        ...

    async def find(self, key: str) -> OutboxRow | None:
        """Return the row of a key."""
        ...

    async def of(self, view: str, ref: str) -> list[OutboxRow]:
        """Return the rows that show a subject."""
        ...

    async def at(self, channel: ChannelId, ts: Ts) -> OutboxRow | None:
        """Return the row that became this message."""
        ...

    async def backlog(self) -> int:
        """Return how many rows wait."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A channel message as history tells it, for postmortems."""

    at: datetime
    by: str
    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)


class ChannelHistory(Protocol):
    """The channel's own messages."""

    async def messages(self, place: Place, since: datetime, until: datetime) -> list[Message]:
        """Return people's messages in a thread or channel, oldest first."""
        ...


class Channels(Protocol):
    """What channels are called, which one is whose, how each is spoken to. Never waits."""

    def known(self, name: str) -> ChannelId:
        """Return a channel's id if its name is known by now, else the name as it is."""
        ...

    def of_service(self, service: ServiceSpec | None) -> ChannelId:
        """Return the channel a service's findings and plans go to; None: the general one."""
        ...

    def voice_of(self, channel: ChannelId) -> Voice:
        """Return how a channel is spoken to."""
        ...
