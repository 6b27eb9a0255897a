"""The local Slack: one aiohttp server with the Web API, Socket Mode, files and the page.

server = await start_slack("127.0.0.1", 18900, db_path=..., clock=...)
AsyncWebClient(token=server.bot_token, base_url=server.api_url)
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aiohttp import web

from sandbox.clock import Clock
from sandbox.slack.application import application
from sandbox.slack.chat import people
from sandbox.slack.chat.files import FILE_SECONDS, Files
from sandbox.slack.chat.wire import Json, WorldClock
from sandbox.slack.chat.workspace import Message, open_workspace
from sandbox.slack.deeds import DeedError, Deeds
from sandbox.slack.events import Events
from sandbox.slack.hub import Hub
from sandbox.slack.identity import interactive
from sandbox.slack.limits import RateLimits
from sandbox.slack.manifest import read_manifest
from sandbox.slack.page import Page
from sandbox.slack.parts import STREAM_SECONDS, Parts
from sandbox.slack.responses import Responses
from sandbox.slack.socket_mode import ACK_SECONDS, SocketMode
from sandbox.slack.tenant import ONE_WORKSPACE, Tenant
from sandbox.slack.triggers import TRIGGER_SECONDS, Triggers
from sandbox.slack.views import Views
from sandbox.slack.webapi import WebApi

BOT_TOKEN = "xoxb-sandbox-bot"
APP_TOKEN = "xapp-sandbox-app"

PATIENCE = 150.0  # wall seconds: a busy machine is slow, a hang is longer
T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Wall-clock limits; Slack's own unless a test shortens them.

    Attributes:
        ack_seconds: time to acknowledge an envelope.
        retry_scale: factor on the waits between redeliveries of an event.
        trigger_seconds: life of a trigger id.
        stream_seconds: life of a stream that is not stopped.
        file_seconds: time until an uploaded file can be shown.
        real_limits: refuse calls that come more often than Slack allows.
    """

    ack_seconds: float = ACK_SECONDS
    retry_scale: float = 1.0
    trigger_seconds: float = TRIGGER_SECONDS
    stream_seconds: float = STREAM_SECONDS
    file_seconds: float = FILE_SECONDS
    real_limits: bool = True


LIKE_SLACK = Timing()


class SlackServer:
    """A running local Slack, and the hands of the people in it for tests and demos.

    People are named by id or name (`"alice"`), channels by id or name (`"#incidents"`).
    """

    bot_token: str
    app_token: str

    def __init__(self, parts: Parts, deeds: Deeds, api: WebApi, runner: web.AppRunner) -> None:
        """Wrap what `start_slack` built."""
        self.parts = parts
        self.deeds = deeds
        self.api = api
        self.bot_token = api.bot_token
        self.app_token = api.app_token
        self._runner = runner

    @property
    def url(self) -> str:
        """The page's address, without a trailing slash."""
        return self.parts.base_url

    @property
    def api_url(self) -> str:
        """The Web API's base URL, as slack_sdk wants it."""
        return f"{self.parts.base_url}/api/"

    @property
    def is_bot_connected(self) -> bool:
        """Whether the bot is connected over Socket Mode."""
        return self.parts.socket.is_connected

    @property
    def calls(self) -> list[tuple[str, Json]]:
        """The latest Web API calls: method and arguments."""
        return list(self.api.calls)

    # ------------------------------------------------------------------ people's hands

    def post_as(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> str:
        """Write a message; returns its ts ('' for a slash command)."""
        user_id = self.user_id(user)
        return self.deeds.post(user_id, self.channel_id(channel, user_id), text, thread_ts) or ""

    async def command(self, user: str, channel: str, text: str) -> bool:
        """Run a slash command; tells whether the bot acknowledged it."""
        user_id = self.user_id(user)
        place = self.parts.chat.channel(self.channel_id(channel, user_id))
        return await self.deeds.command(user_id, place, text, None)

    async def click(
        self,
        user: str,
        channel: str,
        message_ts: str,
        action_id: str,
        *,
        value: str | None = None,
        choice: Json | None = None,
    ) -> bool:
        """Use an element of a message; tells whether the bot acknowledged it.

        `value` picks one of several buttons with the same action id; `choice` carries what a
        select holds, e.g. `{"selected_option": {...}}`.
        """
        user_id = self.user_id(user)
        channel_id = self.channel_id(channel, user_id)
        message = self.message(channel_id, message_ts)
        fitting = [
            (around, element)
            for around, element in interactive(message.body.get("blocks", []))
            if element["action_id"] == action_id and value in (None, element.get("value"))
        ]
        if not fitting:
            error = f"message {message_ts!r} has no element {action_id!r} with value {value!r}"
            raise DeedError(error)
        around, _ = fitting[0]
        action = {"action_id": action_id, **(choice or {})}
        return await self.deeds.act(
            user_id, action, channel_id=channel_id, message_ts=message_ts, block_id=around[-1]
        )

    async def click_in_view(
        self, user: str, view_id: str, action_id: str, choice: Json | None = None
    ) -> bool:
        """Use an element of a modal or Home."""
        action = {"action_id": action_id, **(choice or {})}
        return await self.deeds.act(self.user_id(user), action, view_id=view_id)

    async def submit(self, user: str, values: Json, view_id: str | None = None) -> Json:
        """Submit the person's topmost modal; values are `{block_id: {action_id: {...}}}`."""
        user_id = self.user_id(user)
        return await self.deeds.submit(user_id, view_id or self.modal(user)["id"], values)

    async def shortcut(self, user: str, callback_id: str, channel: str, message_ts: str) -> bool:
        """Use a message shortcut."""
        user_id = self.user_id(user)
        place = self.channel_id(channel, user_id)
        return await self.deeds.shortcut(user_id, callback_id, place, message_ts)

    def react(self, user: str, channel: str, ts: str, name: str, *, add: bool = True) -> None:
        """Add or take back a reaction."""
        user_id = self.user_id(user)
        self.deeds.react(user_id, self.channel_id(channel, user_id), ts, name, add=add)

    def open_home(self, user: str) -> None:
        """Open the bot's Home tab."""
        self.deeds.open_home(self.user_id(user))

    def open_assistant(self, user: str) -> tuple[str, str]:
        """Open the assistant pane, or the agent's messages; returns channel id and thread ts."""
        return self.deeds.open_assistant(self.user_id(user))

    def stop_agent(self, user: str, channel: str, thread_ts: str) -> list[str]:
        """Press Slack's own stop button of a thread; returns the streams that ended."""
        user_id = self.user_id(user)
        return self.deeds.stop_agent(user_id, self.channel_id(channel, user_id), thread_ts)

    def invite(self, user: str, channel: str) -> None:
        """Let somebody (also the bot, `"sre"`) join a channel."""
        user_id = self.user_id(user)
        self.parts.chat.add_member(self.channel_id(channel, user_id), user_id, by=people.ALICE)

    def remove(self, user: str, channel: str) -> None:
        """Let somebody (also the bot) leave a channel."""
        user_id = self.user_id(user)
        self.parts.chat.remove_member(self.channel_id(channel, user_id), user_id)

    def archive(self, channel: str, *, archived: bool = True) -> None:
        """Archive a channel, or take it back."""
        self.parts.chat.archive(self.channel_id(channel), archived=archived)

    def restrict(self, channel: str, posting: str) -> None:
        """Forbid all (`read_only`), all but replies (`thread_only`), replies (`non_threadable`)."""
        self.parts.chat.restrict(self.channel_id(channel), posting)

    def lock_thread(self, channel: str, ts: str) -> None:
        """Let nobody answer in a thread any more."""
        self.parts.locked.add((self.channel_id(channel), ts))

    # ------------------------------------------------------------------ looking

    def messages(self, channel: str, *, user: str = people.ALICE) -> list[Json]:
        """Top-level messages of a channel as the page shows them, oldest first."""
        chat = self.parts.chat
        place = self.channel_id(channel, self.user_id(user))
        return [chat.page_wire(message) for message in chat.top_level(place)]

    def thread(self, channel: str, ts: str, *, user: str = people.ALICE) -> list[Json]:
        """A thread: parent first, then replies."""
        chat = self.parts.chat
        place = self.channel_id(channel, self.user_id(user))
        parent = chat.get(place, ts)
        return [chat.page_wire(message) for message in (parent, *chat.replies(place, ts))]

    def ephemerals(self, user: str, channel: str) -> list[Json]:
        """What only this person sees in a channel, threads included."""
        user_id = self.user_id(user)
        place = self.channel_id(channel, user_id)
        return [
            event["message"]
            for viewer, event in self.parts.hub.pushed
            if viewer == user_id and event["type"] == "ephemeral" and event["channel"] == place
        ]

    def message(self, channel: str, ts: str) -> Message:
        """One message, ephemeral ones included."""
        found = self.parts.chat.find(self.channel_id(channel), ts)
        if found is None:
            error = f"no message {ts!r} in {channel!r}"
            raise DeedError(error)
        return found

    def modal(self, user: str) -> Json:
        """The person's topmost open modal."""
        stack = self.parts.views.stack(self.user_id(user))
        if not stack:
            error = f"{user!r} has no modal open"
            raise DeedError(error)
        return stack[-1]

    def home(self, user: str) -> Json | None:
        """The person's published App Home."""
        return self.parts.views.home(self.user_id(user))

    def pushed(self, user: str, kind: str) -> list[Json]:
        """The latest events of one type pushed to a person's page."""
        user_id = self.user_id(user)
        return [e for viewer, e in self.parts.hub.pushed if viewer == user_id and e["type"] == kind]

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float = PATIENCE) -> T:
        """Wait (wall seconds) until the predicate returns something true, and return that."""
        return await self.parts.hub.wait_for(predicate, timeout)

    async def wait_for_bot(self, timeout: float = PATIENCE) -> None:
        """Wait until the bot is connected."""
        await self.wait_for(lambda: self.is_bot_connected, timeout)

    # ------------------------------------------------------------------ trouble on demand

    def rate_limit(self, method: str, count: int = 1, retry_after: int = 1) -> None:
        """Answer the next `count` calls of a method with 429."""
        self.api.switches.limited[method] = (count, retry_after)

    def fail(
        self, method: str, count: int = 1, *, status: int | None = None, error: str | None = None
    ) -> None:
        """Let the next `count` calls of a method fail: an HTTP status, or a Slack error word."""
        self.api.switches.failing[method] = (count, status, error or "internal_error")

    def lose(self, method: str, count: int = 1) -> None:
        """Let the next `count` calls of a method take effect, and lose their answers."""
        self.api.switches.lost[method] = count

    async def disconnect_all(self) -> None:
        """Ask every Socket Mode client to reconnect."""
        await self.parts.socket.disconnect_all()

    async def drop_all(self) -> None:
        """Cut every Socket Mode connection."""
        await self.parts.socket.drop_all()

    # ------------------------------------------------------------------ names

    def user_id(self, name: str) -> str:
        """A person's id from id or name."""
        known = self.parts.chat.people
        for person in known.values():
            if name.removeprefix("@") in {person.id, person.name}:
                return person.id
        error = f"nobody here is {name!r}; known are {', '.join(p.name for p in known.values())}"
        raise DeedError(error)

    def channel_id(self, name: str, user_id: str = people.ALICE) -> str:
        """A channel's id from id or name; `"dm"` is the person's conversation with the bot."""
        if name == "dm":
            return self.parts.chat.direct(user_id).id
        channel = self.parts.chat.find_channel(name)
        if channel is None:
            known = [f"#{c.name}" for c in self.parts.chat.channels.values() if c.name]
            error = f"no channel {name!r}; known are {', '.join(known)} and 'dm'"
            raise DeedError(error)
        return channel.id

    async def close(self) -> None:
        """Stop the server; the chat stays in its file."""
        self.parts.streams.clear()
        self.parts.chat.listeners.clear()
        await self.deeds.close()
        await self.parts.socket.close()
        await self._runner.cleanup()
        self.parts.shelf.close()


async def start_slack(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    db_path: Path | str | None = None,
    clock: WorldClock | None = None,
    manifest: Json | None = None,
    timing: Timing = LIKE_SLACK,
    tenant: Tenant = ONE_WORKSPACE,
) -> SlackServer:
    """Start a local Slack; port 0 takes a free one, `db_path=None` keeps the chat in memory.

    Raises:
        OSError: the port is in use.
        ValueError: the file at `db_path` is not a local Slack's.
    """
    clock = clock or Clock()
    everybody = people.grid_people() if tenant.grid else people.PEOPLE
    shelf, chat = open_workspace(Path(db_path) if db_path else None, clock, everybody)
    hub, files = Hub(), Files(shelf, timing.file_seconds)
    parts = Parts(
        clock, read_manifest(manifest), shelf, chat, hub, files,
        Views(shelf, hub, files, clock), Triggers(timing.trigger_seconds),
        SocketMode(timing.ack_seconds, timing.retry_scale), timing.stream_seconds,
        tenant=tenant,
    )  # fmt: skip
    events, responses = Events(parts), Responses(parts)
    deeds = Deeds(parts, events, responses)
    api = WebApi(parts, BOT_TOKEN, APP_TOKEN, RateLimits(tenant.distributed))
    api.switches.real_limits = timing.real_limits
    page = Page(parts, deeds, api)
    parts.socket.on_connected = page.on_connected
    parts.socket.on_settled = hub.stir
    chat.listeners += [page.on_change, events.on_change]
    runner = web.AppRunner(application(parts, api, page, responses), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        shelf.close()
        raise
    bound = runner.addresses[0][1]
    parts.base_url = f"http://{'127.0.0.1' if host in {'', '0.0.0.0'} else host}:{bound}"
    return SlackServer(parts, deeds, api, runner)
