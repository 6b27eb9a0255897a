"""Every envelope that is for us is read and committed before Slack is told yes.

    Slack ──> read ──> for us? ──> commit ──> ack ──> what cannot wait (a modal, a form's errors)
                │                    │  └───────────> the inbox does the rest (`bot.slack.inbox`)
                │                    └ failed: no ack; a halt is pulled by hand, and owed
                └ talk that nobody heeds: acknowledged, and not kept

What is committed is clean of the secrets in it. Few are committed at once, so that a halt waits for
those few and not for all that people said before. Who asks more often than the limit is told; what
brakes is taken always. Slack delivers events again when there was no ack; who clicked, typed or
sent a form then sees Slack's own warning. An envelope that lacks something is acknowledged too: the
inbox tells who sent it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.middleware.async_middleware import AsyncMiddleware

from bot.core.ports import BRAKE, Clock, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.slack.config import SlackConfig
from bot.slack.inbox import InboxWorker
from bot.slack.interactions import (
    EVENT,
    Interaction,
    MalformedError,
    Read,
    dedupe_key,
    kind_of,
    read_of,
)
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import Table
from bot.slack.reporting import report
from foundation.rates import RateLimit
from tools.errors import BackendError

log = structlog.get_logger(__name__)

Ack = Callable[..., Awaitable[Any]]
CLOSED = "closed"  # a modal was: nobody acts on it
INTERACTION = "sre_agent_interaction"  # in Bolt's context: what was read
LANE = "sre_agent_lane"  # in Bolt's context: the lane it is committed in; absent when it is not
# What the socket read of the envelope that this task is about.
_READ: ContextVar[tuple[Mapping[str, Any], Read] | None] = ContextVar("read", default=None)
DUPLICATE = "sre_agent_duplicate"  # in Bolt's context: it came before
UNKEPT = "sre_agent_unkept"  # in Bolt's context: the database has not taken it yet
TOO_MANY = "sre_agent_too_many"  # in Bolt's context: after so many seconds it would be taken
ON_THE_LOOP = 20_000  # characters that are looked through there; more are in a thread
OWED_AGAIN_SECONDS = 1.0  # between two tries to commit a halt


def _read(body: Mapping[str, Any]) -> Read:
    """Return an envelope as it is read: what the socket read of this very one, if it did."""
    found = _READ.get()
    if found is not None and found[0] is body:
        return found[1]
    return read_of(kind_of(body), body)


class FrontDoor:
    """Bolt's side: reads, commits, acknowledges, and does what cannot wait."""

    def __init__(
        self,
        config: SlackConfig,
        store: Store,
        clock: Clock,
        room: Room,
        worker: InboxWorker,
        table: Table,
    ) -> None:
        self._config, self._store, self._clock, self._room = config, store, clock, room
        self._worker, self._table = worker, table
        self._few = asyncio.Semaphore(config.door_concurrency)
        self._asked = RateLimit(config.asked_per_minute)
        self._braked = RateLimit(config.asked_per_minute)
        self._told = RateLimit(1)
        self._owed: KeyedTasks[str] = KeyedTasks("owed halt")

    def open(self, app: AsyncApp) -> None:
        """Register the global middleware and the listeners on a Bolt app."""
        anything = re.compile(".*", re.DOTALL)
        app.middleware(_Keep(self))
        app.event(anything)(self.heard)
        app.command(anything)(self.commanded)
        app.action(anything)(self.clicked)
        app.shortcut(anything)(self.clicked)
        app.view(anything)(self.sent)

    def limit_asking(self, most: int) -> None:
        """Let one person ask so often in a minute from now on."""
        self._asked = RateLimit(most)

    async def stop(self) -> None:
        """Owe nothing any more: a halt that was not committed stands in its file."""
        await self._owed.drain()

    def lane_of(self, body: Mapping[str, Any]) -> str:
        """Return the lane that a payload takes; empty for what cannot be read.

        What was read is kept for `keep`, which is asked next in the same task.
        """
        read = read_of(kind_of(body), body)
        _READ.set((body, read))
        if isinstance(read, MalformedError):
            return ""
        listener = self._table.find(read)
        return listener.lane if listener is not None else ""

    async def keep(self, request: AsyncBoltRequest) -> bool:
        """Commit an envelope; an exception here means: no acknowledgement.

        Returns False for one that no listener can read.
        """
        body, context = request.body, request.context
        kind = kind_of(body)
        if not kind or kind == CLOSED:
            return True
        read = _read(body)
        if isinstance(read, MalformedError):
            await self._commit(kind, body)
            self._worker.wake()
            return False
        context[INTERACTION] = read
        listener = self._table.find(read)
        if kind == EVENT and (listener is None or not listener.heeds(read)):
            return True
        lane = listener.lane if listener is not None else ""
        limit = self._braked if lane else self._asked
        if seconds := limit.wait(read.user, self._clock.monotonic()):
            log.warning("asked.too_often", user=read.user, kind=kind, name=read.name)
            if not lane:
                context[TOO_MANY] = seconds
                return True
            lane = ""  # taken, and not before what others want
        context[LANE] = lane
        if listener is not None and listener.unkept is not None:
            await self._keep_or_owe(kind, body, context)
        elif not await self._commit(kind, body, lane):
            log.info("inbox.duplicate", kind=kind, key=read.key)
            context[DUPLICATE] = True
        return True

    async def _commit(self, kind: str, body: Mapping[str, Any], lane: str = "") -> bool:
        """Keep it; False when it was kept before."""
        async with nullcontext() if lane else self._few:
            cut = self._room.deps.redactor.json
            large = characters(body) > ON_THE_LOOP
            clean = await asyncio.to_thread(cut, body) if large else cut(body)
            async with self._store.begin() as tx:
                return await tx.inbox.add(dedupe_key(body), kind, clean, self._clock.wall(), lane)

    async def _keep_or_owe(self, kind: str, body: Mapping[str, Any], context: Any) -> None:
        """Commit it in time, or owe that: the order is carried out without it."""
        key = dedupe_key(body)
        kept: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._owed.spawn(key, self._keep_at_last(kind, body, kept))
        await asyncio.wait({kept}, timeout=self._config.halt_patience.total_seconds())
        if not kept.done():
            context[UNKEPT] = True
        elif not kept.result():
            context[DUPLICATE] = True

    async def _keep_at_last(
        self, kind: str, body: Mapping[str, Any], kept: asyncio.Future[bool]
    ) -> None:
        while not kept.done():
            try:
                kept.set_result(await self._commit(kind, body, BRAKE))
            except (BackendError, OSError) as error:
                log.warning("halt.owed", why=str(error))
                await asyncio.sleep(OWED_AGAIN_SECONDS)
        self._worker.wake(BRAKE)

    async def heard(self, context: dict[str, Any]) -> None:
        """An event: Bolt has acknowledged it."""
        if LANE in context:
            self._wake(context)
        elif TOO_MANY in context:
            await self._say_too_many(context)

    async def commanded(self, ack: Ack, context: dict[str, Any]) -> None:
        """A slash command: answered from the inbox, or at once where that must do."""
        read: Interaction = context[INTERACTION]
        listener = self._table.find(read)
        if context.get(UNKEPT) and listener is not None and listener.unkept is not None:
            await ack(text=await listener.unkept(self._room, read))
            return
        await ack()
        if TOO_MANY in context:
            await self._say_too_many(context)
        self._wake(context)

    async def clicked(self, ack: Ack, context: dict[str, Any]) -> None:
        """A button or shortcut: acknowledged, and its modal opened while the trigger lives."""
        await ack()
        if TOO_MANY in context:
            await self._say_too_many(context)
            return
        self._wake(context)
        read: Interaction | None = context.get(INTERACTION)
        if read is not None and not context.get(DUPLICATE):
            await self._in_time(read)

    async def sent(self, ack: Ack, context: dict[str, Any]) -> None:
        """A form: its errors are the acknowledgement."""
        read: Interaction = context[INTERACTION]
        if TOO_MANY in context:
            await ack()
            await self._say_too_many(context)
            return
        listener = self._table.find(read)
        errors = await listener.check(self._room, read) if listener and listener.check else {}
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        await ack()
        self._wake(context)

    def _wake(self, context: Mapping[str, Any]) -> None:
        self._worker.wake(context.get(LANE, ""))

    async def _say_too_many(self, context: Mapping[str, Any]) -> None:
        """Tell who asks too often, once a minute."""
        read: Interaction = context[INTERACTION]
        if not self._told.wait(read.user, self._clock.monotonic()):
            most, seconds = self._config.asked_per_minute, round(context[TOO_MANY])
            await self._room.say_privately(read, "slack.too_many", most=most, seconds=seconds)

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


def characters(value: Any) -> int:
    """Return how much text there is in a payload."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(characters, value)) + sum(map(characters, value.values()))
    return sum(map(characters, value)) if isinstance(value, list) else 0
