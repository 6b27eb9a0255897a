"""SIGINT and SIGTERM: a process is told to end, whatever it is at.

    starting ──told──> cancelled, and what was begun is undone
    waiting  ──told──> goes on to its end

Heard by Python itself and not by the event loop, which may be the thing that hangs.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class UntilTold:
    """The time until somebody tells this process to end; `on_told` hears of it first."""

    def __init__(self, on_told: Callable[[], None]) -> None:
        """Hear nothing yet. `on_told` may be called more than once."""
        self._on_told = on_told
        self._told = asyncio.Event()
        self._waiting = self._cancelled = False
        self._before: dict[signal.Signals, Any] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._before = {each: signal.signal(each, self._hear) for each in SIGNALS}
        return self

    async def wait(self) -> None:
        """Return when told; until this is called, being told cancels the caller."""
        self._waiting = True
        await self._told.wait()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._cancelled and self._task is not None:
            self._task.uncancel()
        return self._cancelled and kind is asyncio.CancelledError

    def _hear(self, *_: object) -> None:
        self._on_told()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._told.is_set() and not self._waiting and self._task is not None:
            self._cancelled = True
            self._task.cancel()
        self._told.set()
