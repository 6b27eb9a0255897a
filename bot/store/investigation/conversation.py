"""messages: a thread as the model saw it, in plain JSON content blocks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func, insert, select

from bot.domain.ids import RunId
from bot.domain.place import Place
from bot.store.codec import from_json, to_json
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session


class TurnRow(Base, table=True):
    """One message of a conversation."""

    __tablename__ = "messages"
    __table_args__ = (Index("ix_messages_place", "place", "id"), {"sqlite_autoincrement": True})
    id: int | None = number_column(default=None, primary_key=True)
    place: str = text_column()
    role: str = text_column()
    content: str = text_column()
    run_id: str = text_column(index=True)
    at: datetime = time_column()
    read_under: str | None = text_column()  # None: older than settings


T = table_of(TurnRow)


class SqlConversation:
    """The port `Conversation`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def history(self, place: Place, runs: int = 12) -> list[Mapping[str, Any]]:
        """Return the messages of the newest `runs` runs, oldest first; none of them in part."""
        here = T.c.place == place.key()
        newest = (
            select(T.c.run_id)
            .where(here)
            .group_by(T.c.run_id)
            .order_by(func.max(T.c.id).desc())
            .limit(runs)
        )
        rows = await self._session.all(
            select(T).where(here, T.c.run_id.in_(newest.scalar_subquery())).order_by(T.c.id)
        )
        return [
            {
                "role": row.role,
                "content": from_json(row.content),
                "read_under": from_json(row.read_under) if row.read_under else {},
            }
            for row in rows
        ]

    async def append(
        self,
        place: Place,
        role: str,
        content: Any,
        run_id: RunId,
        at: datetime,
        *,
        read_under: Mapping[str, str],
    ) -> None:
        """Add one message, with how much of whose data might be read when it was said."""
        values = {"place": place.key(), "role": role, "content": to_json(content)}
        values["read_under"] = to_json(dict(read_under))
        await self._session.run(insert(T).values(run_id=run_id, at=at, **values))
