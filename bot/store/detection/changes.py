"""changes: deployments told by webhook and the bot's own actions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from bot.store.codec import decode, encode
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session
from tools.world import Change, Window


class ChangeRow(Base, table=True):
    """One change of production."""

    __tablename__ = "changes"
    id: int | None = number_column(default=None, primary_key=True)
    dedupe_key: str = text_column(unique=True)
    at: datetime = time_column(index=True)
    service: str = text_column(index=True)
    kind: str = text_column()
    body: str = text_column()


T = table_of(ChangeRow)


class SqlChanges:
    """The port `ChangeRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, change: Change, dedupe_key: str) -> bool:
        """Store one change; False when the key is known."""
        values = {
            "dedupe_key": dedupe_key,
            "at": change.at,
            "service": change.service,
            "kind": change.kind.value,
            "body": encode(change),
        }
        return await self._session.add_new(T, values, ["dedupe_key"])

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        """Return changes in the window (both ends included), newest first."""
        query = select(T.c.body).where(T.c.at >= window.start, T.c.at <= window.end)
        if services:
            query = query.where(T.c.service.in_(list(services)))
        rows = await self._session.all(query.order_by(T.c.at.desc(), T.c.id.desc()))
        return [decode(Change, row.body) for row in rows]
