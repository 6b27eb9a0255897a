"""slack_inbox: envelopes committed before Slack is told yes.

waiting --claim--> leased --done--> done
                      |---failed(retry_at)--> waiting, not before then
                      |---failed(None)------> parked, for a person
                      |---lease runs out----> waiting

A row's lane is not sealed: it says only who is taken first, and who works off the general lane
takes what is in any.

A done row keeps its key, so that a second delivery is known, and nothing of what was said. A row
is sealed when Slack's envelope comes in: one that somebody else wrote, or changed, is nobody's
click. That a click or a command was carried out stands in the audit: whoever puts its genuine row
back gives no order with it. Both are parked and written down when their turn comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Index, Row, func, or_, select, update
from sqlalchemy import text as sql

from bot.core.ports import Audit, HeldBack, InboxItem
from bot.domain.audit import BOT, Event
from bot.domain.keyring import Keyring, Purpose
from bot.store.codec import from_json, to_json
from bot.store.schema import Base, clean_text, number_column, table_of, text_column, time_column
from bot.store.session import Session

OPEN = "done_at IS NULL AND parked_error IS NULL"
PARKED = "done_at IS NULL AND parked_error IS NOT NULL"
UNPROVED = "nothing proves that Slack sent it"
AGAIN = "it was carried out before, and somebody put its row back"
TALK = "event"  # what people say; all else asks for a deed
CARRIED_OUT = "inbox.done"


class InboxRow(Base, table=True):
    """One envelope."""

    __tablename__ = "slack_inbox"
    __table_args__ = (
        Index("ix_slack_inbox_open", "id", sqlite_where=sql(OPEN), postgresql_where=sql(OPEN)),
        Index(
            "ix_slack_inbox_parked",
            "received_at",
            sqlite_where=sql(PARKED),
            postgresql_where=sql(PARKED),
        ),
        {"sqlite_autoincrement": True},
    )
    id: int | None = number_column(default=None, primary_key=True)
    dedupe_key: str = text_column(unique=True)
    kind: str = text_column()
    body: str = text_column()
    received_at: datetime = time_column()
    attempts: int
    owner: str = text_column()
    lease_until: datetime | None = time_column()
    retry_at: datetime | None = time_column()
    last_error: str = text_column()
    parked_error: str | None = text_column()
    done_at: datetime | None = time_column()
    mac: str | None = text_column()  # NULL: of a version before `0006_seals`
    lane: str | None = text_column()  # NULL: the general one


T = table_of(InboxRow)


def _sealed(key: str, kind: str, body: str, at: datetime) -> tuple[str, ...]:
    """Return what the seal of an envelope covers."""
    return (clean_text(key), kind, body, at.astimezone(UTC).isoformat())


def _open() -> tuple[ColumnElement[bool], ...]:
    return T.c.done_at.is_(None), T.c.parked_error.is_(None)


class SqlInbox:
    """The port `Inbox`. `attempts` counts claims, the current one included."""

    def __init__(self, session: Session, keyring: Keyring, audit: Audit) -> None:
        self._session, self._keyring, self._audit = session, keyring, audit

    async def add(
        self, dedupe_key: str, kind: str, body: Mapping[str, Any], at: datetime, lane: str = ""
    ) -> bool:
        """Store an envelope; False when the key is known already."""
        text = to_json(body)
        values = {
            "dedupe_key": dedupe_key,
            "kind": kind,
            "body": text,
            "mac": self._keyring.mac(Purpose.ENVELOPE, *_sealed(dedupe_key, kind, text, at)),
            "received_at": at,
            "attempts": 0,
            "owner": "",
            "last_error": "",
            "lane": lane or None,
        }
        return await self._session.add_new(T, values, ["dedupe_key"])

    async def claim(
        self, owner: str, at: datetime, lease: timedelta, lane: str = ""
    ) -> InboxItem | None:
        """Take the oldest item nobody holds (or whose lease ran out), of one lane or of any.

        What nothing proves is parked on the way.
        """
        while (row := await self._oldest(at, lane)) is not None:
            why = await self._fault(row)
            if not why:
                return await self._taken(row, owner, at + lease)
            await self.failed(row.id, why, None)
            facts = {"kind": row.kind, "id": row.id}
            await self._audit.append(
                Event("inbox.refused", at, BOT, row.dedupe_key, why, facts=facts)
            )
        return None

    async def _fault(self, row: Row[Any]) -> str:
        """Say why an envelope must not be worked on; empty when it may."""
        sealed = _sealed(row.dedupe_key, row.kind, row.body, row.received_at)
        if not self._keyring.holds(row.mac, Purpose.ENVELOPE, *sealed):
            return UNPROVED
        if row.kind == TALK:
            return ""
        return AGAIN if await self._audit.proved(row.dedupe_key, CARRIED_OUT) else ""

    async def _oldest(self, at: datetime, lane: str) -> Row[Any] | None:
        of_lane = (T.c.lane == lane,) if lane else ()
        oldest = (
            select(T)
            .where(*_open(), *of_lane)
            .where(or_(T.c.lease_until.is_(None), T.c.lease_until <= at))
            .where(or_(T.c.retry_at.is_(None), T.c.retry_at <= at))
            .order_by(T.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        return await self._session.first(oldest)

    async def _taken(self, row: Row[Any], owner: str, until: datetime) -> InboxItem:
        attempts = row.attempts + 1
        taken = {"owner": owner, "lease_until": until, "attempts": attempts}
        await self._session.run(update(T).where(T.c.id == row.id).values(**taken))
        return InboxItem(
            row.id, row.dedupe_key, row.kind, from_json(row.body), row.received_at, attempts
        )

    async def renew(self, item_id: int, owner: str, until: datetime) -> bool:
        """Extend the lease of a claimed item; False when it is no longer ours."""
        ours = update(T).where(T.c.id == item_id, T.c.owner == owner, *_open())
        return await self._session.run(ours.values(lease_until=until)) == 1

    async def done(self, item_id: int, at: datetime) -> None:
        """Finish an item; the first end counts. Its body is erased: nobody needs it any more."""
        row = await self._session.first(select(T.c.dedupe_key, T.c.kind).where(T.c.id == item_id))
        undone = update(T).where(T.c.id == item_id, T.c.done_at.is_(None))
        ended = undone.values(done_at=at, owner="", lease_until=None, body="{}")
        if await self._session.run(ended) == 1 and row is not None and row.kind != TALK:
            facts = {"kind": row.kind}
            await self._audit.append(Event(CARRIED_OUT, at, BOT, row.dedupe_key, facts=facts))

    async def failed(self, item_id: int, error: str, retry_at: datetime | None) -> None:
        """Note a failure; with no `retry_at` the item is parked for a person."""
        noted = {
            "owner": "",
            "lease_until": None,
            "retry_at": retry_at,
            "last_error": error,
            "parked_error": error if retry_at is None else None,
        }
        undone = update(T).where(T.c.id == item_id, T.c.done_at.is_(None))
        await self._session.run(undone.values(**noted))

    async def backlog(self) -> int:
        """Return how many items wait, those being worked on included, parked ones not."""
        return int(await self._session.value(select(func.count()).select_from(T).where(*_open())))

    async def parked(self, since: datetime) -> list[HeldBack]:
        """Return what was given up of what came since then (wall), by kind."""
        given_up = (T.c.parked_error.is_not(None), T.c.done_at.is_(None), T.c.received_at >= since)
        found: dict[str, HeldBack] = {}
        for row in await self._session.all(select(T).where(*given_up).order_by(T.c.id)):
            known = found.get(row.kind, HeldBack(row.kind, 0, row.received_at, ""))
            found[row.kind] = HeldBack(row.kind, known.count + 1, known.since, row.parked_error)
        return list(found.values())


async def adopt_envelopes(session: Session, keyring: Keyring) -> int:
    """Seal, once, what an older version took from Slack and did not work on; returns how many."""
    rows = await session.all(select(T).where(T.c.mac.is_(None), *_open()))
    for row in rows:
        sealed = _sealed(row.dedupe_key, row.kind, row.body, row.received_at)
        mac = keyring.mac(Purpose.ENVELOPE, *sealed)
        await session.run(update(T).where(T.c.id == row.id).values(mac=mac))
    return len(rows)
