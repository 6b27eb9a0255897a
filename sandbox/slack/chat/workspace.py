"""The chat itself: channels, messages, threads, reactions, and who has read what.

*change*: something happened to a message; page and bot hear of it through one list of listeners.

    post / edit / delete / react ──> memory ──> shelf (SQLite) ──> listeners(Change)

A ts comes from the world clock and is unique and rising per channel, even if that clock was reset.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sandbox.slack.chat import people as seed
from sandbox.slack.chat.people import Channel, Person, UserGroup
from sandbox.slack.chat.shelf import Shelf
from sandbox.slack.chat.wire import Json, Refusal, WorldClock, micros_from_ts, mint, ts_from_micros

ChangeKind = Literal["posted", "streamed", "edited", "deleted", "reacted", "joined", "left"]


@dataclass(frozen=True)
class Message:
    """One message as the workspace keeps it.

    Attributes:
        body: Slack's message object without what is derived (reply counts, reactions).
        reactions: emoji name -> the people who added it, in order.
        tasks: the task list of a stream, in Slack's `task_update` fields.
        streaming: whether `chat.appendStream` may still add to it.
        only_for: the one person who sees an ephemeral message.
    """

    channel: str
    ts: str
    body: Json
    reactions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tasks: tuple[Json, ...] = ()
    streaming: bool = False
    only_for: str | None = None

    @property
    def author(self) -> str:
        """User id of who wrote it."""
        return str(self.body.get("user", ""))

    @property
    def thread_ts(self) -> str | None:
        """The thread it is a reply in; None for top-level messages."""
        parent = self.body.get("thread_ts")
        return parent if isinstance(parent, str) and parent != self.ts else None


@dataclass(frozen=True)
class Change:
    """What happened; `by` is who did it, `name` the emoji of a reaction."""

    kind: ChangeKind
    channel: str
    message: Message | None = None
    previous: Message | None = None
    by: str = ""
    name: str = ""
    added: bool = True


class Workspace:
    """All chat state of one team, in memory and on the shelf."""

    def __init__(
        self, shelf: Shelf, clock: WorldClock, everybody: Iterable[Person] = seed.PEOPLE
    ) -> None:
        """Read the shelf; what it lacks comes from the seed."""
        self.clock = clock
        self.listeners: list[Callable[[Change], None]] = []
        self.people: dict[str, Person] = {p.id: p for p in everybody}
        self.groups: dict[str, UserGroup] = {g.id: g for g in seed.GROUPS}
        self.channels: dict[str, Channel] = {c.id: c for c in seed.CHANNELS}
        self._shelf = shelf
        self._messages: dict[str, dict[str, Message]] = {}
        self._threads: dict[tuple[str, str], list[str]] = {}
        self._whispers: dict[str, dict[str, Message]] = {}  # ephemeral; Slack keeps none either
        self._last_micros: dict[str, int] = {}
        self._read: dict[tuple[str, str], str] = {}
        self._load()

    def _load(self) -> None:
        for _, body in self._shelf.all("channel"):
            channel = Channel(**{**body, "members": tuple(body["members"])})
            self.channels[channel.id] = channel
        for _, body in self._shelf.all("message"):
            stored = {
                **body,
                "tasks": tuple(body["tasks"]),
                "reactions": {n: tuple(u) for n, u in body["reactions"].items()},
                "streaming": False,
            }
            message = Message(**stored)
            self._messages.setdefault(message.channel, {})[message.ts] = message
        for key, body in self._shelf.all("read"):
            user, channel_id = key.split(" ")
            self._read[user, channel_id] = body["ts"]
        for channel_id, messages in self._messages.items():
            ordered = dict(sorted(messages.items(), key=lambda item: micros_from_ts(item[0])))
            self._messages[channel_id] = ordered
            for message in ordered.values():
                self._index(message)
                self._last_micros[channel_id] = micros_from_ts(message.ts)

    def _index(self, message: Message) -> None:
        if message.thread_ts:
            self._threads.setdefault((message.channel, message.thread_ts), []).append(message.ts)

    # ------------------------------------------------------------------ people and channels

    def person(self, user_id: str) -> Person:
        """The person with this id, or Slack's `user_not_found`."""
        if user_id not in self.people:
            raise Refusal("user_not_found")
        return self.people[user_id]

    def channel(self, channel_id: object) -> Channel:
        """The channel with this id, or Slack's `channel_not_found`."""
        if not isinstance(channel_id, str) or channel_id not in self.channels:
            raise Refusal("channel_not_found")
        return self.channels[channel_id]

    def find_channel(self, name_or_id: str) -> Channel | None:
        """A channel by id, `name` or `#name`."""
        if name_or_id in self.channels:
            return self.channels[name_or_id]
        wanted = name_or_id.removeprefix("#")
        named = (c for c in self.channels.values() if c.name and c.name == wanted)
        return next(named, None)

    def direct(self, user_id: str) -> Channel:
        """The direct message between a person and the bot, opened when needed."""
        person = self.person(user_id)
        members = (person.id, seed.BOT_USER_ID)
        for channel in self.channels.values():
            if channel.is_im and channel.members == members:
                return channel
        channel = Channel(f"D0{person.id[2:]}", "", "im", "", members)
        self._keep_channel(channel)
        return channel

    def add_member(self, channel_id: str, user_id: str, *, by: str = "") -> None:
        """Let somebody join a channel."""
        channel = self.channel(channel_id)
        if self.person(user_id).id in channel.members:
            return
        self._keep_channel(replace(channel, members=(*channel.members, user_id)))
        self._tell(Change("joined", channel_id, by=by or user_id, name=user_id))

    def remove_member(self, channel_id: str, user_id: str) -> None:
        """Let somebody leave a channel."""
        channel = self.channel(channel_id)
        if user_id not in channel.members:
            return
        members = tuple(member for member in channel.members if member != user_id)
        self._keep_channel(replace(channel, members=members))
        self._tell(Change("left", channel_id, by=user_id, name=user_id))

    def create_channel(self, name: str) -> Channel:
        """Make a public channel that the bot is in."""
        channel = Channel(mint("C"), name, "channel", "", (seed.BOT_USER_ID,))
        self._keep_channel(channel)
        return channel

    def archive(self, channel_id: str, *, archived: bool = True) -> None:
        """Archive a channel, or take it back."""
        self._keep_channel(replace(self.channel(channel_id), is_archived=archived))

    def restrict(self, channel_id: str, posting: str) -> None:
        """Say who may post what in a channel."""
        self._keep_channel(replace(self.channel(channel_id), posting=posting))

    def channels_of(self, user_id: str) -> list[Channel]:
        """The conversations a person sees, channels first."""
        seen = [c for c in self.channels.values() if user_id in c.members]
        return sorted(seen, key=lambda c: (c.is_im, list(self.channels).index(c.id)))

    def _keep_channel(self, channel: Channel) -> None:
        self.channels[channel.id] = channel
        self._shelf.put("channel", channel.id, {**vars(channel), "members": [*channel.members]})

    # ------------------------------------------------------------------ messages

    def next_ts(self, channel_id: str) -> str:
        """A fresh ts: the world's time, or just after the channel's last one."""
        micros = max(int(self.clock.now() * 1_000_000), self._last_micros.get(channel_id, 0) + 1)
        self._last_micros[channel_id] = micros
        return ts_from_micros(micros)

    def post(self, channel_id: str, body: Json, *, streaming: bool = False) -> Message:
        """Add a message; the ts is minted here."""
        ts = self.next_ts(channel_id)
        message = Message(channel_id, ts, {"type": "message", **body, "ts": ts})
        message = replace(message, streaming=streaming)
        self._index(message)
        self._store(message)
        if message.author and message.author != seed.BOT_USER_ID:
            self.mark_read(message.author, channel_id)
        self._tell(Change("posted", channel_id, message, by=message.author))
        return message

    def whisper(self, channel_id: str, user_id: str, body: Json) -> Message:
        """Add a message that one person sees and nobody keeps."""
        ts = self.next_ts(channel_id)
        full = {"type": "message", **body, "ts": ts, "is_ephemeral": True}
        message = Message(channel_id, ts, full, only_for=user_id)
        self._whispers.setdefault(channel_id, {})[ts] = message
        self._tell(Change("posted", channel_id, message, by=message.author))
        return message

    def replace(self, message: Message, kind: ChangeKind = "edited", **fields: Any) -> Message:
        """Put a changed message in the place of the old one."""
        after = replace(message, **fields)
        self._store(after)
        self._tell(Change(kind, message.channel, after, message, by=message.author))
        return after

    def delete(self, message: Message) -> None:
        """Remove a message; a parent with replies leaves a tombstone."""
        if message.only_for:
            self._whispers[message.channel].pop(message.ts, None)
        elif self._threads.get((message.channel, message.ts)):
            grave = {
                "type": "message", "subtype": "tombstone", "user": seed.SLACKBOT_ID, "hidden": True,
                "text": "This message was deleted.", "ts": message.ts,
            }  # fmt: skip
            self._store(Message(message.channel, message.ts, grave))
        else:
            self._messages[message.channel].pop(message.ts)
            self._shelf.drop("message", f"{message.channel} {message.ts}")
        if message.thread_ts:
            self._threads[message.channel, message.thread_ts].remove(message.ts)
        self._tell(Change("deleted", message.channel, message, message, by=message.author))

    def find(self, channel_id: str, ts: object) -> Message | None:
        """A message by its ts, ephemeral ones included."""
        if not isinstance(ts, str):
            return None
        found = self._messages.get(channel_id, {}).get(ts)
        return found or self._whispers.get(channel_id, {}).get(ts)

    def get(self, channel_id: str, ts: object) -> Message:
        """A kept message by its ts, or Slack's `message_not_found`."""
        message = self.find(channel_id, ts)
        if message is None or message.only_for:
            raise Refusal("message_not_found")
        return message

    def top_level(self, channel_id: str) -> list[Message]:
        """What a channel shows: no replies unless broadcast; oldest first."""
        messages = self._messages.get(channel_id, {}).values()
        return [
            m for m in messages
            if not m.thread_ts or m.body.get("subtype") == "thread_broadcast"
        ]  # fmt: skip

    def replies(self, channel_id: str, ts: str) -> list[Message]:
        """The replies of a thread, oldest first."""
        kept = self._messages.get(channel_id, {})
        return [kept[reply] for reply in self._threads.get((channel_id, ts), [])]

    def whispers(self, channel_id: str, user_id: str, thread_ts: str | None) -> list[Message]:
        """Ephemeral messages one person still sees, in a thread or at top level."""
        messages = self._whispers.get(channel_id, {}).values()
        return [m for m in messages if m.only_for == user_id and m.thread_ts == thread_ts]

    def react(self, message: Message, name: str, user_id: str, *, add: bool) -> None:
        """Add or take back a reaction."""
        users = message.reactions.get(name, ())
        if add == (user_id in users):
            raise Refusal("already_reacted" if add else "no_reaction")
        users = (*users, user_id) if add else tuple(u for u in users if u != user_id)
        reactions = {**message.reactions, name: users}
        after = replace(message, reactions={n: u for n, u in reactions.items() if u})
        self._store(after)
        self._tell(Change("reacted", message.channel, after, message, user_id, name, add))

    def _store(self, message: Message) -> None:
        if message.only_for:
            self._whispers.setdefault(message.channel, {})[message.ts] = message
            return
        self._messages.setdefault(message.channel, {})[message.ts] = message
        record = {**vars(message), "tasks": [*message.tasks]}
        self._shelf.put("message", f"{message.channel} {message.ts}", record)

    # ------------------------------------------------------------------ reading

    def mark_read(self, user_id: str, channel_id: str) -> None:
        """Note that a person has seen a channel up to now."""
        messages = self.top_level(channel_id)
        if messages and self._read.get((user_id, channel_id)) != messages[-1].ts:
            self._read[user_id, channel_id] = messages[-1].ts
            self._shelf.put("read", f"{user_id} {channel_id}", {"ts": messages[-1].ts})

    def unread(self, user_id: str, channel_id: str) -> int:
        """How many top-level messages of others a person has not seen."""
        seen = micros_from_ts(self._read.get((user_id, channel_id), "0"))
        count = 0
        for message in reversed(self.top_level(channel_id)):
            if micros_from_ts(message.ts) <= seen:
                break
            count += message.author != user_id
        return count

    # ------------------------------------------------------------------ as Slack shows it

    def wire(self, message: Message, *, metadata: bool = False) -> Json:
        """A message as `conversations.history` returns it."""
        body = {k: v for k, v in message.body.items() if k != "metadata" or metadata}
        replies = self.replies(message.channel, message.ts)
        if replies:
            people = list(dict.fromkeys(reply.author for reply in replies))
            body |= {
                "thread_ts": message.ts,
                "reply_count": len(replies),
                "reply_users": people,
                "reply_users_count": len(people),
                "latest_reply": replies[-1].ts,
            }
        if message.reactions:
            body["reactions"] = wire_reactions(message)
        return body

    def page_wire(self, message: Message) -> Json:
        """A message as the page draws it: tasks and stream state beside the blocks."""
        body = self.wire(message, metadata=True)
        if message.tasks:
            body["blocks"] = [b for b in body.get("blocks", []) if b["type"] != "task_card"]
        author = self.people.get(message.author)
        return {
            **body,
            "username": body.get("username") or (author.real_name if author else message.author),
            "streaming": message.streaming,
            "tasks": [*message.tasks],
            "ephemeral": message.only_for is not None,
        }

    def _tell(self, change: Change) -> None:
        for listener in self.listeners:
            listener(change)


def wire_reactions(message: Message) -> list[Json]:
    """Reactions as Slack lists them."""
    return [
        {"name": name, "users": list(users), "count": len(users)}
        for name, users in message.reactions.items()
    ]


def open_workspace(
    path: Path | None, clock: WorldClock, everybody: Iterable[Person] = seed.PEOPLE
) -> tuple[Shelf, Workspace]:
    """Open the file and the chat in it."""
    shelf = Shelf(path)
    return shelf, Workspace(shelf, clock, everybody)


def names_of(person: Person) -> Iterable[str]:
    """What people type after @ to mean this person."""
    return {person.name, person.real_name, person.real_name.replace(" ", "-").lower()}
