"""The Slack room: Bolt, the inbox, the outbox and the people, as one thing to start and stop.

    room = build_app(config, deps)
    await room.start()     connects when Slack is there, and keeps trying until it is
    room.reply_for(run)    where an answer appears while it is made
    await room.stop()      what runs is cancelled; its rows stay and are taken over

Socket Mode needs `app_token`; in HTTP mode the composition root mounts `room.handle_http`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.ports import Directory, Reply
from bot.domain.ids import ChannelId
from bot.domain.question import Voice
from bot.domain.run import Running
from bot.slack.config import SlackConfig
from bot.slack.directory import ChannelBook, SlackDirectory, SlackHistory
from bot.slack.doors import SlackDeps
from bot.slack.inbox import FrontDoor, InboxWorker
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import LISTENERS
from bot.slack.outbox import OutboxWorker
from bot.slack.recovery import Recovery
from bot.slack.stream import SlackReplies
from bot.slack.views import views_over
from bot.slack.voices import Voices
from foundation.retries import RetryPolicy
from tools.errors import BackendError
from tools.world import ServiceSpec

log = structlog.get_logger(__name__)

CONNECT_AGAIN = RetryPolicy(  # wall time; replicas that lost Slack together come back apart
    first=timedelta(seconds=1), longest=timedelta(seconds=30), jitter_ratio=0.2
)


@dataclass(slots=True)
class SlackRoom:
    """Everything of Slack that the composition root touches."""

    config: SlackConfig
    app: AsyncApp
    client: AsyncWebClient
    inbox: InboxWorker
    outbox: OutboxWorker
    directory: Directory
    history: SlackHistory
    book: ChannelBook
    replies: SlackReplies
    voices: Voices
    recovery: Recovery
    _socket: AsyncSocketModeHandler | None = None
    _connecting: asyncio.Task[None] | None = None
    _http: Any = None

    async def start(self) -> None:
        """Start the workers and connect in the background; Slack may be away for now."""
        self.outbox.start()
        self.inbox.start()
        self._connecting = asyncio.create_task(self._connect(), name="slack connect")

    async def connected(self) -> None:
        """Wait until the first connection stands."""
        if self._connecting is not None:
            await asyncio.shield(self._connecting)

    async def stop(self) -> None:
        """Hear nothing more, then drain; what is not finished stays a row."""
        if self._connecting is not None:
            self._connecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._connecting
        if self._socket is not None:
            await self._socket.close_async()  # type: ignore[no-untyped-call]
        await self.inbox.stop()
        await self.outbox.stop()

    async def handle_http(self, request: Any) -> Any:
        """Answer one request of Slack (a Starlette request) in HTTP mode, at /slack/events."""
        if self._http is None:
            from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler

            self._http = AsyncSlackRequestHandler(self.app)
        return await self._http.handle(request)

    def reply_for(self, run: Running) -> Reply:
        """Return where a run's answer appears; safe for any run row, also after a restart."""
        return self.replies.for_run(run, fresh=False)

    def voice_of(self, channel: ChannelId) -> Voice:
        """Return how a channel is spoken to."""
        return self.voices.of(channel)

    def channel_of(self, service: ServiceSpec | None) -> ChannelId:
        """Return the channel a service's findings go to."""
        name = service.channel if service is not None and service.channel else ""
        return self.book.known(name or self.config.incidents_channel)

    def digest_channel(self) -> ChannelId:
        """Return the channel of the digest."""
        return self.book.known(self.config.digest_channel)

    def wake(self) -> None:
        """Look at the tables now instead of at the next poll."""
        self.inbox.wake()
        self.outbox.wake()

    async def health(self) -> tuple[bool, str]:
        """Say whether Slack answers, for readiness."""
        return await _greet(self.client, self.config)

    async def _connect(self) -> None:
        failures = 0
        while True:
            try:
                await self.book.load()
                if self.config.app_token and self._socket is None:
                    handler = AsyncSocketModeHandler(self.app, app_token=self.config.app_token)
                    await handler.connect_async()  # type: ignore[no-untyped-call]
                    self._socket = handler
                break
            except (SlackClientError, BackendError, OSError, TimeoutError) as error:
                failures += 1
                chance = random.random()  # noqa: S311 - spreads connections, guards nothing
                wait = CONNECT_AGAIN.wait_after(failures, chance).total_seconds()
                log.warning("slack.unreachable", why=str(error), again_in_seconds=round(wait, 1))
                await asyncio.sleep(wait)
        log.info("slack.connected", mode="socket" if self._socket else "http")
        try:
            await self.recovery.finish_what_was_said()
        except (SlackClientError, BackendError, OSError, TimeoutError) as error:
            log.warning("slack.recovery_failed", why=str(error))
        self.wake()


def _client(config: SlackConfig, *, repeats: bool) -> AsyncWebClient:
    """A client; one that posts must not repeat a post whose fate is unknown."""
    handlers: list[Any] = [AsyncRateLimitErrorRetryHandler(max_retry_count=2)]
    if repeats:
        handlers.insert(0, AsyncConnectionErrorRetryHandler())
    return AsyncWebClient(
        token=config.bot_token, base_url=config.api_url, retry_handlers=handlers, timeout=15
    )


async def check_slack(config: SlackConfig) -> tuple[bool, str]:
    """Say whether Slack knows our token, for doctor; nothing is built or connected."""
    client = _client(config, repeats=False)
    try:
        return await _greet(client, config)
    finally:
        if client.session is not None:
            await client.session.close()


async def _greet(client: AsyncWebClient, config: SlackConfig) -> tuple[bool, str]:
    try:
        me = await client.auth_test()
    except (SlackClientError, OSError, TimeoutError) as error:
        why = " ".join(str(error).split())
        return False, f"{config.api_url}: {why}"
    return True, f"connected as {me['user']} to {me['team']}"


def build_app(config: SlackConfig, deps: SlackDeps) -> SlackRoom:
    """Build the room; nothing is connected yet."""
    client, poster = _client(config, repeats=True), _client(config, repeats=False)
    quiet = logging.getLogger("slack_bolt")
    app = AsyncApp(client=client, signing_secret=config.signing_secret or "unused", logger=quiet)
    book = ChannelBook(client, deps.clock)
    voices = Voices(config, book)
    directory = deps.directory or SlackDirectory(client, deps.clock, lambda: _groups(deps))
    replies = SlackReplies(client, poster, deps.store, deps.clock, voices, book, config.link_hosts)
    views = views_over(config.link_hosts, deps.ruling)
    outbox = OutboxWorker(config, deps.store, deps.clock, poster, voices, book, views)
    room = Room(config, deps, client, directory, book, voices, replies, outbox)
    inbox = InboxWorker(config, deps.store, deps.clock, room, LISTENERS)
    FrontDoor(deps.store, deps.clock, room, inbox, LISTENERS).open(app)
    return SlackRoom(
        config=config,
        app=app,
        client=client,
        inbox=inbox,
        outbox=outbox,
        directory=directory,
        history=SlackHistory(client, book),
        book=book,
        replies=replies,
        voices=voices,
        recovery=Recovery(client, deps.store, deps.clock, book, replies),
    )


def _groups(deps: SlackDeps) -> frozenset[str]:
    """Return the user groups that the access configuration names."""
    access = deps.access()
    scopes = [access.holders, *access.channels.values(), *access.services.values()]
    named = {name for scope in scopes for names in scope.values() for name in names}
    return frozenset(name for name in named if name.startswith("S"))
