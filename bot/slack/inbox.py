"""Envelopes that were committed are worked on at our own pace, and each is read once.

    InboxWorker: claim ──> read ──> its listener: right, work ──> done
                                         └ failed: again later, then parked

Work of one thread is done in the order it came. The brake (halt, stop, approve, reject) has a lane
of its own: who takes it takes nothing else, so that no talk is ever before it. A done row is its
key alone: what somebody typed is not kept longer than it is worked on.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackClientError

from bot.core.ports import BRAKE, Clock, InboxItem, StaleError, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.slack.config import SlackConfig
from bot.slack.interactions import (
    COMMAND,
    EVENT,
    Interaction,
    MalformedError,
    Read,
    read_of,
)
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import Table
from bot.slack.reporting import report
from tools.errors import BackendError

log = structlog.get_logger(__name__)

MOST_SURPRISES = 2  # failures that nobody expected: a bug does not mend itself
DRAIN = timedelta(seconds=5)
FRESH = timedelta(minutes=15)  # wall: whoever can write the database can hold an order back
LANES = ("", BRAKE)  # the first takes what is in any


class InboxWorker:
    """Works the inbox off: several threads at once, each in order."""

    def __init__(
        self, config: SlackConfig, store: Store, clock: Clock, room: Room, table: Table
    ) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._room, self._table = room, table
        self._owner = f"{config.owner}/inbox"
        self._wakes = {lane: asyncio.Event() for lane in LANES}
        self._free = {
            "": asyncio.Semaphore(config.concurrency),
            BRAKE: asyncio.Semaphore(config.brake_concurrency),
        }
        self._stopping = False
        self._loops: KeyedTasks[str] = KeyedTasks("loop")
        self._at_work: KeyedTasks[int] = KeyedTasks("inbox")
        self._last: dict[str, int] = {}  # per lane and thread, the item that must end first

    def start(self) -> None:
        """Begin to work."""
        self._stopping = False
        for lane in LANES:
            self._loops.spawn(f"inbox {lane}", self._loop(lane))

    async def stop(self) -> None:
        """Take nothing more, finish what is at work, and let runs go (their rows stay)."""
        self._stopping = True
        self.wake()
        await self._loops.drain()
        await self._at_work.drain(DRAIN)
        await self._room.stop_runs()

    def wake(self, *lanes: str) -> None:
        """Look now, in some lanes or in all."""
        for lane in lanes or LANES:
            self._wakes[lane].set()

    async def idle(self) -> None:
        """Wait until nothing taken so far is at work."""
        await self._at_work.idle()

    async def _loop(self, lane: str) -> None:
        free, wake = self._free[lane], self._wakes[lane]
        while not self._stopping:
            await free.acquire()
            wake.clear()  # before the look: what comes during it is seen by the next one
            try:
                item = await self._claim(lane)
            except BaseException:
                free.release()
                raise
            if item is not None:
                wake.set()
                self._begin(item, lane)
                continue
            free.release()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), self._config.poll.total_seconds())

    async def _claim(self, lane: str) -> InboxItem | None:
        now, lease = self._clock.wall(), self._config.lease
        try:
            async with self._store.begin() as tx:
                return await tx.inbox.claim(self._owner, now, lease, lane)
        except (BackendError, StaleError) as error:
            log.warning("inbox.waits", why=str(error))
            return None
        except Exception as error:  # noqa: BLE001 - a loop that ends hears nothing any more
            report("inbox.failed", error)
            return None

    def _begin(self, item: InboxItem, lane: str) -> None:
        read = read_of(item.kind, item.body)
        thread = f"{lane} {_thread_of(item, read)}"
        before = self._last.get(thread)
        self._last[thread] = item.id

        def ended() -> None:
            if self._last.get(thread) == item.id:
                del self._last[thread]
            self._free[lane].release()
            self.wake(lane)

        self._at_work.spawn(item.id, self._carry(item, read, before), ended)

    async def _carry(self, item: InboxItem, read: Read, before: int | None) -> None:
        async with self._renewing(item):
            if before is not None:
                await self._at_work.ended(before)
            await self._work(item, read)

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

    async def _work(self, item: InboxItem, read: Read) -> None:
        if isinstance(read, MalformedError):
            log.warning("envelope.malformed", kind=item.kind, key=item.dedupe_key, why=str(read))
            await self._room.say_malformed(item.body, str(read))
            await self._done(item)
            return
        try:
            await self._dispatch(item, read)
        except Exception as error:  # noqa: BLE001 - the listener's outer boundary: told and kept
            await self._failed(item, read, error)
            return
        await self._done(item)

    async def _dispatch(self, item: InboxItem, interaction: Interaction) -> None:
        listener = self._table.find(interaction)
        late = self._clock.wall() - item.received_at > FRESH
        if listener is not None and listener.fresh and late:
            log.warning("order.too_late", name=interaction.name, key=item.dedupe_key)
            at = f"{item.received_at:%Y-%m-%d %H:%M} UTC"
            await self._room.say_privately(
                interaction, "slack.too_late", name=interaction.name, at=at
            )
        elif listener is not None:
            await listener.at_leisure(self._room, interaction)
        elif interaction.kind != EVENT:
            kind, name = interaction.kind, interaction.name
            log.warning("action.unknown", kind=kind, name=name, user=interaction.user)
            hint = self._table.nearest(interaction)
            await self._room.say_privately(
                interaction, "slack.unknown_action", name=name, hint=hint
            )

    async def _done(self, item: InboxItem) -> None:
        async with self._store.begin() as tx:
            await tx.inbox.done(item.id, self._clock.wall())

    async def _failed(self, item: InboxItem, interaction: Interaction, error: Exception) -> None:
        expected = isinstance(error, BackendError | StaleError | SlackClientError | OSError)
        retry = self._config.retry
        if not expected:
            retry = replace(retry, give_up_after=MOST_SURPRISES)
        again_at = retry.next_try(item.attempts, self._clock.wall())
        why = self._room.deps.redactor.text(f"{type(error).__name__}: {error}")
        log.error(
            "inbox.parked" if again_at is None else "inbox.retry",
            name=interaction.name,
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
            await self._room.report_parked(interaction, why)


def _thread_of(item: InboxItem, read: Read) -> str:
    """Return what must stay in order: the thread, or who acts where there is none."""
    if isinstance(read, MalformedError):
        return f"item {item.id}"
    if read.kind == COMMAND:  # `/sre halt` must not stand behind somebody's long `/sre digest`
        return f"command {read.user} {read.name} {read.text.partition(' ')[0]}"
    return read.place.key() if read.channel else f"user {read.user}"
