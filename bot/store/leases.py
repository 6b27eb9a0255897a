"""leases: who leads, who holds a thread; in wall time, by compare-and-set."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update

from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class LeaseRow(Base, table=True):
    """One lease. It is free when there is no row or `until` has passed."""

    __tablename__ = "leases"
    name: str = text_column(primary_key=True)
    owner: str = text_column()
    until: datetime = time_column()


T = table_of(LeaseRow)


class SqlLeases:
    """The port `Leases`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def acquire(self, name: str, owner: str, at: datetime, ttl: timedelta) -> bool:
        """Take or renew a lease; False while another owner holds it."""
        take = self._session.insert(T).values(name=name, owner=owner, until=at + ttl)
        ours_or_free = or_(T.c.owner == owner, T.c.until <= at)
        swap = take.on_conflict_do_update(
            index_elements=["name"], set_={"owner": owner, "until": at + ttl}, where=ours_or_free
        )
        return await self._session.value(swap.returning(T.c.name)) is not None

    async def renew(self, name: str, owner: str, at: datetime, ttl: timedelta) -> bool:
        """Prolong a lease that the owner still holds; one that lapsed or was given back is not."""
        held = (T.c.name == name, T.c.owner == owner, T.c.until > at)
        return await self._session.run(update(T).where(*held).values(until=at + ttl)) > 0

    async def release(self, name: str, owner: str) -> None:
        """Give a lease back; another owner's is left alone."""
        await self._session.run(delete(T).where(T.c.name == name, T.c.owner == owner))
