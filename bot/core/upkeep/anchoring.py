"""Anchoring: the end of the audit chain, written down where the database's owner cannot reach.

    every N minutes: head of the chain ──> each place
                                             └ failed: again, sooner, then ever more patiently

A place that is dead is tried again with the newest head, which covers all that it missed; it
delays neither sealing nor the other places. A chain that did not grow is not anchored again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.core.ports import Clock
from bot.domain.audit import Anchor
from foundation.retries import RetryPolicy
from tools.errors import BackendError, BackendUnavailableError

log = structlog.get_logger(__name__)

RETRY = RetryPolicy(first=timedelta(seconds=10), longest=timedelta(minutes=5))  # wall time


class AnchorPlace(Protocol):
    """Where anchors are kept."""

    name: str  # for people; without a secret

    async def put(self, anchor: Anchor) -> None:
        """Keep one anchor. Raises BackendError when it could not be kept."""
        ...


@dataclass(slots=True)
class _Standing:
    """How one place is doing."""

    place: AnchorPlace
    kept: Anchor | None = None
    due_at: datetime | None = None  # wall time; None: at once
    failures: int = 0  # in a row
    error: str = ""  # of the last try; empty when it went well


@dataclass(slots=True)
class Anchoring:
    """Anchors the chain's head; one leader calls `tick` every few seconds.

    `head` returns the newest end that is known to be ours (`sealing.Sealing.known`), never what the
    database happens to hold: a chain that was cut must not replace what tells of the cut.
    """

    head: Callable[[], Awaitable[Anchor | None]]
    clock: Clock
    places: Sequence[AnchorPlace]
    every: timedelta
    _standing: list[_Standing] = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is known of any place yet."""
        self._standing = [_Standing(place) for place in self.places]

    async def tick(self) -> int:
        """Anchor where it is due; returns how many places kept one.

        Raises BackendUnavailableError as long as a place is failing, so that it is told and seen.
        """
        wall, kept = self.clock.wall(), 0
        due = [each for each in self._standing if each.due_at is None or wall >= each.due_at]
        if due:
            head = await self.head()
            if head is not None:
                kept = sum([await self._keep(each, head, wall) for each in due])
        if errors := [each.error for each in self._standing if each.error]:
            raise BackendUnavailableError("audit", "; ".join(errors))
        return kept

    async def _keep(self, standing: _Standing, head: Anchor, wall: datetime) -> bool:
        last = standing.kept
        if last is not None and last.hash == head.hash:
            standing.due_at = wall + self.every
            return False
        try:
            await standing.place.put(head)
        except BackendError as error:
            standing.failures += 1
            wait = min(RETRY.wait_after(standing.failures), self.every)
            standing.due_at, standing.error = wall + wait, str(error)
            return False
        standing.kept, standing.due_at = head, wall + self.every
        standing.failures, standing.error = 0, ""
        log.info("audit.anchored", place=standing.place.name, count=head.count)
        return True
