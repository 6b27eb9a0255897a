"""flags: switches that people set at run time. No row means unset."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from bot.core.ports import Flag
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class FlagRow(Base, table=True):
    """One switch and who set it last."""

    __tablename__ = "flags"
    name: str = text_column(primary_key=True)
    value: str = text_column()
    by: str = text_column()
    at: datetime = time_column()


T = table_of(FlagRow)


class SqlFlags:
    """The port `Flags`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def get(self, name: str) -> str:
        """Return a flag's value, empty when unset."""
        return str(await self._session.value(select(T.c.value).where(T.c.name == name)) or "")

    async def find(self, name: str) -> Flag | None:
        """Return a flag with who set it and when, None when unset."""
        rows = await self._session.all(select(T).where(T.c.name == name))
        return Flag(rows[0].value, rows[0].by, rows[0].at) if rows else None

    async def set(self, name: str, value: str, by: str, at: datetime) -> None:
        """Set a flag; an empty value clears it."""
        if value:
            row = {"name": name, "value": value, "by": by, "at": at}
            await self._session.put(T, [row], ["name"])
        else:
            await self._session.run(delete(T).where(T.c.name == name))
