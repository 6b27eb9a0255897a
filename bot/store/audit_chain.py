"""The chain of the audit: its rows sealed one after the other, and all of it proved again.

    seal   --> row: seal_no n, seal_n = HMAC-SHA256(key, seal_(n-1) | n | seq | payload)
           --> head: n, seal_n, HMAC(key, "head" | n | seal_n)  so that a cut tail is seen

Rows are sealed in the order of `seq` as far as they are committed. One that commits late with
a lower `seq` is sealed after the others: the chain runs by `seal_no`, which has no gaps. A row
that nothing proves is not sealed, and the others are: whoever forges one row must not stop the
sealing of the rest, which then could be removed unseen.

Two kinds of rows say where a chain stands, and are sealed in the transaction that writes them:

    audit.began, audit.upgraded   the first start; older rows, which carry no seal of their own,
                                  count as proved as far as they were sealed then
    audit.begun_anew              after a restore: names the end that the anchor knew and the one
                                  that was found
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from bot.core.ports import AuditBrokenError, ChainReport, Sealed
from bot.domain.audit import Anchor, Event
from bot.domain.keyring import Keyring
from bot.store.audit_rows import (
    ADD_NUMBERED,
    H,
    T,
    event_of,
    fault_of,
    is_proved,
    row_values,
    whole_rows,
)
from bot.store.session import Session

BEGAN, UPGRADED, BEGUN_ANEW = "audit.began", "audit.upgraded", "audit.begun_anew"
HASH = re.compile(r"[0-9a-f]{64}")
START = bytes(32)  # what stands before the first seal
PAGE = 1000  # rows read at a time when the chain is walked
MOST_DISOWNED = 10_000  # rows that a new beginning names as not ours
TOLD = 10  # rows that nothing proves, told one by one


@dataclass(frozen=True, slots=True)
class Beginning:
    """A signed row that says where a chain stands."""

    seq: int
    seal_no: int | None
    event: Event

    @property
    def covered(self) -> int:
        """Sealed rows up to this one needed no seal of their own."""
        return int(self.event.facts["covered"])

    @property
    def anew(self) -> bool:
        """Whether it follows a restore."""
        return self.event.kind == BEGUN_ANEW

    @property
    def fault(self) -> str:
        """What was wrong with the rows before it; they are evidence and not judged again."""
        return str(self.event.facts.get("fault", ""))

    @property
    def disowned(self) -> frozenset[int]:
        """Rows that lay there and that nothing proves: they are not ours, and told once."""
        return frozenset(self.event.facts.get("disowned", ()))

    def replaces(self, anchor: Anchor) -> bool:
        """Say whether an anchor belongs to the chain that was given up here."""
        facts = self.event.facts
        if not self.anew or anchor.sealed_at >= datetime.fromisoformat(facts["wall"]):
            return False
        return anchor.count > facts["found"]["count"] or bool(self.fault)

    def told(self) -> str:
        """Return what a person must know of a new beginning."""
        facts, fault = self.event.facts, f"; before it: {self.fault}" if self.fault else ""
        return (
            f"begun anew at {self.event.at.isoformat()} by {self.event.actor} ({self.event.why}) "
            f"after {facts['found']['count']} sealed rows; the anchor knew "
            f"{facts['known']['count']}{fault}"
        )


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
                return _replaced(anchor, self._safe)
            self.agreed, self._safe = self.agreed + 1, anchor.count
        return ""

    def missing(self, sealed: int) -> str:
        """Say which rows a chain of this length lacks; empty when none."""
        return _missing(self._ahead[0], sealed) if self._ahead else ""


def _replaced(anchor: Anchor, safe: int) -> str:
    return (
        f"sealed rows {safe + 1} to {anchor.count} are not those of the anchor "
        f"of {anchor.sealed_at.isoformat()}: they were replaced"
    )


def _missing(anchor: Anchor, sealed: int) -> str:
    return (
        f"sealed rows {sealed + 1} to {anchor.count} are missing: the anchor of "
        f"{anchor.sealed_at.isoformat()} saw {anchor.count}"
    )


def _seal(key: bytes, previous: bytes, seal_no: int, row: Row[Any]) -> bytes:
    body = f"{seal_no}|{row.seq}|{row.payload}".encode()
    return hmac.digest(key, previous + body, "sha256")


def _proof(key: bytes, seal_no: int, seal: str) -> str:
    return hmac.digest(key, f"head|{seal_no}|{seal}".encode(), "sha256").hex()


class AuditChain:
    """Seals rows and proves them."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring, self._key = session, keyring, keyring.master

    # --- sealing --------------------------------------------------------------------------

    async def seal(self, known: Anchor | None, limit: int, *, adopting: bool = False) -> Sealed:
        """Seal what is proved, in order; `adopting` also what older versions wrote.

        Raises AuditBrokenError on a chain that is not the one we know.
        """
        await self._session.lock("audit.seal")
        seal_no, previous = await self._end()
        await self._agree(known, seal_no)
        disowned = _disowned(await self.beginnings())
        good, refused = await self._open_rows(limit, disowned, adopting=adopting)
        sealed = []
        for row in good:
            seal_no += 1
            previous = _seal(self._key, previous, seal_no, row)
            sealed.append({"row": row.seq, "position": seal_no, "mark": previous.hex()})
        await self._write(sealed)
        return Sealed(len(sealed), refused)

    async def _open_rows(
        self, limit: int, disowned: Collection[int], *, adopting: bool
    ) -> tuple[list[Row[Any]], tuple[str, ...]]:
        """Return unsealed rows that are proved, and what is to be said of the others."""
        good: list[Row[Any]] = []
        refused: list[str] = []
        after = 0
        while len(good) < limit:
            query = whole_rows().where(T.c.seal_no.is_(None), T.c.seq > after).order_by(T.c.seq)
            page = await self._session.all(query.limit(PAGE))
            twice = await self._twice([row.mac for row in page if row.mac])
            for row in page:
                fault = fault_of(row) or ("" if adopting else self._unproved(row))
                fault = fault or ("it is a copy of another row" if row.mac in twice else "")
                if not fault:
                    good.append(row)
                elif row.seq not in disowned and len(refused) < TOLD:
                    refused.append(f"row {row.seq}, not sealed: {fault}")
            if len(page) < PAGE:
                break
            after = page[-1].seq
        return good[:limit], tuple(refused)

    def _unproved(self, row: Row[Any]) -> str:
        if is_proved(row, self._keyring):
            return ""
        return "its own seal is wrong" if row.mac else "it has no seal of its own: it is not ours"

    async def _twice(self, macs: Sequence[str]) -> set[str]:
        """Return which of some seals stand twice: an index forbids that, as long as it is there."""
        query = select(T.c.mac).where(T.c.mac.in_(macs)).group_by(T.c.mac)
        return {row.mac for row in await self._session.all(query.having(func.count() > 1))}

    async def _write(self, sealed: Sequence[dict[str, Any]]) -> None:
        if not sealed:
            return
        fill: dict[str, Any] = {"seal_no": bindparam("position"), "seal": bindparam("mark")}
        await self._session.run(update(T).where(T.c.seq == bindparam("row")).values(**fill), sealed)
        seal_no, seal = sealed[-1]["position"], sealed[-1]["mark"]
        proof = _proof(self._key, seal_no, seal)
        head = {"id": 1, "seal_no": seal_no, "seal": seal, "proof": proof}
        await self._session.put(H, [head], ["id"])

    async def _end(self) -> tuple[int, bytes]:
        """Return where the chain ends, after proving that it is the end we wrote."""
        seal_no, seal = await self.newest()
        fault = await self._head_fault(seal_no, seal)
        if fault:
            raise AuditBrokenError(f"{fault}; run `audit verify` and keep the database as evidence")
        return seal_no, bytes.fromhex(seal)

    async def newest(self) -> tuple[int, str]:
        """Return the last number and seal in the table, proved or not."""
        newest = select(T.c.seal_no, T.c.seal).where(T.c.seal_no.is_not(None))
        last = await self._session.first(newest.order_by(T.c.seal_no.desc()).limit(1))
        return (last.seal_no, last.seal) if last else (0, START.hex())

    async def _head_fault(self, seal_no: int, seal: str) -> str:
        """Say why this is not the end of the chain; empty when it is."""
        head = await self._session.first(select(H))
        if head is None:
            if seal_no:
                return "the head of the audit chain was removed"
            return "the seals of the audit chain were removed" if await self.beginnings() else ""
        if not hmac.compare_digest(head.proof, _proof(self._key, head.seal_no, head.seal)):
            return "the head of the audit chain was edited, or this is not its key"
        if (head.seal_no, head.seal) != (seal_no, seal):
            return f"the audit chain ends at row {seal_no} of {head.seal_no} sealed ones"
        return ""

    async def _agree(self, known: Anchor | None, sealed: int) -> None:
        """Compare the chain with the end of it that is known from outside of the database."""
        if known is None:
            return
        if any(each.replaces(known) for each in await self.beginnings()):
            return
        row = await self._session.first(select(T.c.seal).where(T.c.seal_no == known.count))
        fault = ""
        if row is None:
            fault = _missing(known, sealed)
        elif row.seal != known.hash:
            fault = _replaced(known, 0)
        if fault:
            raise AuditBrokenError(f"{fault}; run `audit verify` and keep the database as evidence")

    # --- beginnings -----------------------------------------------------------------------

    async def beginnings(self) -> list[Beginning]:
        """Return the signed rows that say where the chain stands, oldest first."""
        kinds = T.c.kind.in_([BEGAN, UPGRADED, BEGUN_ANEW])
        rows = await self._session.all(select(T).where(kinds).order_by(T.c.seq))
        return [
            Beginning(row.seq, row.seal_no, event_of(row.payload))
            for row in rows
            if is_proved(row, self._keyring)
        ]

    async def sign(self, event: Event, seal_no: int, seal: str) -> None:
        """Append a signed row and seal it at once, behind an end that is given."""
        values = row_values(event, "", self._keyring)
        seq = await self._session.value(ADD_NUMBERED, values)
        row = (await self._session.all(select(T).where(T.c.seq == seq)))[0]
        mark = _seal(self._key, bytes.fromhex(seal), seal_no + 1, row).hex()
        await self._write([{"row": seq, "position": seal_no + 1, "mark": mark}])

    async def begin_anew(self, known: Anchor, event: Event, wall: datetime) -> None:
        """Go on behind what a restore left, with a signed row that names both ends."""
        await self._session.lock("audit.seal")
        beginnings = await self.beginnings()
        report = await self._verify_sealed((), beginnings)
        seal_no, seal = await self.newest()
        if not HASH.fullmatch(seal):  # edited: what is signed names it all the same
            seal = hashlib.sha256(seal.encode()).hexdigest()
        facts = {
            "known": {"count": known.count, "seq": known.seq, "hash": known.hash},
            "found": {"count": seal_no, "hash": seal},
            "covered": max((each.covered for each in beginnings), default=seal_no),
            "fault": report.reason,
            "disowned": await self._unproved_rows(),
            "wall": wall.isoformat(),
        }
        await self.sign(replace(event, kind=BEGUN_ANEW, facts=facts), seal_no, seal)

    async def _unproved_rows(self) -> list[int]:
        """Return the open rows that nothing proves."""
        found, after = [], 0
        while page := await self._session.all(
            select(T).where(T.c.seal_no.is_(None), T.c.seq > after).order_by(T.c.seq).limit(PAGE)
        ):
            found += [row.seq for row in page if self._unproved(row)]
            after = page[-1].seq
            if len(found) > MOST_DISOWNED:
                raise AuditBrokenError(
                    f"more than {MOST_DISOWNED} rows are not ours; keep a copy of the database as "
                    "evidence, delete them from the table audit, and begin anew"
                )
        return found

    # --- proving --------------------------------------------------------------------------

    async def verify(
        self, anchors: Sequence[Anchor], older_than: datetime | None = None
    ) -> ChainReport:
        """Walk the chain; `broken_at` is the `seq` of the first bad row.

        Where rows are missing, that is the first row after the gap, or the last one left.
        """
        beginnings = await self.beginnings()
        report = await self._verify_sealed(anchors, beginnings)
        if report.broken_at is not None:
            return report
        return await self._verify_tail(report, beginnings, older_than)

    async def fault_since(self, subject: str, known: Anchor | None) -> str:
        """Say why the chain is not the one we wrote, from before a subject's first row on.

        Empty when it is. What lies further back is `verify`'s: this is asked before an effect.
        """
        await self._session.lock("audit.seal")  # else its end and its head are of two moments
        try:
            seal_no, _ = await self._end()
            await self._agree(known, seal_no)
        except AuditBrokenError as error:
            return str(error)
        beginnings = await self.beginnings()
        covered = max((each.covered for each in beginnings), default=0)
        count, previous = await self._before(subject, beginnings)
        async for row in self._chain(count):
            count += 1
            expected = _seal(self._key, previous, count, row)
            if fault := self._sealed_fault(row, count, expected, covered):
                return f"row {row.seq} of the audit: {fault}"
            previous = expected
        return ""

    async def _before(self, subject: str, beginnings: Sequence[Beginning]) -> tuple[int, bytes]:
        """Return where the chain stood before the first row about a subject, proved or not."""
        count, previous, _ = _walk_from(beginnings)
        first = select(func.min(T.c.seq)).where(T.c.subject == subject).scalar_subquery()
        before = select(T.c.seal_no, T.c.seal).where(T.c.seal_no.is_not(None), T.c.seq < first)
        row = await self._session.first(before.order_by(T.c.seq.desc()).limit(1))
        if row is None or row.seal_no <= count or not HASH.fullmatch(row.seal):
            return count, previous
        return row.seal_no, bytes.fromhex(row.seal)

    async def _verify_sealed(
        self, anchors: Sequence[Anchor], beginnings: Sequence[Beginning]
    ) -> ChainReport:
        standing = [a for a in anchors if not any(each.replaces(a) for each in beginnings)]
        anchored = _Anchored(standing)
        covered = max((each.covered for each in beginnings), default=0)
        rows = int(await self._session.value(select(func.count()).select_from(T)))
        count, previous, last_seq = _walk_from(beginnings)
        async for row in self._chain(count):
            count += 1
            expected = _seal(self._key, previous, count, row)
            fault = self._sealed_fault(row, count, expected, covered) or anchored.fault(row)
            if fault:
                return ChainReport(rows, await self._sealed(), row.seq, f"row {row.seq}: {fault}")
            previous, last_seq = expected, row.seq
        notes = tuple(each.told() for each in beginnings if each.anew)
        report = ChainReport(rows, count, None, "", anchored.agreed, notes)
        fault = await self._head_fault(count, previous.hex()) or anchored.missing(count)
        return replace(report, broken_at=last_seq, reason=fault) if fault else report

    def _sealed_fault(self, row: Row[Any], count: int, expected: bytes, covered: int) -> str:
        if row.seal_no != count:
            return f"sealed row number {count} is missing or was moved"
        fault = fault_of(row)
        if not fault and not hmac.compare_digest(row.seal, expected.hex()):
            fault = "its seal does not fit: it was edited, or this is not the key"
        if not fault and (row.mac or count > covered):
            fault = self._unproved(row)
        return fault

    async def _verify_tail(
        self, report: ChainReport, beginnings: Sequence[Beginning], older_than: datetime | None
    ) -> ChainReport:
        """Check what can be checked of rows that have no seal in the chain yet."""
        disowned = _disowned(beginnings)
        query = whole_rows().where(T.c.seal_no.is_(None)).order_by(T.c.seq)
        for row in await self._session.all(query):
            if row.seq in disowned:
                continue
            fault = fault_of(row) or self._unproved(row)
            if not fault and older_than is not None and row.at < older_than:
                fault = (
                    f"it has waited since {row.at.isoformat()} to be sealed into the chain; until "
                    "then it can be removed unseen: does the bot run, and what does its log say?"
                )
            if fault:
                told = f"row {row.seq}, not sealed yet: {fault}"
                return replace(report, broken_at=row.seq, reason=told, anchors=0)
        twice = await self._session.first(
            select(func.max(T.c.seq).label("seq"))
            .where(T.c.mac.is_not(None))
            .group_by(T.c.mac)
            .having(func.count() > 1)
            .limit(1)
        )
        if twice is not None:
            told = f"row {twice.seq}: it is a copy of another row"
            return replace(report, broken_at=twice.seq, reason=told, anchors=0)
        return report

    async def _sealed(self) -> int:
        query = select(func.count()).select_from(T).where(T.c.seal_no.is_not(None))
        return int(await self._session.value(query))

    async def _chain(self, after: int) -> AsyncIterator[Row[Any]]:
        """Yield sealed rows behind a place by their number, a page at a time."""
        query = whole_rows().where(T.c.seal_no.is_not(None)).order_by(T.c.seal_no).limit(PAGE)
        behind = query.where(T.c.seal_no > after) if after else query
        while True:
            page = await self._session.all(behind)
            for row in page:
                yield row
            if len(page) < PAGE:
                return
            behind = query.where(T.c.seal_no > page[-1].seal_no)


def _disowned(beginnings: Sequence[Beginning]) -> frozenset[int]:
    return frozenset().union(*(each.disowned for each in beginnings))


def _walk_from(beginnings: Sequence[Beginning]) -> tuple[int, bytes, int]:
    """Return where the walk begins: behind what was given up as broken, if something was."""
    for each in reversed(beginnings):
        if each.anew and each.fault:
            found = each.event.facts["found"]
            return found["count"], bytes.fromhex(found["hash"]), 0
    return 0, START, 0
