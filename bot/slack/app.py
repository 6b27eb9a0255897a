"""The Slack room: Bolt, the inbox and the outbox over core, as one thing to start and stop.

    room = build_room(workspace, deps, replies)
    await room.start()     connects when Slack is there, and keeps trying until it is
    await room.stop()      what runs is cancelled; its rows stay and are taken over

Socket Mode needs `app_token`; in HTTP mode the composition root mounts `room.handle_http`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackClientError

from bot.slack.delivery.outbox import OutboxWorker
from bot.slack.delivery.renderers import Here, renderers_over
from bot.slack.delivery.ways import Ways
from bot.slack.deps import SlackDeps
from bot.slack.front_door import FrontDoor
from bot.slack.inbox import InboxWorker
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import LISTENERS
from bot.slack.recovery import Recovery
from bot.slack.replies import SlackReplies
from bot.slack.socket_lane import LanedSocket
from bot.slack.workspace import Workspace
from foundation.retries import RetryPolicy
from tools.errors import BackendError

log = structlog.get_logger(__name__)

_SECONDS = re.compile(r"[0-9]{1,12}")
CONNECT_AGAIN = RetryPolicy(  # wall time; replicas that lost Slack together come back apart
    first=timedelta(seconds=1), longest=timedelta(seconds=30), jitter_ratio=0.2
)


@dataclass(slots=True)
class SlackRoom:
    """Everything of Slack that the composition root touches."""

    workspace: Workspace
    app: AsyncApp
    door: FrontDoor
    inbox: InboxWorker
    outbox: OutboxWorker
    replies: SlackReplies
    recovery: Recovery
    _socket: LanedSocket | None = None
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
        await self.door.stop()
        await self.inbox.stop()
        await self.outbox.stop()

    async def handle_http(self, request: Any) -> Any:
        """Answer one request of Slack (a Starlette request) in HTTP mode, at /slack/events."""
        stamp = request.headers.get("x-slack-request-timestamp", "")
        if _SECONDS.fullmatch(stamp) is None:  # Bolt would read it as a number, and fail
            from starlette.responses import PlainTextResponse

            return PlainTextResponse("X-Slack-Request-Timestamp must be whole seconds", 401)
        if self._http is None:
            from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler

            self._http = AsyncSlackRequestHandler(self.app)
        return await self._http.handle(request)

    def wake(self) -> None:
        """Look at the tables now instead of at the next poll."""
        self.inbox.wake()
        self.outbox.wake()

    async def _connect(self) -> None:
        failures, token = 0, self.workspace.config.app_token
        while True:
            try:
                await self.workspace.book.load()
                await self.workspace.bot.known()  # what links to messages begin with
                if token and self._socket is None:
                    places = self.workspace.config.door_concurrency
                    handler = LanedSocket(self.app, token, self.door.lane_of, places)
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


def build_room(workspace: Workspace, deps: SlackDeps, replies: SlackReplies) -> SlackRoom:
    """Build the room over core; nothing is connected yet."""
    config, store, clock = workspace.config, deps.store, deps.clock
    quiet = logging.getLogger("slack_bolt")
    app = AsyncApp(
        client=workspace.client, signing_secret=config.signing_secret or "unused", logger=quiet
    )
    renderers = renderers_over(config.link_hosts, deps.ruling, Here(clock, workspace.bot.link_to))
    outbox = OutboxWorker(workspace, store, clock, renderers, Ways(workspace, deps.access))
    room = Room(workspace, deps, replies, outbox)
    inbox = InboxWorker(config, store, clock, room, LISTENERS)
    door = FrontDoor(config, store, clock, room, inbox, LISTENERS)
    door.open(app)
    return SlackRoom(
        workspace=workspace,
        app=app,
        door=door,
        inbox=inbox,
        outbox=outbox,
        replies=replies,
        recovery=Recovery(workspace, store, clock, replies),
    )
