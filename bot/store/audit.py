"""audit: what happened, sealed into a chain that nobody without the key can rewrite.

    append --> row: seq, payload (RFC 8785), no seal          in the transaction of the state
    seal   --> row: seal_no n, seal_n = HMAC-SHA256(key, seal_(n-1) | n | seq | payload)
           --> head: n, seal_n, HMAC(key, "head" | n | seal_n)  so that a cut tail is seen

Rows are sealed in the order of `seq` as far as they are committed. One that commits late with
a lower `seq` is sealed after the others: the chain runs by `seal_no`, which has no gaps.
Personal text is in `audit_private`; the payload keeps its sha256, so the text can be erased
but not exchanged. Columns beside the payload serve queries and are checked against it.

Whoever holds the key as well could cut the tail, or write a whole new chain: only anchors, kept
outside of the database, tell that. `verify` compares every one of them with the row it names.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import rfc8785
from sqlalchemy import Index, Row, Select, bindparam, func, insert, select, update
from sqlalchemy import text as sql

from bot.core.ports import AuditRow, ChainReport
from bot.domain.audit import Anchor, Event
from bot.store.codec import from_json, to_json
from bot.store.schema import Base, clean_text, number_column, table_of, text_column, time_column
from bot.store.session import Session

UNSEALED = sql("seal_no IS NULL")
START = bytes(32)  # what stands before the first seal
PAGE = 1000  # rows read at a time when the chain is walked
EXACT = 2**53  # larger integers are no canonical JSON: they are kept as text


class AuditBrokenError(Exception):
    """The sealed chain was tampered with; nothing more is sealed onto it."""


class EventRow(Base, table=True):
    """One event. `seq` is never used twice."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_unsealed", "seq", sqlite_where=UNSEALED, postgresql_where=UNSEALED),
        {"sqlite_autoincrement": True},
    )
    seq: int | None = number_column(default=None, primary_key=True)
    kind: str = text_column(index=True)
    at: datetime = time_column(index=True)
    actor: str = text_column()
    subject: str = text_column(index=True)
    private_sha256: str = text_column()
    payload: str = text_column()
    seal_no: int | None = number_column(unique=True)
    seal: str = text_column()


class PrivateRow(Base, table=True):
    """Personal text of one event; it may be erased."""

    __tablename__ = "audit_private"
    seq: int = number_column(primary_key=True, foreign_key="audit.seq")
    text: str = text_column()


class HeadRow(Base, table=True):
    """The end of the chain; there is one row, id 1."""

    __tablename__ = "audit_head"
    id: int = number_column(primary_key=True)
    seal_no: int = number_column()
    seal: str = text_column()
    proof: str = text_column()


T = table_of(EventRow)
P = table_of(PrivateRow)
H = table_of(HeadRow)
# Built once: hundreds of events a second are written with them.
ADD, ADD_NUMBERED, ADD_PRIVATE = insert(T), insert(T).returning(T.c.seq), insert(P)
CHECKED = ("kind", "actor", "subject", "private_sha256")


def _canonical(value: Any) -> Any:
    """Return plain JSON with what RFC 8785 refuses kept as text: huge integers, NaN, infinity."""
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= EXACT:
        return str(value)
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):  # noqa: PLR0124
        return str(value)
    return value


def _sha256(private: str) -> str:
    return hashlib.sha256(private.encode()).hexdigest() if private else ""


def _payload(event: Event, private_sha256: str) -> str:
    fields = {
        "kind": event.kind,
        "at": event.at.astimezone(UTC).isoformat(),
        "actor": event.actor,
        "subject": event.subject,
        "why": event.why,
        "digest": event.digest,
        "facts": from_json(to_json(event.facts)),
        "private_sha256": private_sha256,
    }
    return rfc8785.dumps(_canonical(fields)).decode()


def _seal(key: bytes, previous: bytes, seal_no: int, row: Row[Any]) -> bytes:
    body = f"{seal_no}|{row.seq}|{row.payload}".encode()
    return hmac.digest(key, previous + body, "sha256")


def _proof(key: bytes, seal_no: int, seal: str) -> str:
    return hmac.digest(key, f"head|{seal_no}|{seal}".encode(), "sha256").hex()


def _audit_row(row: Row[Any]) -> AuditRow:
    fields = from_json(row.payload)
    event = Event(
        kind=fields["kind"],
        at=datetime.fromisoformat(fields["at"]),
        actor=fields["actor"],
        subject=fields["subject"],
        why=fields["why"],
        digest=fields["digest"],
        facts=fields["facts"],
        private=row.private or "",
    )
    return AuditRow(row.seq, event, row.private_sha256, row.seal, row.seal_no or 0)


def _fault(row: Row[Any]) -> str:
    """Say what in a row contradicts its payload; empty when nothing does."""
    try:
        fields = from_json(row.payload)
        for name in CHECKED:
            if fields[name] != getattr(row, name):
                return f"column {name} was edited: it says {getattr(row, name)!r}"
        if datetime.fromisoformat(fields["at"]) != row.at:
            return f"column at was edited: it says {row.at.isoformat()}"
    except (ValueError, KeyError, TypeError):
        return "its payload is not what was written"
    if row.private is not None and _sha256(row.private) != row.private_sha256:
        return "its private text was edited"
    return ""


class _Anchored:
    """Anchors in the order of the chain, compared with its rows as they are walked over."""

    def __init__(self, anchors: Sequence[Anchor]) -> None:
        self._ahead = sorted(anchors, key=lambda each: each.count, reverse=True)
        self.agreed = 0
        self._safe = 0  # rows up to the newest anchor that agrees

    def fault(self, row: Row[Any]) -> str:
        """Say which rows are not those that were anchored; empty when all are, so far."""
        while self._ahead and self._ahead[-1].count <= row.seal_no:
            anchor = self._ahead.pop()
            if (anchor.count, anchor.seq, anchor.hash) != (row.seal_no, row.seq, row.seal):
                return (
                    f"sealed rows {self._safe + 1} to {anchor.count} are not those of the anchor "
                    f"of {anchor.sealed_at.isoformat()}: they were replaced"
                )
            self.agreed, self._safe = self.agreed + 1, anchor.count
        return ""

    def missing(self, sealed: int) -> str:
        """Say which rows a chain of this length lacks; empty when none."""
        if not self._ahead:
            return ""
        newest = self._ahead[0]
        return (
            f"sealed rows {sealed + 1} to {newest.count} are missing: the anchor of "
            f"{newest.sealed_at.isoformat()} saw {newest.count}"
        )


def _rows() -> Select[Any]:
    return select(T, P.c.text.label("private")).join_from(T, P, P.c.seq == T.c.seq, isouter=True)


class SqlAudit:
    """The port `Audit`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def append(self, event: Event) -> None:
        """Add a row in this transaction, unsealed."""
        private = clean_text(event.private)
        digest = _sha256(private)
        values = {
            "kind": event.kind,
            "at": event.at,
            "actor": event.actor,
            "subject": event.subject,
            "private_sha256": digest,
            "payload": _payload(event, digest),
            "seal": "",
        }
        if not private:
            await self._session.run(ADD, [values])
            return
        seq = await self._session.value(ADD_NUMBERED, values)
        await self._session.run(ADD_PRIVATE, [{"seq": seq, "text": private}])

    async def seal(self, key: bytes, limit: int = 2000) -> int:
        """Seal unsealed rows in order; raises AuditBrokenError on a chain whose end is false."""
        await self._session.lock("audit.seal")
        seal_no, previous = await self._end(key)
        open_rows = select(T.c.seq, T.c.payload).where(T.c.seal_no.is_(None))
        rows = await self._session.all(open_rows.order_by(T.c.seq).limit(limit))
        if not rows:
            return 0
        sealed = []
        for row in rows:
            seal_no += 1
            previous = _seal(key, previous, seal_no, row)
            sealed.append({"row": row.seq, "position": seal_no, "mark": previous.hex()})
        fill: dict[str, Any] = {"seal_no": bindparam("position"), "seal": bindparam("mark")}
        await self._session.run(update(T).where(T.c.seq == bindparam("row")).values(**fill), sealed)
        proof = _proof(key, seal_no, previous.hex())
        head = {"id": 1, "seal_no": seal_no, "seal": previous.hex(), "proof": proof}
        await self._session.put(H, [head], ["id"])
        return len(rows)

    async def _end(self, key: bytes) -> tuple[int, bytes]:
        """Return where the chain ends, after proving that it is the end we wrote."""
        newest = select(T.c.seal_no, T.c.seal).where(T.c.seal_no.is_not(None))
        last = await self._session.first(newest.order_by(T.c.seal_no.desc()).limit(1))
        seal_no, seal = (last.seal_no, last.seal) if last else (0, START.hex())
        fault = await self._head_fault(key, seal_no, seal)
        if fault:
            raise AuditBrokenError(f"{fault}; run `audit verify` and keep the database as evidence")
        return seal_no, bytes.fromhex(seal)

    async def _head_fault(self, key: bytes, seal_no: int, seal: str) -> str:
        """Say why this is not the end of the chain; empty when it is."""
        head = await self._session.first(select(H))
        if head is None:
            return "the head of the audit chain was removed" if seal_no else ""
        if not hmac.compare_digest(head.proof, _proof(key, head.seal_no, head.seal)):
            return "the head of the audit chain was edited, or this is not its key"
        if (head.seal_no, head.seal) != (seal_no, seal):
            return f"the audit chain ends at row {seal_no} of {head.seal_no} sealed ones"
        return ""

    async def head(self, at: datetime) -> Anchor | None:
        """Return where the sealed chain ends now; None while nothing is sealed."""
        newest = select(T.c.seq, T.c.seal_no, T.c.seal).where(T.c.seal_no.is_not(None))
        last = await self._session.first(newest.order_by(T.c.seal_no.desc()).limit(1))
        return Anchor(last.seq, last.seal, at, last.seal_no) if last else None

    async def verify(self, key: bytes, anchors: Sequence[Anchor] = ()) -> ChainReport:
        """Walk the chain from its start; `broken_at` is the `seq` of the first bad row.

        Where rows are missing, that is the first row after the gap, or the last one left.
        """
        anchored = _Anchored(anchors)
        rows = int(await self._session.value(select(func.count()).select_from(T)))
        count, previous, last_seq = 0, START, 0
        async for row in self._chain():
            count += 1
            fault = _fault(row)
            expected = _seal(key, previous, count, row)
            if row.seal_no != count:
                fault = f"sealed row number {count} is missing or was moved"
            elif not hmac.compare_digest(row.seal, expected.hex()):
                fault = fault or "its seal does not fit: it was edited, or this is not the key"
            fault = fault or anchored.fault(row)
            if fault:
                return ChainReport(rows, await self._sealed(), row.seq, f"row {row.seq}: {fault}")
            previous, last_seq = expected, row.seq
        fault = await self._head_fault(key, count, previous.hex()) or anchored.missing(count)
        if fault:
            return ChainReport(rows, count, last_seq, fault, anchored.agreed)
        return await self._verify_tail(rows, count, anchored.agreed)

    async def _verify_tail(self, rows: int, sealed: int, anchors: int) -> ChainReport:
        """Check what can be checked of rows that have no seal yet."""
        query = _rows().where(T.c.seal_no.is_(None)).order_by(T.c.seq)
        for row in await self._session.all(query):
            fault = _fault(row)
            if fault:
                return ChainReport(rows, sealed, row.seq, f"row {row.seq}, not sealed yet: {fault}")
        return ChainReport(rows, sealed, None, "", anchors)

    async def _sealed(self) -> int:
        query = select(func.count()).select_from(T).where(T.c.seal_no.is_not(None))
        return int(await self._session.value(query))

    async def _chain(self) -> AsyncIterator[Row[Any]]:
        """Yield sealed rows by their number, a page at a time."""
        after = None
        while True:
            query = _rows().where(T.c.seal_no.is_not(None)).order_by(T.c.seal_no).limit(PAGE)
            page = await self._session.all(
                query if after is None else query.where(T.c.seal_no > after)
            )
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            after = page[-1].seal_no

    async def tail(self, limit: int = 50, subject: str = "") -> list[AuditRow]:
        """Return the newest rows, oldest first, about one subject if named."""
        newest = _rows().order_by(T.c.seq.desc()).limit(limit)
        if subject:
            newest = newest.where(T.c.subject == subject)
        return [_audit_row(row) for row in reversed(await self._session.all(newest))]

    async def sealed_after(self, seal_no: int, limit: int) -> list[AuditRow]:
        """Return the sealed rows behind a place in the chain, in its order."""
        behind = _rows().where(T.c.seal_no > seal_no).order_by(T.c.seal_no).limit(limit)
        return [_audit_row(row) for row in await self._session.all(behind)]

    async def since(self, start: datetime, end: datetime) -> list[AuditRow]:
        """Return rows of [start, end) in world time, oldest first."""
        query = _rows().where(T.c.at >= start, T.c.at < end).order_by(T.c.at, T.c.seq)
        return [_audit_row(row) for row in await self._session.all(query)]
