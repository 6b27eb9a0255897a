"""slack_outbox: what Slack must show.

asked --claim--> leased --sending--> attempted --posted--> shown
                    |--- failed: again at `retry_at`
                    |--- moved: asked again, for another place; `meant` keeps where it belongs
                    |--- held: no way is left; again at `retry_at`, without one never
shown --refresh--> dirty --claim--> leased --updated--> shown

Posts of a channel leave in the order they were asked for; an older row that is being sent or
waits for its retry holds the younger ones back. One that was refused, that is held, or that was
tried often does not: an order is worth less than being told. `revision` rises with every refresh;
what was claimed is remembered, so a refresh during a post or an update is not lost: the row is
dirty while `shown < revision`.

A row is sealed when it is asked for, and anew with what becomes of it: what it shows, where, and
which message it is. One that somebody else wrote, or changed, is neither posted nor updated; it is
parked and written down when its turn comes. That it was posted stands in the audit: its row of
before, put back, is not posted a second time.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Index,
    Row,
    Select,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy import text as sql

from bot.core.ports import Audit, Detour, HeldBack, OutboxRow, StaleError
from bot.domain.audit import BOT, Event
from bot.domain.ids import ChannelId, Ts
from bot.domain.keyring import Keyring, Purpose
from bot.domain.place import Place
from bot.store.codec import from_json, to_json
from bot.store.row_seals import RowSeal
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session
from tools.errors import NotFoundError

UNPOSTED = sql("ts IS NULL")
DIRTY = sql("shown < revision")
TROUBLED = sql("troubled_at IS NOT NULL")
ELSEWHERE = sql("meant IS NOT NULL")


class MessageRow(Base, table=True):
    """One message."""

    __tablename__ = "slack_outbox"
    __table_args__ = (
        Index(
            "ix_slack_outbox_unposted",
            "channel",
            "seq",
            sqlite_where=UNPOSTED,
            postgresql_where=UNPOSTED,
        ),
        Index("ix_slack_outbox_dirty", "seq", sqlite_where=DIRTY, postgresql_where=DIRTY),
        Index(
            "ix_slack_outbox_troubled",
            "troubled_at",
            sqlite_where=TROUBLED,
            postgresql_where=TROUBLED,
        ),
        Index(
            "ix_slack_outbox_elsewhere",
            "posted_at",
            sqlite_where=ELSEWHERE,
            postgresql_where=ELSEWHERE,
        ),
        Index("ix_slack_outbox_subject", "view", "ref"),
        Index("ux_slack_outbox_message", "channel", "ts", unique=True),
        {"sqlite_autoincrement": True},
    )
    seq: int | None = number_column(default=None, primary_key=True)
    id: str = text_column(unique=True)
    key: str = text_column(unique=True)
    view: str = text_column()
    ref: str = text_column()
    channel: str = text_column()
    thread_ts: str | None = text_column()
    behind: str = text_column()
    body: str = text_column()
    ts: str | None = text_column()
    revision: int
    claimed: int
    shown: int
    attempts: int
    file_id: str = text_column()
    owner: str = text_column()
    lease_until: datetime | None = time_column()
    retry_at: datetime | None = time_column()
    last_error: str = text_column()
    parked: bool
    sent_at: datetime | None = time_column()
    posted_at: datetime | None = time_column()
    updated_at: datetime | None = time_column()
    mac: str | None = text_column()  # NULL: nothing proves it; so before `0010_more_seals`
    refused: int | None = number_column()  # NULL: never
    troubled_at: datetime | None = time_column()  # the first failure since it was shown
    meant: str | None = text_column()  # NULL: it is where it belongs


T = table_of(MessageRow)
SEAL = RowSeal(
    T,
    Purpose.MESSAGE,
    "id",
    ("id", "key", "view", "ref", "channel", "thread_ts", "behind", "body", "ts", "file_id"),
    later=("meant",),
)
UNPROVED = "nothing proves that we asked for it"
AGAIN = "it was posted before, and somebody put its row back"
REFUSED, POSTED, MOVED = "outbox.refused", "outbox.posted", "outbox.moved"  # kinds of audit rows
FREE = {"owner": "", "lease_until": None}
WELL: dict[str, Any] = {"attempts": 0, "refused": None, "troubled_at": None, "retry_at": None}
HOLDS_FOR = 8  # claims, about four minutes of backing off: then the younger ones go first


def _parent_posted(row: FromClause) -> ColumnElement[bool]:
    """Say that a row waits behind nothing, or behind a message that is there."""
    parent = T.alias()
    there = exists().where(parent.c.key == row.c.behind, parent.c.ts.is_not(None))
    return or_(row.c.behind == "", there)


def _held_back() -> ColumnElement[bool]:
    """Say that an older row of the channel must be posted first."""
    older = T.alias()
    return exists().where(
        older.c.channel == T.c.channel,
        older.c.seq < T.c.seq,
        older.c.ts.is_(None),
        older.c.parked.is_(False),
        older.c.refused.is_(None),
        older.c.attempts <= HOLDS_FOR,
        _parent_posted(older),
    )


def _row(row: Row[Any]) -> OutboxRow:
    return OutboxRow(
        id=row.id,
        key=row.key,
        view=row.view,
        ref=row.ref,
        channel=row.channel,
        thread_ts=row.thread_ts,
        body=from_json(row.body),
        ts=row.ts,
        attempts=row.attempts,
        file_id=row.file_id,
        sent_at=row.sent_at,
        refused=row.refused or 0,
        meant=_detour(row.meant),
    )


def _detour(text: str | None) -> Detour | None:
    if text is None:
        return None
    kept = from_json(text)
    thread = kept.get("thread_ts")
    return Detour(ChannelId(kept["channel"]), Ts(thread) if thread else None, kept["why"])


def _kept(meant: Detour | None) -> str | None:
    if meant is None:
        return None
    return to_json({"channel": meant.channel, "thread_ts": meant.thread_ts, "why": meant.why})


def _by_channel(rows: Iterable[tuple[Row[Any], datetime, str]]) -> list[HeldBack]:
    """Count rows with their time and trouble by the channel that they belong to."""
    found: dict[str, HeldBack] = {}
    for row, at, trouble in rows:
        meant = _detour(row.meant)
        where = str(meant.channel if meant is not None else row.channel)
        before = found.get(where, HeldBack(where, 0, at, ""))
        why = trouble or (meant.why if meant is not None else "")
        found[where] = HeldBack(where, before.count + 1, min(before.since, at), why)
    return list(found.values())


class SqlOutbox:
    """The port `Outbox`. `attempts` counts claims since the last success."""

    def __init__(self, session: Session, keyring: Keyring, audit: Audit) -> None:
        self._session, self._keyring, self._audit = session, keyring, audit

    async def post(
        self,
        key: str,
        view: str,
        ref: str,
        place: Place,
        body: Mapping[str, Any] | None = None,
        *,
        behind: str = "",
        meant: Detour | None = None,
    ) -> str:
        """Ask for one message; the same key twice is one message."""
        values = {
            # Wider than other ids: there are many, and a crash is repaired by searching for one.
            "id": f"MSG-{secrets.token_hex(8)}",
            "key": key,
            "view": view,
            "ref": ref,
            "channel": place.channel,
            "thread_ts": place.thread_ts,
            "behind": behind,
            "body": to_json(body or {}),
            "revision": 1,
            "claimed": 0,
            "shown": 0,
            "attempts": 0,
            "file_id": "",
            "owner": "",
            "last_error": "",
            "parked": False,
            "meant": _kept(meant),
        }
        sealed = {**values, "mac": SEAL.mac(self._keyring, values)}
        if await self._session.add_new(T, sealed, ["key"]):
            return str(values["id"])
        there = await self._session.first(select(T).where(T.c.key == key))
        if there is not None and SEAL.holds(self._keyring, there):
            return str(there.id)
        # Somebody took its key, so that this would not be told: they keep their row without it.
        moved = update(T).where(T.c.key == key).values(key=f"{key} taken by {secrets.token_hex(8)}")
        await self._session.run(moved)
        await self._session.run(insert(T).values(**sealed))
        return str(values["id"])

    async def refresh(self, view: str, ref: str, body: Mapping[str, Any] | None = None) -> int:
        """Mark every message of this subject for a re-render, a parked one too: it is new."""
        new: dict[str, Any] = {"revision": T.c.revision + 1, "parked": False}
        subject = (T.c.view == view, T.c.ref == ref)
        if body is not None:
            for row in await self._session.all(select(T).where(*subject)):
                text = {"id": row.id, "body": to_json(body)}
                sealed = await SEAL.resealed(self._session, self._keyring, text)
                await self._session.run(update(T).where(T.c.id == row.id).values(**sealed))
        return await self._session.run(update(T).where(*subject).values(**new))

    async def claim(self, owner: str, at: datetime, lease: timedelta) -> OutboxRow | None:
        """Take the next row: posts in order per channel, then updates.

        What nothing proves is parked on the way.
        """
        while (row := await self._next(at)) is not None:
            why = await self._fault(row)
            if not why:
                return await self._take(row, owner, at + lease)
            await self._park(row, why, at)
        return None

    async def _fault(self, row: Row[Any]) -> str:
        """Say why a row must not be shown; empty when it may."""
        if not SEAL.holds(self._keyring, row):
            return UNPROVED
        if row.ts is None and await self._audit.proved(row.id, POSTED):
            return AGAIN
        if row.behind and row.thread_ts is None:
            parent = await self._session.first(select(T).where(T.c.key == row.behind))
            if parent is None or not SEAL.holds(self._keyring, parent):
                return "nothing proves the message that it belongs under"
        return ""

    async def _park(self, row: Row[Any], why: str, at: datetime) -> None:
        parked = {"parked": True, "last_error": why, "mac": None, "retry_at": None, **FREE}
        await self._session.run(update(T).where(T.c.seq == row.seq).values(**parked))
        facts = {"view": row.view, "ref": row.ref, "channel": row.channel}
        await self._audit.append(Event(REFUSED, at, BOT, row.id, why, facts=facts))

    async def _next(self, at: datetime) -> Row[Any] | None:
        free = (
            or_(T.c.parked.is_(False), T.c.retry_at.is_not(None)),
            or_(T.c.lease_until.is_(None), T.c.lease_until <= at),
            or_(T.c.retry_at.is_(None), T.c.retry_at <= at),
        )
        to_post = select(T).where(T.c.ts.is_(None), *free, _parent_posted(T), ~_held_back())
        to_update = select(T).where(T.c.shown < T.c.revision, T.c.ts.is_not(None), *free)
        for query in (to_post, to_update):
            row = await self._session.first(
                query.order_by(T.c.seq).limit(1).with_for_update(of=T, skip_locked=True)
            )
            if row is not None:
                return row
        return None

    async def _take(self, row: Row[Any], owner: str, until: datetime) -> OutboxRow:
        values: dict[str, Any] = {
            "owner": owner,
            "lease_until": until,
            "attempts": T.c.attempts + 1,
            "claimed": T.c.revision,
        }
        if row.thread_ts is None and row.ts is None and row.meant is None:
            values |= await self._below(row)
        await self._session.run(update(T).where(T.c.seq == row.seq).values(**values))
        return await self._get(row.id)

    async def _below(self, row: Row[Any]) -> dict[str, Any]:
        """Return the thread below the message that a row goes behind, wherever that one went."""
        if not row.behind:
            return {}
        above = await self._session.first(select(T).where(T.c.key == row.behind))
        if above is None:
            return {}
        return await self._sealed(
            row.id, channel=above.channel, thread_ts=above.thread_ts or above.ts
        )

    async def _get(self, row_id: str) -> OutboxRow:
        row = await self._session.first(select(T).where(T.c.id == row_id))
        if row is None:
            raise NotFoundError(f"there is no outbox row {row_id!r}; claim one first")
        return _row(row)

    async def _sealed(self, row_id: str, **values: Any) -> dict[str, Any]:
        """Return new values of sealed columns with the seal that goes with them."""
        return await SEAL.resealed(self._session, self._keyring, {"id": row_id, **values})

    async def _change(self, row_id: str, **values: Any) -> None:
        if await self._session.run(update(T).where(T.c.id == row_id).values(**values)) == 0:
            raise NotFoundError(f"there is no outbox row {row_id!r}; claim one first")

    async def sending(self, row_id: str, at: datetime) -> None:
        """Commit that a post is about to be attempted."""
        await self._change(row_id, sent_at=at)

    async def posted(self, row_id: str, ts: Ts, at: datetime) -> None:
        """Commit where the message is; StaleError when it was posted elsewhere already."""
        first = update(T).where(T.c.id == row_id, or_(T.c.ts.is_(None), T.c.ts == ts))
        told = {"posted_at": at, "shown": T.c.claimed, **WELL}
        told |= await self._sealed(row_id, ts=ts)
        if await self._session.run(first.values(last_error="", parked=False, **told, **FREE)) == 0:
            there = (await self._get(row_id)).ts
            raise StaleError(f"{row_id} is message {there} already; delete the second one, {ts}")
        await self._audit.append(Event(POSTED, at, BOT, row_id, facts={"ts": ts}))

    async def updated(self, row_id: str, at: datetime) -> None:
        """Clear the dirty mark (unless it was set again meanwhile)."""
        told = {"updated_at": at, "shown": T.c.claimed, "parked": False, **WELL}
        await self._change(row_id, last_error="", **told, **FREE)

    async def again(self, row_id: str, at: datetime) -> None:
        """Mark a message that is there for a re-render at a time (wall): a part of it was late."""
        await self._change(row_id, revision=T.c.revision + 1, retry_at=at)

    async def uploaded(self, row_id: str, file_id: str) -> None:
        """Remember the uploaded chart."""
        await self._change(row_id, **await self._sealed(row_id, file_id=file_id))

    async def failed(
        self,
        row_id: str,
        error: str,
        at: datetime,
        retry_at: datetime,
        *,
        refused: bool = False,
    ) -> None:
        """Note a failure at a time (wall). What was refused holds back nobody behind it."""
        counted = {"refused": func.coalesce(T.c.refused, 0) + 1} if refused else {}
        trouble = {"last_error": error, "troubled_at": func.coalesce(T.c.troubled_at, at)}
        await self._change(row_id, retry_at=retry_at, **trouble, **counted, **FREE)

    async def held(self, row_id: str, error: str, at: datetime, retry_at: datetime | None) -> None:
        """Note that there is no way: it holds nobody back. Without `retry_at` never again."""
        trouble = {"last_error": error, "troubled_at": func.coalesce(T.c.troubled_at, at)}
        await self._change(row_id, retry_at=retry_at, parked=True, **trouble, **FREE)

    async def moved(
        self, row_id: str, place: Place, meant: Detour | None, at: datetime, error: str
    ) -> None:
        """Send a message that is not posted another way, or back to where it belongs.

        StaleError when it was posted meanwhile: then it is where it is.
        """
        before = await self._get(row_id)
        new = {"channel": place.channel, "thread_ts": place.thread_ts, "meant": _kept(meant)}
        trouble = {"last_error": error, "troubled_at": func.coalesce(T.c.troubled_at, at)}
        anew = {"attempts": 0, "refused": None, "retry_at": None, "sent_at": None, **trouble}
        unposted = update(T).where(T.c.id == row_id, T.c.ts.is_(None))
        sealed = await self._sealed(row_id, **new)
        if await self._session.run(unposted.values(**sealed, **anew, **FREE)) == 0:
            raise StaleError(f"{row_id} is message {before.ts} already; leave it where it is")
        facts = {"from": Place(before.channel, before.thread_ts).key(), "to": place.key()}
        await self._audit.append(Event(MOVED, at, BOT, row_id, error, facts=facts))

    async def held_back(self, before: datetime, lately: datetime) -> list[HeldBack]:
        """Return what is held, or in trouble since before then, by the channel it is for."""
        unshown = or_(T.c.ts.is_(None), T.c.shown < T.c.revision)
        stuck = or_(T.c.parked.is_(True), T.c.troubled_at <= before)
        awaited = or_(T.c.retry_at.is_not(None), T.c.troubled_at >= lately)
        troubled = (T.c.troubled_at.is_not(None), unshown, stuck, awaited)
        rows = await self._session.all(select(T).where(*troubled).order_by(T.c.seq))
        return _by_channel((row, row.troubled_at, row.last_error) for row in rows)

    async def told_elsewhere(self, since: datetime) -> list[HeldBack]:
        """Return what was posted elsewhere since then (wall), by the channel it is for."""
        there = (T.c.meant.is_not(None), T.c.ts.is_not(None), T.c.posted_at >= since)
        rows = await self._session.all(select(T).where(*there).order_by(T.c.seq))
        return _by_channel((row, row.posted_at, "") for row in rows)

    async def find(self, key: str) -> OutboxRow | None:
        """Return the row of a key, if we wrote it."""
        return next(iter(await self._ours(select(T).where(T.c.key == key))), None)

    async def of(self, view: str, ref: str) -> list[OutboxRow]:
        """Return the rows that we wrote to show a subject, oldest first."""
        query = select(T).where(T.c.view == view, T.c.ref == ref).order_by(T.c.seq)
        return await self._ours(query)

    async def at(self, channel: ChannelId, ts: Ts) -> OutboxRow | None:
        """Return the row that became this message, if we wrote it."""
        query = select(T).where(T.c.channel == channel, T.c.ts == ts)
        return next(iter(await self._ours(query)), None)

    async def _ours(self, query: Select[Any]) -> list[OutboxRow]:
        rows = await self._session.all(query)
        return [_row(row) for row in rows if SEAL.holds(self._keyring, row)]

    async def backlog(self) -> int:
        """Return how many rows wait to be posted or updated, parked ones not."""
        waiting = or_(T.c.ts.is_(None), T.c.shown < T.c.revision)
        query = select(func.count()).select_from(T).where(waiting, T.c.parked.is_(False))
        return int(await self._session.value(query))
