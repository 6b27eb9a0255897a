"""postmortems and their action_items, which are rows of their own to be asked for later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlmodel import Field

from bot.domain.ids import IncidentId, PostmortemId
from bot.domain.postmortem import ActionItem, Postmortem
from bot.store.codec import decode, encode
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class PostmortemRow(Base, table=True):
    """One report, without its action items."""

    __tablename__ = "postmortems"
    id: str = text_column(primary_key=True)
    incident: str = text_column(index=True)
    drafted_at: datetime = time_column()
    published_at: datetime | None = time_column()
    body: str = text_column()


class ActionItemRow(Base, table=True):
    """One thing to do, in the order of the report."""

    __tablename__ = "action_items"
    postmortem: str = text_column(primary_key=True, foreign_key="postmortems.id")
    position: int = Field(primary_key=True)
    text: str = text_column()
    owner: str = text_column()
    due: str = text_column()


T = table_of(PostmortemRow)
ITEMS = table_of(ActionItemRow)


class SqlPostmortems:
    """The port `Postmortems`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def save(self, postmortem: Postmortem) -> None:
        """Insert or replace."""
        values = {
            "id": postmortem.id,
            "incident": postmortem.incident,
            "drafted_at": postmortem.drafted_at,
            "published_at": postmortem.published_at,
            "body": encode(replace(postmortem, actions=())),
        }
        await self._session.put(T, [values], ["id"])
        await self._session.run(delete(ITEMS).where(ITEMS.c.postmortem == postmortem.id))
        for position, item in enumerate(postmortem.actions):
            fields = {"text": item.text, "owner": item.owner, "due": item.due}
            await self._session.run(
                insert(ITEMS).values(postmortem=postmortem.id, position=position, **fields)
            )

    async def _postmortem(self, row: Row[Any]) -> Postmortem:
        query = select(ITEMS).where(ITEMS.c.postmortem == row.id).order_by(ITEMS.c.position)
        items = await self._session.all(query)
        actions = tuple(ActionItem(item.text, item.owner, item.due) for item in items)
        return replace(decode(Postmortem, row.body), actions=actions)

    async def get(self, postmortem_id: PostmortemId) -> Postmortem:
        """Return one."""
        ids = select(T.c.id).order_by(T.c.drafted_at.desc())
        query = select(T).where(T.c.id == postmortem_id)
        return await self._postmortem(
            await self._session.get(query, "postmortem", postmortem_id, ids)
        )

    async def of_incident(self, incident_id: IncidentId) -> Postmortem | None:
        """Return an incident's postmortem, the newest draft if there are several."""
        newest = select(T).where(T.c.incident == incident_id).order_by(T.c.drafted_at.desc())
        row = await self._session.first(newest.limit(1))
        return None if row is None else await self._postmortem(row)
