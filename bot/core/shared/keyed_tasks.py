"""Background tasks by key: what is at work, and how it ends.

    spawn(key, work) ──> at work ──> ended: forgotten, a crash reported once
         └ key at work already: refused, `work` never begins

    idle()         wait until nothing is at work
    drain(grace)   let what is at work end for a while, then cancel it

The event loop holds only weak references to its tasks, so whoever starts one must keep it; and an
exception that nobody asks for is told when the task is collected, which may be never. Both are
seen to here. State that must survive belongs in the store: a cancelled task's row stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)
K = TypeVar("K", bound=Hashable)

NO_GRACE = timedelta(0)


class KeyedTasks(Generic[K]):
    """Tasks of one kind, at most one of a key at a time."""

    def __init__(self, kind: str) -> None:
        """`kind` begins the tasks' names, such as "plan" of `plan PLAN-9c01d4`."""
        self._kind = kind
        self._tasks: dict[K, asyncio.Task[object]] = {}

    def __contains__(self, key: object) -> bool:
        """Say whether a key is at work."""
        return key in self._tasks

    def __len__(self) -> int:
        """Count what is at work."""
        return len(self._tasks)

    def __iter__(self) -> Iterator[K]:
        """Return the keys at work, in the order they began."""
        return iter(tuple(self._tasks))

    def spawn(
        self,
        key: K,
        work: Coroutine[Any, Any, object],
        on_end: Callable[[], None] | None = None,
    ) -> bool:
        """Begin work, unless its key is at work already; says whether it did.

        `on_end` is called once it ended in any way, after its key is free.
        """
        if key in self._tasks:
            work.close()
            return False
        task = asyncio.create_task(work, name=f"{self._kind} {key}")
        self._tasks[key] = task
        task.add_done_callback(lambda _: self._ended(key, task, on_end))
        return True

    async def ended(self, key: K) -> None:
        """Wait until a key is not at work; at once when it is not."""
        task = self._tasks.get(key)
        if task is not None:
            await asyncio.wait([task])

    async def idle(self) -> None:
        """Wait until nothing is at work, what begins meanwhile included."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    async def drain(self, grace: timedelta = NO_GRACE) -> None:
        """Let what is at work end for `grace`, then cancel what remains and wait for that."""
        tasks = list(self._tasks.values())
        if tasks and grace > NO_GRACE:
            await asyncio.wait(tasks, timeout=grace.total_seconds())
        for task in tasks:
            task.cancel()  # of one that ended it is nothing
        if tasks:
            await asyncio.wait(tasks)

    def _ended(self, key: K, task: asyncio.Task[object], on_end: Callable[[], None] | None) -> None:
        del self._tasks[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task.crashed", task=task.get_name(), error=repr(error), exc_info=error)
        if on_end is not None:
            on_end()
