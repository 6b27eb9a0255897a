"""Every envelope is read and committed before Slack is told yes.

    Slack ──> read ──> commit ──> ack ──> what cannot wait (a modal, a form's errors)
                          │         └───> the inbox does the rest (`bot.slack.inbox`)
                          └ failed: no ack

What is committed is clean of the secrets in it. Slack delivers events again when there was no ack;
who clicked, typed or sent a form then sees Slack's own warning. An envelope that lacks something is
acknowledged too: the inbox tells who sent it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.middleware.async_middleware import AsyncMiddleware

from bot.core.ports import Clock, Store
from bot.slack.inbox import InboxWorker
from bot.slack.interactions import Interaction, MalformedError, dedupe_key, kind_of, parse
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import Table
from bot.slack.reporting import report

log = structlog.get_logger(__name__)

Ack = Callable[..., Awaitable[Any]]
CLOSED = "closed"  # a modal was: nobody acts on it
INTERACTION = "sre_agent_interaction"  # in Bolt's context: what was read
DUPLICATE = "sre_agent_duplicate"  # in Bolt's context: it came before


class FrontDoor:
    """Bolt's side: reads, commits, acknowledges, and does what cannot wait."""

    def __init__(
        self, store: Store, clock: Clock, room: Room, worker: InboxWorker, table: Table
    ) -> None:
        self._store, self._clock, self._room = store, clock, room
        self._worker, self._table = worker, table

    def open(self, app: AsyncApp) -> None:
        """Register the global middleware and the listeners on a Bolt app."""
        anything = re.compile(".*", re.DOTALL)
        app.middleware(_Keep(self))
        app.event(anything)(self.heard)
        app.command(anything)(self.commanded)
        app.action(anything)(self.clicked)
        app.shortcut(anything)(self.clicked)
        app.view(anything)(self.sent)

    async def keep(self, request: AsyncBoltRequest) -> bool:
        """Commit an envelope; an exception here means: no acknowledgement.

        Returns False for one that no listener can read.
        """
        body = request.body
        kind, key = kind_of(body), dedupe_key(body)
        if not kind or kind == CLOSED:
            return True
        clean = self._room.deps.redactor.json(body)
        async with self._store.begin() as tx:
            new = await tx.inbox.add(key, kind, clean, self._clock.wall())
        try:
            read = parse(kind, body)
        except MalformedError:
            self._worker.wake()
            return False
        request.context[INTERACTION] = read
        if not new:
            log.info("inbox.duplicate", kind=kind, key=key)
            request.context[DUPLICATE] = True
        return True

    async def heard(self) -> None:
        """An event: Bolt has acknowledged it."""
        self._worker.wake()

    async def commanded(self, ack: Ack) -> None:
        """A slash command: answered from the inbox."""
        await ack()
        self._worker.wake()

    async def clicked(self, ack: Ack, context: dict[str, Any]) -> None:
        """A button or shortcut: acknowledged, and its modal opened while the trigger lives."""
        await ack()
        self._worker.wake()
        read: Interaction | None = context.get(INTERACTION)
        if read is not None and not context.get(DUPLICATE):
            await self._in_time(read)

    async def sent(self, ack: Ack, context: dict[str, Any]) -> None:
        """A form: its errors are the acknowledgement."""
        read: Interaction = context[INTERACTION]
        listener = self._table.find(read)
        errors = await listener.check(self._room, read) if listener and listener.check else {}
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        await ack()
        self._worker.wake()

    async def _in_time(self, interaction: Interaction) -> None:
        listener = self._table.find(interaction)
        if listener is None:
            return
        try:
            await listener.in_time(self._room, interaction)
        except Exception as error:  # noqa: BLE001 - a listener's outer boundary: reported and told
            report("listener.failed", error, name=interaction.name, user=interaction.user)
            await self._room.say_privately(interaction, "slack.failed", name=interaction.name)


class _Keep(AsyncMiddleware):
    """The front door as Bolt's global middleware, before Bolt reads anything into the payload."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[Any]]
    ) -> BoltResponse | None:
        """Commit, then let the listeners have it."""
        if not await self._door.keep(req):
            return BoltResponse(status=200, body="")
        await next()
        return resp
