"""One database transaction, with the few statements that SQLite and PostgreSQL spell apart.

SQLite needs no row locks: its write transactions begin IMMEDIATE, one at a time. On PostgreSQL
claims skip rows that others hold, and `lock` serialises what must happen in one line.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Executable, Row, Select, Table, TextClause, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core.ports import StaleError
from bot.store.schema import Base, number_column, table_of, text_column
from foundation.nearest import nearest
from tools.errors import NotFoundError

NEAR = 200  # so many newest ids are compared when an id is unknown


class CounterRow(Base, table=True):
    """A number that rises without gaps: it is taken and given back with its transaction."""

    __tablename__ = "counters"
    name: str = text_column(primary_key=True)
    value: int = number_column()


COUNTERS = table_of(CounterRow)


class Session:
    """A connection inside a transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.postgres = connection.dialect.name == "postgresql"

    async def all(self, statement: Executable) -> Sequence[Row[Any]]:
        """Return every row."""
        return (await self._connection.execute(statement)).all()

    async def first(self, statement: Executable) -> Row[Any] | None:
        """Return the first row, None when there is none."""
        return (await self._connection.execute(statement)).first()

    async def value(self, statement: Executable, row: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of the first row, None when there is none."""
        return (await self._connection.execute(statement, row)).scalar()

    async def run(self, statement: Executable, rows: Sequence[Mapping[str, Any]] = ()) -> int:
        """Execute a write, once or for each of `rows`; returns how many rows it touched."""
        done = await self._connection.execute(statement, rows or None)
        return int(done.rowcount)

    def insert(self, table: Table) -> Any:
        """Return the dialect's own INSERT, which knows ON CONFLICT."""
        return postgresql.insert(table) if self.postgres else sqlite.insert(table)

    async def add_new(
        self,
        table: Table,
        values: Mapping[str, Any],
        keys: Sequence[str],
        where: TextClause | None = None,
    ) -> bool:
        """Insert one row; False when the unique index over `keys` knows it already."""
        insert = self.insert(table).values(**values)
        keep = insert.on_conflict_do_nothing(index_elements=list(keys), index_where=where)
        return await self.run(keep) == 1

    async def put(
        self,
        table: Table,
        rows: Sequence[Mapping[str, Any]],
        keys: Sequence[str],
        keep: Mapping[str, Any] | None = None,
    ) -> None:
        """Insert rows or replace those with the same `keys`; `keep` overrides columns then."""
        if not rows:
            return
        insert = self.insert(table)
        new = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        put = insert.on_conflict_do_update(index_elements=list(keys), set_={**new, **(keep or {})})
        await self.run(put, rows)

    async def count_up(self, name: str) -> int:
        """Return the next number of a counter, 1 first; others wait until we commit."""
        insert = self.insert(COUNTERS).values(name=name, value=1)
        risen = insert.on_conflict_do_update(
            index_elements=["name"], set_={"value": COUNTERS.c.value + 1}
        )
        return int(await self.value(risen.returning(COUNTERS.c.value)))

    async def lock(self, name: str) -> None:
        """Hold a named lock until the transaction ends (SQLite: we hold the only one already)."""
        if self.postgres:
            await self.value(select(func.pg_advisory_xact_lock(lock_key(name))))

    @asynccontextmanager
    async def sole(self, message: str) -> AsyncIterator[None]:
        """Turn a broken unique index into StaleError; the transaction stays usable."""
        try:
            async with self._connection.begin_nested():
                yield
        except IntegrityError as error:
            raise StaleError(message) from error

    async def get(self, query: Select[Any], noun: str, wanted: str, ids: Select[Any]) -> Row[Any]:
        """Return the row, or raise NotFoundError with the nearest of the newest `ids`."""
        row = await self.first(query)
        if row is None:
            known = [str(each[0]) for each in await self.all(ids.limit(NEAR))]
            raise NotFoundError(f"there is no {noun} {wanted!r}.{nearest(wanted, known)}")
        return row


def lock_key(name: str) -> int:
    """Return a name as PostgreSQL's 64-bit key of advisory locks."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
