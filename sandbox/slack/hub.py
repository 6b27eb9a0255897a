"""Who is looking: open pages by person, what is pushed to them, and waiting for a state to come.

Pushes never block the pusher: each page has a queue, written out by its own websocket loop.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from sandbox.slack.chat.wire import Json

T = TypeVar("T")


class Hub:
    """The open pages, and everybody who waits for something to become true."""

    def __init__(self) -> None:
        """Start with nobody looking."""
        self.pushed: deque[tuple[str, Json]] = deque(maxlen=2_000)
        self._pages: dict[str, set[asyncio.Queue[Json]]] = {}
        self._waiters: list[tuple[Callable[[], object], asyncio.Future[object]]] = []

    def open(self, user_id: str) -> "asyncio.Queue[Json]":
        """Register a page of a person."""
        queue: asyncio.Queue[Json] = asyncio.Queue()
        self._pages.setdefault(user_id, set()).add(queue)
        return queue

    def close(self, user_id: str, queue: "asyncio.Queue[Json]") -> None:
        """Forget a page."""
        self._pages.get(user_id, set()).discard(queue)

    def push(self, users: Iterable[str], event: Json) -> None:
        """Send one event to every page of these people."""
        for user_id in users:
            self.pushed.append((user_id, event))
            for queue in self._pages.get(user_id, ()):
                queue.put_nowait(event)
        self.stir()

    def stir(self) -> None:
        """Look again at what is waited for; called after every change."""
        for waiter in list(self._waiters):
            predicate, future = waiter
            if future.done():
                continue
            value = predicate()
            if value:
                future.set_result(value)

    async def wait_for(self, predicate: Callable[[], T | None], timeout: float) -> T:
        """Wait until the predicate returns something true, and return that.

        Raises:
            TimeoutError: it did not within `timeout` wall seconds.
        """
        value = predicate()
        if value:
            return value
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        waiter = (predicate, future)
        self._waiters.append(waiter)
        try:
            found = await asyncio.wait_for(future, timeout)
        finally:
            self._waiters.remove(waiter)
        return found  # type: ignore[return-value] # the predicate's own type
