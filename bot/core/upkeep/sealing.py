"""Sealing: what was written is sealed into the chain, and the chain's end is kept outside of it.

    every second   what is known of the end ──> seal what is new ──> keep the new end

What is known is the newest end that this process sealed, or that some place kept for it: an end
that the database does not reach any more stops the sealing. That is what tells a chain that was
cut, emptied or put back from one that is young.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from bot.core.ports import AuditBrokenError, Clock, Store
from bot.domain.audit import Anchor, Event
from tools.errors import BackendError, BackendUnavailableError

log = structlog.get_logger(__name__)


class HeadPlace(Protocol):
    """Where the newest end of the chain is kept and found again."""

    name: str  # for people

    async def put(self, anchor: Anchor) -> None:
        """Keep an end. Raises BackendError when it could not be kept."""
        ...

    async def newest(self) -> Anchor | None:
        """Return the newest end that was kept. Raises BackendError when it cannot be read."""
        ...


class Beginner(Protocol):
    """A database whose chain may have to be begun."""

    async def begin_chain(self, known: Anchor | None, now: datetime, wall: datetime) -> bool:
        """Begin the chain where there is none yet; AuditBrokenError where there should be one."""
        ...


@dataclass(slots=True)
class Sealing:
    """Seals audit rows; one leader calls `tick` every second.

    `head` is given every new end; `others` can be asked for the newest one as well.
    """

    store: Store
    clock: Clock
    head: HeadPlace | None = None
    others: Sequence[HeadPlace] = ()
    _broken: dict[str, str] = field(default_factory=dict, init=False)  # by what was tried
    _known: Anchor | None = field(default=None, init=False)
    _asked: bool = field(default=False, init=False)

    async def begin(self, database: Beginner) -> None:
        """Begin the chain of a database that is new, or of an older version; tell when it must not.

        The bot goes on all the same: what it writes proves itself, and nothing is sealed.
        """
        try:
            known = await self.known()
            begun = await database.begin_chain(known, self.clock.now(), self.clock.wall())
        except (AuditBrokenError, BackendError) as error:
            self._broken["begin"] = str(error)
            log.error("audit.not_begun", why=str(error))  # noqa: TRY400 - the message says it all
            return
        if begun:
            await self._keep()

    async def tick(self) -> int:
        """Seal what was written since the last time; returns how many rows.

        Raises BackendUnavailableError while the audit is not the one that is known, a row is not
        ours, or its end cannot be kept: told once, and seen in the status as long as it lasts.
        """
        known = await self.known()
        try:
            async with self.store.begin() as tx:
                done = await tx.audit.seal(known)
        except AuditBrokenError as error:
            self._broken["seal"] = str(error)
            raise BackendUnavailableError("audit", str(error)) from error
        self._broken.pop("seal", None)
        if done.count or self._known is None:
            await self._keep()
        if done.refused:
            raise BackendUnavailableError("audit", "; ".join(done.refused))
        return done.count

    async def close(self) -> None:
        """Seal what is left, as far as that is possible: at the end of a process."""
        try:
            await self.tick()
        except BackendError as error:
            log.warning("audit.not_sealed", why=str(error))

    async def begin_anew(self, actor: str, why: str) -> Anchor:
        """Go on with a chain that is not the one that was known, such as a backup's.

        A signed row names both ends, who did it and why; every later `verify` tells it. Raises
        ValueError where nothing is known that the chain could differ from.
        """
        known = await self.known()
        if known is None:
            raise ValueError("no anchor is known, so there is nothing to begin anew from")
        event = Event("audit.begun_anew", self.clock.now(), actor, "audit", why)
        async with self.store.begin() as tx:
            await tx.audit.begin_anew(known, event, self.clock.wall())
        kept = await self._keep()
        assert kept is not None  # noqa: S101 - the signed row was sealed a moment ago
        return kept

    @property
    def broken(self) -> str:
        """Why the chain is not the one we wrote, as far as it was looked at; else empty."""
        return "; ".join(self._broken.values())

    async def known(self) -> Anchor | None:
        """Return the newest end of the chain that is known from outside of the database."""
        if not self._asked:
            found = [await place.newest() for place in self._askable()]
            ends = [end for end in found if end is not None]
            self._known = max(ends, key=lambda end: end.sealed_at, default=None)
            self._asked = True
        return self._known

    async def known_now(self) -> Anchor | None:
        """Return the newest end that is known at this moment: another process may have kept one.

        A place that cannot be asked is passed over as long as something is known; else BackendError
        is raised.
        """
        known = await self.known()
        try:
            found = [await place.newest() for place in self._askable()]
        except BackendError:
            if known is None:
                raise
            found = []
        ends = [end for end in (known, *found) if end is not None]
        return max(ends, key=lambda end: end.sealed_at, default=None)

    def _askable(self) -> list[HeadPlace]:
        return [*([self.head] if self.head is not None else []), *self.others]

    async def _keep(self) -> Anchor | None:
        async with self.store.begin() as tx:
            head = await tx.audit.head(self.clock.wall())
        if head is not None:
            self._known = head
            if self.head is not None:
                await self.head.put(head)
        return head
