"""Events reach their subscribers after they are committed, never before and never without.

    async with store.begin() as tx:            subscribers: telemetry, views
        await tx.audit.append(event)  ──commit──> subscriber(event)

A rolled-back transaction announces nothing. A subscriber that fails costs nobody but itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog

from bot.core.ports import Audit, Store, Transaction
from bot.domain.audit import Event

log = structlog.get_logger(__name__)

Subscriber = Callable[[Event], None]


class _Overheard:
    """The audit of one transaction, remembering what was appended."""

    def __init__(self, audit: Audit, heard: list[Event]) -> None:
        self._audit, self._heard = audit, heard

    async def append(self, event: Event) -> None:
        await self._audit.append(event)
        self._heard.append(event)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._audit, name)


class AnnouncingStore:
    """A store whose committed events are announced."""

    def __init__(self, store: Store, subscribers: Sequence[Subscriber]) -> None:
        """Wrap a store."""
        self._store, self._subscribers = store, tuple(subscribers)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """Open a transaction of the store below."""
        heard: list[Event] = []
        async with self._store.begin() as tx:
            tx.audit = cast("Audit", _Overheard(tx.audit, heard))
            yield tx
        for event in heard:
            self._announce(event)

    async def healthy(self) -> bool:
        """Say whether the database answers."""
        return await self._store.healthy()

    async def writable(self) -> bool:
        """Say whether a commit succeeds now."""
        return await self._store.writable()

    def _announce(self, event: Event) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception as error:  # noqa: BLE001 - a subscriber's boundary: reported
                _report(event, error)


def _report(event: Event, error: Exception) -> None:
    log.error("event.subscriber_failed", kind=event.kind, error=repr(error), exc_info=error)
