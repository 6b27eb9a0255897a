"""digest_slots: which slots were told, so that each is told once."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select

from bot.domain.ids import ChannelId
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class SlotRow(Base, table=True):
    """One slot of one channel; its key is what makes telling it twice impossible."""

    __tablename__ = "digest_slots"
    channel: str = text_column(primary_key=True)
    slot: datetime = time_column(primary_key=True)
    told_at: datetime = time_column()


T = table_of(SlotRow)


class SqlDigests:
    """The port `Digests`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def take(self, channel: ChannelId, slot: datetime, at: datetime) -> bool:
        """Claim a slot; False when it was told already."""
        values = {"channel": channel, "slot": slot, "told_at": at}
        return await self._session.add_new(T, values, ["channel", "slot"])

    async def last(self, channel: ChannelId) -> datetime | None:
        """Return the newest slot told in a channel."""
        query = select(func.max(T.c.slot)).where(T.c.channel == channel)
        found: datetime | None = await self._session.value(query)
        return found
