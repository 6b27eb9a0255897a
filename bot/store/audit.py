"""audit: what happened, in rows that prove themselves, sealed into a chain that proves the whole.

    append --> row: seq, payload (RFC 8785), mac              in the transaction of the state
    seal   --> row: seal_no, seal                             a second later, by the leader
    anchor --> the end of the chain, outside of the database  after every sealing

A row that was edited or forged shows by its own `mac`, at once; a row that was removed shows by the
chain; a chain that was cut, emptied or written anew shows by its anchor. Personal text is in
`audit_private`; the payload keeps its sha256, so the text can be erased but not exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from bot.core.ports import AuditRow, ChainReport, Sealed
from bot.domain.audit import Anchor, Event
from bot.domain.keyring import Keyring
from bot.store.audit_chain import AuditChain
from bot.store.audit_rows import (
    ADD,
    ADD_NUMBERED,
    ADD_PRIVATE,
    T,
    audit_row,
    event_of,
    is_proved,
    row_values,
    whole_rows,
)
from bot.store.schema import clean_text
from bot.store.session import Session


class SqlAudit:
    """The port `Audit`."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring
        self._chain = AuditChain(session, keyring)

    async def append(self, event: Event) -> None:
        """Add a row in this transaction."""
        private = clean_text(event.private)
        values = row_values(event, private, self._keyring)
        if not private:
            await self._session.run(ADD, [values])
            return
        seq = await self._session.value(ADD_NUMBERED, values)
        await self._session.run(ADD_PRIVATE, [{"seq": seq, "text": private}])

    async def seal(self, known: Anchor | None = None, limit: int = 2000) -> Sealed:
        """Seal open rows that prove themselves, in order; raises AuditBrokenError."""
        return await self._chain.seal(known, limit)

    async def begin_anew(self, known: Anchor, event: Event, wall: datetime) -> None:
        """Go on behind what a restore left, with a signed row that names both ends."""
        await self._chain.begin_anew(known, event, wall)

    async def verify(
        self, anchors: Sequence[Anchor] = (), older_than: datetime | None = None
    ) -> ChainReport:
        """Walk the chain from its start, and compare it with anchors kept elsewhere."""
        return await self._chain.verify(anchors, older_than)

    async def fault_since(self, subject: str, known: Anchor | None) -> str:
        """Say why the chain is not ours from before a subject's first row on; empty when it is."""
        return await self._chain.fault_since(subject, known)

    async def head(self, at: datetime) -> Anchor | None:
        """Return where the sealed chain ends now; None while nothing is sealed."""
        newest = select(T.c.seq, T.c.seal_no, T.c.seal).where(T.c.seal_no.is_not(None))
        last = await self._session.first(newest.order_by(T.c.seal_no.desc()).limit(1))
        return Anchor(last.seq, last.seal, at, last.seal_no) if last else None

    async def proved(self, subject: str, kind: str = "") -> list[Event]:
        """Return what we wrote about a subject, without what nothing proves and without copies."""
        query = select(T).where(T.c.subject == subject)
        if kind:  # the column is read first, and what the seal covers decides below
            query = query.where(T.c.kind == kind)
        about = [event for event in await self._proved(query) if event.subject == subject]
        return [event for event in about if kind in {"", event.kind}]

    async def happened(self, kind: str, after: datetime) -> list[Event]:
        """Return what we wrote of one kind after a moment, without what nothing proves."""
        events = await self._proved(select(T).where(T.c.kind == kind, T.c.at > after))
        return [event for event in events if event.kind == kind and event.at > after]

    async def _proved(self, query: Select[Any]) -> list[Event]:
        """Return the events of rows that prove themselves, oldest first, each once."""
        found = await self._session.all(query.order_by(T.c.seq))
        rows = {row.mac: row for row in reversed(found)}
        events = [event_of(row.payload) for row in rows.values() if is_proved(row, self._keyring)]
        return events[::-1]

    async def tail(self, limit: int = 50, subject: str = "") -> list[AuditRow]:
        """Return the newest rows, oldest first, about one subject if named."""
        newest = whole_rows().order_by(T.c.seq.desc()).limit(limit)
        if subject:
            newest = newest.where(T.c.subject == subject)
        return [audit_row(row) for row in reversed(await self._session.all(newest))]

    async def sealed_after(self, seal_no: int, limit: int) -> list[AuditRow]:
        """Return the sealed rows behind a place in the chain, in its order."""
        behind = whole_rows().where(T.c.seal_no > seal_no).order_by(T.c.seal_no).limit(limit)
        return [audit_row(row) for row in await self._session.all(behind)]

    async def since(self, start: datetime, end: datetime) -> list[AuditRow]:
        """Return rows of [start, end) in world time, oldest first."""
        query = whole_rows().where(T.c.at >= start, T.c.at < end).order_by(T.c.at, T.c.seq)
        return [audit_row(row) for row in await self._session.all(query)]
