"""The watchdog: a thread that sees the event loop stop, holds what it holds, and ends the process.

    loop turns ──beat──> [ silent for … ]
                             under 3 s    nothing
                             3 to 15 s    the leader's lease and the plans at work are renewed
                             15 s         they are given back, every stack is told, the process ends
    SIGTERM   ──ending──> the same end when an orderly one takes longer than 45 s; of a process
                          that still starts, or whose threads do not end, the timer's below

The thread has an event loop and a database connection of its own, and answers `/live` on its own
port. Where not even threads run, because something holds the interpreter, a timer below Python
(`faulthandler`) tells the stacks and ends the process; its leases lapse by themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import structlog

from bot.api.config import ApiConfig
from bot.api.live import Liveness, live_app
from bot.api.server import ApiServer
from bot.composition.parts import owner_name
from bot.core.upkeep.keeping import Keeper
from bot.scheduler import LEASE, LEASE_TTL
from bot.settings import Settings, keyring_of
from bot.store.store import open_store

log = structlog.get_logger(__name__)
LOG_SECONDS = 1.0  # that a line of the log may take

STDERR = 2
STUCK = 70  # exit status: EX_SOFTWARE of sysexits.h


@dataclass(frozen=True, slots=True)
class LoopLimits:
    """Seconds of monotonic time."""

    every: float = 0.5  # between two looks, and between two beats of the loop
    stuck_after: float = 3.0
    most: float = 15.0
    ending: float = 45.0  # for an orderly end; Kubernetes kills after a minute
    after: float = 10.0  # for the interpreter to end, when all of ours has: it joins every thread
    writing: float = 2.0  # for one visit to the database, which the stuck loop may have locked
    frozen: float = 20.0  # without this thread


class LoopVerdict(enum.Enum):
    """What is to be done."""

    FINE = "fine"
    HOLD = "hold"
    END = "end"


def judged(silent: float, ending: float | None, limits: LoopLimits) -> LoopVerdict:
    """Say what follows from a loop's silence, and from how long the process has been ending."""
    if silent >= limits.most or (ending is not None and ending >= limits.ending):
        return LoopVerdict.END
    return LoopVerdict.HOLD if silent >= limits.stuck_after else LoopVerdict.FINE


@dataclass(slots=True)
class LoopBeat:
    """When an event loop last turned, and when the process began to end."""

    every: float
    monotonic: Callable[[], float] = time.monotonic
    _at: float | None = None  # None: nobody counts yet
    _ending_at: float | None = None
    _next: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat from now on, in that loop."""
        self._at = self.monotonic()
        self._next = loop.call_later(self.every, self.start, loop)

    def stop(self) -> None:
        """Beat no more."""
        if self._next is not None:
            self._next.cancel()

    def end(self) -> None:
        """Note that the process ends."""
        self._ending_at = self.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the loop turned; 0 before its first beat."""
        return 0.0 if self._at is None else self.monotonic() - self._at

    @property
    def ending(self) -> float | None:
        """Seconds since the process began to end; None while it does not."""
        return None if self._ending_at is None else self.monotonic() - self._ending_at


def end_process() -> NoReturn:
    """End now: nothing of a stuck process may run again."""
    _for_a_moment(sys.stderr.flush)
    os._exit(STUCK)


class Frozen:
    """The timer below Python: it ends the process when nobody arms it anew in time."""

    _told: int | None = None  # where the stacks go, once it was armed

    def arm(self, seconds: float) -> None:
        """Tell every stack and end the process after so many seconds."""
        if self._told is None:
            self._told = _never_waiting_stderr()
        faulthandler.dump_traceback_later(seconds, exit=True, file=self._told)

    def disarm(self) -> None:
        """End nothing."""
        faulthandler.cancel_dump_traceback_later()


def _never_waiting_stderr() -> int:
    """Open standard error once more, so that nobody who reads no log keeps this process alive.

    Told not to wait as it is, it would do so for everybody who writes to it.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        return os.open("/proc/self/fd/2", flags)
    except OSError:  # a socket, or no Linux
        return STDERR


def _for_a_moment(do: Callable[..., object], *given: object, **named: object) -> None:
    """Do what may never end, such as writing where nobody reads, for so long as it may take."""
    doing = threading.Thread(target=do, args=given, kwargs=named, daemon=True)
    doing.start()
    doing.join(LOG_SECONDS)


def _say(write: Callable[..., object], event: str, **facts: object) -> None:
    """Log; a stuck thread may hold the log's own lock."""
    _for_a_moment(write, event, **facts)


@dataclass(slots=True)
class Watchdog:
    """Watches the loop that starts it."""

    settings: Settings
    limits: LoopLimits = field(default_factory=LoopLimits)
    end: Callable[[], object] = end_process
    frozen: Frozen = field(default_factory=Frozen)
    beat: LoopBeat = field(init=False)
    live_port: int = 0  # the real one after start
    _thread: threading.Thread | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _listening: threading.Event = field(default_factory=threading.Event)
    _failed: Exception | None = None
    _visiting: asyncio.Future[None] | None = None  # the newest visit to the database

    def __post_init__(self) -> None:
        """Prepare the beat; nothing runs yet."""
        self.beat = LoopBeat(self.limits.every)

    async def start(self) -> None:
        """Watch the running loop, and answer `/live`. Raises PortInUseError."""
        self.beat.start(asyncio.get_running_loop())
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()
        await asyncio.to_thread(self._listening.wait)
        if self._failed is not None:
            raise self._failed

    def ending(self) -> None:
        """Give the process some time to end in good order, also while it still starts."""
        if self.beat.ending is None:
            self.beat.end()
            self.frozen.arm(self.limits.ending)  # the thread may not be there yet, or not look

    async def stop(self) -> None:
        """Stop watching, where it was begun; the process ends in good order.

        The timer stays armed when it was told to end: the interpreter waits for every thread.
        """
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        self.beat.stop()
        if self.beat.ending is None:
            self.frozen.disarm()
        else:
            self.frozen.arm(self.limits.after)

    # --- in the thread --------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except Exception as error:  # the thread's end: told where it was started
            self._failed = error
            if self._listening.is_set():
                log.exception("watchdog.died")
        finally:
            self.frozen.disarm()  # it would end a good process
            self._listening.set()

    async def _watch(self) -> None:
        api = self.settings.api
        where = ApiConfig(api.host, api.live_port)
        server = ApiServer(where, live_app(self._liveness), "API_LIVE_PORT")
        await server.start()
        self.live_port = server.port
        self._listening.set()
        try:
            async with self._keeper() as keeper:
                await self._look_again_and_again(keeper)
        finally:
            await server.stop()

    async def _look_again_and_again(self, keeper: Keeper) -> None:
        was = LoopVerdict.FINE
        while not self._stop.is_set():
            self.frozen.arm(self.limits.frozen)
            found = judged(self.beat.silent, self.beat.ending, self.limits)
            if found is LoopVerdict.END:
                await self._give_up(keeper)
                return
            if found is LoopVerdict.HOLD:
                if was is LoopVerdict.FINE:
                    _say(log.warning, "loop.stuck", seconds=round(self.beat.silent, 1))
                await self._visit(keeper.renew)
            elif was is LoopVerdict.HOLD:
                _say(log.warning, "loop.turns_again")
            was = found
            await asyncio.sleep(self.limits.every)

    async def _give_up(self, keeper: Keeper) -> None:
        """Let others go on at once, tell where every thread stands, end."""
        seconds = round(self.beat.silent, 1)
        await self._visit(keeper.release)
        where = stacks()
        _say(log.critical, "loop.given_up", seconds=seconds, ending=self.beat.ending, stacks=where)
        self.end()

    async def _visit(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Go to the database, for a moment only: the stuck loop may hold its lock.

        What waits for such a lock waits on in its thread, even cancelled, and is not waited for:
        the end would come too late. Until it is back, the database is not asked again.
        """
        if self._visiting is None or self._visiting.done():
            self._visiting = asyncio.ensure_future(what())
        await asyncio.wait({self._visiting}, timeout=self.limits.writing)
        if not self._visiting.done():
            self._visiting.cancel()
            _say(log.warning, "watchdog.not_written", why="the database does not answer")
        elif not self._visiting.cancelled() and (error := self._visiting.exception()) is not None:
            _say(log.warning, "watchdog.not_written", why=f"{type(error).__name__}: {error}")

    @asynccontextmanager
    async def _keeper(self) -> AsyncIterator[Keeper]:
        """Open the database for this thread alone."""
        settings = self.settings
        store = await open_store(settings.files.database_url, keyring_of(settings))
        try:
            yield Keeper(store, settings.clock, owner_name(), LEASE, LEASE_TTL)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.limits.writing):
                    await store.close()

    def _liveness(self) -> Liveness:
        found = judged(self.beat.silent, None, self.limits)
        return Liveness(self.beat.silent, alive=found is not LoopVerdict.END)


def stacks() -> list[str]:
    """Return the stack of every thread, its innermost call last."""
    names = {each.ident: each.name for each in threading.enumerate()}
    return [
        f"{names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001 - documented for debuggers
    ]
