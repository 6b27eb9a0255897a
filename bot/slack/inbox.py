"""Every envelope is committed before Slack is told yes, then worked on at our own pace.

    Slack ──> FrontDoor: commit ──> ack ──> quick part (modal, form errors) in the listener
                 └ commit failed: no ack         └────> InboxWorker: claim ──> work ──> done
                                                              └ failed: again later, then parked

What somebody typed is kept without the secrets in it, and not longer than it is worked on: a done
row is its key alone. Slack delivers events again when there was no ack; who clicked, typed or sent
a form then sees Slack's own warning. Work of one thread is done in the order it came.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from slack_bolt import BoltResponse
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_bolt.middleware.async_middleware import AsyncMiddleware
from slack_sdk.errors import SlackClientError

from bot.core.ports import Clock, InboxItem, StaleError, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.slack.config import SlackConfig
from bot.slack.deeds import (
    COMMAND,
    EVENT,
    FORM,
    Deed,
    MalformedError,
    dedupe_key,
    kind_of,
    parse,
)
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import Table
from bot.slack.reporting import report
from tools.errors import BackendError

log = structlog.get_logger(__name__)

MOST_SURPRISES = 2  # failures that nobody expected: a bug does not mend itself
DRAIN = timedelta(seconds=5)
Ack = Callable[..., Awaitable[Any]]


class FrontDoor:
    """Bolt's side: commits, acknowledges, and does what cannot wait."""

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

    async def keep(self, body: dict[str, Any]) -> bool:
        """Commit the envelope; an exception here means: no acknowledgement.

        Returns False for an envelope that no listener can read; the inbox tells who sent it.
        """
        kind = kind_of(body)
        if not kind or kind == "closed":
            return True
        clean = self._room.deps.redactor.json(body)
        async with self._store.begin() as tx:
            new = await tx.inbox.add(dedupe_key(body), kind, clean, self._clock.wall())
        if not new:
            log.info("inbox.duplicate", kind=kind, key=dedupe_key(body))
        body["sre_agent_new"] = new
        try:
            parse(kind, body)
        except MalformedError:
            self._worker.wake()
            return False
        return True

    async def heard(self) -> None:
        """An event: Bolt has acknowledged it."""
        self._worker.wake()

    async def commanded(self, ack: Ack) -> None:
        """A slash command: answered from the inbox."""
        await ack()
        self._worker.wake()

    async def clicked(self, ack: Ack, body: dict[str, Any]) -> None:
        """A button or shortcut: acknowledged, and its modal opened while the trigger lives."""
        await ack()
        self._worker.wake()
        if body.get("sre_agent_new", True):
            await self._quickly(kind_of(body), body)

    async def sent(self, ack: Ack, body: dict[str, Any]) -> None:
        """A form: its errors are the acknowledgement."""
        try:
            deed = parse(FORM, body)
        except MalformedError as error:
            log.warning("envelope.malformed", kind=FORM, why=str(error))
            await ack()
            return
        listener = self._table.find(deed)
        errors = await listener.check(self._room, deed) if listener and listener.check else {}
        if errors:
            await ack(response_action="errors", errors=errors)
            return
        await ack()
        self._worker.wake()

    async def _quickly(self, kind: str, body: Mapping[str, Any]) -> None:
        try:
            deed = parse(kind, body)
        except MalformedError:
            return  # told to the person when the inbox comes to it
        listener = self._table.find(deed)
        if listener is None or listener.quick is None:
            return
        try:
            await listener.quick(self._room, deed)
        except Exception as error:  # noqa: BLE001 - a listener's outer boundary: reported and told
            report("listener.failed", error, name=deed.name, user=deed.user)
            await self._room.say_privately(deed, "slack.failed", name=deed.name)


class _Keep(AsyncMiddleware):
    """The front door as Bolt's global middleware, before Bolt reads anything into the payload."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door

    async def async_process(
        self, *, req: AsyncBoltRequest, resp: BoltResponse, next: Callable[[], Awaitable[Any]]
    ) -> BoltResponse | None:
        """Commit, then let the listeners have it."""
        if not await self._door.keep(req.body):
            return BoltResponse(status=200, body="")
        await next()
        return resp


class InboxWorker:
    """Works the inbox off: several threads at once, each in order."""

    def __init__(
        self, config: SlackConfig, store: Store, clock: Clock, room: Room, table: Table
    ) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._room, self._table = room, table
        self._owner = f"{config.owner}/inbox"
        self._wake = asyncio.Event()
        self._free = asyncio.Semaphore(config.concurrency)
        self._stopping = False
        self._loops: KeyedTasks[str] = KeyedTasks("loop")
        self._at_work: KeyedTasks[int] = KeyedTasks("inbox")
        self._last: dict[str, int] = {}  # per thread, the item that must end first

    def start(self) -> None:
        """Begin to work."""
        self._stopping = False
        self._loops.spawn("inbox", self._loop())

    async def stop(self) -> None:
        """Take nothing more, finish what is at work, and let runs go (their rows stay)."""
        self._stopping = True
        self._wake.set()
        await self._loops.drain()
        await self._at_work.drain(DRAIN)
        await self._room.stop_runs()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def idle(self) -> None:
        """Wait until nothing taken so far is at work."""
        await self._at_work.idle()

    async def _loop(self) -> None:
        while not self._stopping:
            await self._free.acquire()
            try:
                item = await self._claim()
            except BaseException:
                self._free.release()
                raise
            if item is not None:
                self._begin(item)
                continue
            self._free.release()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), self._config.poll.total_seconds())

    async def _claim(self) -> InboxItem | None:
        try:
            async with self._store.begin() as tx:
                return await tx.inbox.claim(self._owner, self._clock.wall(), self._config.lease)
        except (BackendError, StaleError) as error:
            log.warning("inbox.waits", why=str(error))
            return None
        except Exception as error:  # noqa: BLE001 - a loop that ends hears nothing any more
            report("inbox.failed", error)
            return None

    def _begin(self, item: InboxItem) -> None:
        thread = _thread_of(item)
        before = self._last.get(thread)
        self._last[thread] = item.id

        def ended() -> None:
            if self._last.get(thread) == item.id:
                del self._last[thread]
            self._free.release()
            self._wake.set()

        self._at_work.spawn(item.id, self._carry(item, before), ended)

    async def _carry(self, item: InboxItem, before: int | None) -> None:
        async with self._renewing(item):
            if before is not None:
                await self._at_work.ended(before)
            await self._work(item)

    @contextlib.asynccontextmanager
    async def _renewing(self, item: InboxItem) -> Any:
        async def renew() -> None:
            while True:
                await asyncio.sleep(self._config.lease.total_seconds() / 3)
                until = self._clock.wall() + self._config.lease
                with contextlib.suppress(BackendError, StaleError):
                    async with self._store.begin() as tx:
                        await tx.inbox.renew(item.id, self._owner, until)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _work(self, item: InboxItem) -> None:
        try:
            deed = parse(item.kind, item.body)
        except MalformedError as error:
            log.warning("envelope.malformed", kind=item.kind, key=item.dedupe_key, why=str(error))
            await self._room.say_malformed(item.body, str(error))
            await self._done(item)
            return
        try:
            await self._dispatch(deed)
        except Exception as error:  # noqa: BLE001 - the listener's outer boundary: told and kept
            await self._failed(item, deed, error)
            return
        await self._done(item)

    async def _dispatch(self, deed: Deed) -> None:
        listener = self._table.find(deed)
        if listener is not None and listener.work is not None:
            if listener.check is not None and await listener.check(self._room, deed):
                return  # the form was sent back with its errors
            await listener.work(self._room, deed)
        elif listener is None and deed.kind != EVENT:
            log.warning("action.unknown", kind=deed.kind, name=deed.name, user=deed.user)
            await self._room.say_privately(
                deed, "slack.unknown_action", name=deed.name, hint=self._table.nearest(deed)
            )

    async def _done(self, item: InboxItem) -> None:
        async with self._store.begin() as tx:
            await tx.inbox.done(item.id, self._clock.wall())

    async def _failed(self, item: InboxItem, deed: Deed, error: Exception) -> None:
        expected = isinstance(error, BackendError | StaleError | SlackClientError | OSError)
        retry = self._config.retry
        if not expected:
            retry = replace(retry, give_up_after=MOST_SURPRISES)
        again_at = retry.next_try(item.attempts, self._clock.wall())
        why = f"{type(error).__name__}: {error}"
        log.error(
            "inbox.parked" if again_at is None else "inbox.retry",
            name=deed.name,
            key=item.dedupe_key,
            attempts=item.attempts,
            why=why,
            exc_info=None if expected else error,
        )
        try:
            async with self._store.begin() as tx:
                await tx.inbox.failed(item.id, why, again_at)
        except BackendError as away:
            log.warning("inbox.waits", why=str(away))  # the lease runs out, and it is taken again
            return
        if again_at is None:
            await self._room.report_parked(deed, why)


def _thread_of(item: InboxItem) -> str:
    """Return what must stay in order: the thread, or who acts where there is none."""
    try:
        deed = parse(item.kind, item.body)
    except MalformedError:
        return f"item {item.id}"
    if deed.kind == COMMAND:  # `/sre halt` must not stand behind somebody's long `/sre digest`
        return f"command {deed.user} {deed.name} {deed.text.partition(' ')[0]}"
    return deed.place.key() if deed.channel else f"user {deed.user}"
