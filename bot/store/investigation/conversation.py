"""messages: a thread as the model saw it, in plain JSON content blocks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Index, insert, select

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


T = table_of(TurnRow)


class SqlConversation:
    """The port `Conversation`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def history(self, place: Place, limit: int = 60) -> list[Mapping[str, Any]]:
        """Return the newest `limit` messages, oldest first."""
        newest = select(T).where(T.c.place == place.key()).order_by(T.c.id.desc()).limit(limit)
        rows = await self._session.all(newest)
        return [{"role": row.role, "content": from_json(row.content)} for row in reversed(rows)]

    async def append(
        self, place: Place, role: str, content: Any, run_id: RunId, at: datetime
    ) -> None:
        """Add one message."""
        values = {"place": place.key(), "role": role, "content": to_json(content)}
        await self._session.run(insert(T).values(run_id=run_id, at=at, **values))
