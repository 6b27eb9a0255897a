"""Seals of rows that people are shown, or that decide something: which columns are sealed together.

    save   --> the row that stands there is proved --> sealed anew   (what nobody proves stays so)
    read   --> does the seal hold?

A row that was written, or changed, by somebody else has no seal that holds. A genuine one of
earlier that is put back has: where that matters, the audit says what came after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, Table, bindparam, select, update

from bot.domain.keyring import Keyring, Purpose
from bot.store.schema import clean_text
from bot.store.session import Session

PAGE = 500  # rows of an older version that are sealed at a time


@dataclass(frozen=True, slots=True)
class RowSeal:
    """The seal of one table's rows, kept in their column `mac`."""

    table: Table
    purpose: Purpose
    key: str  # the column that names a row
    columns: tuple[str, ...]  # what is sealed, the key included
    later: tuple[str, ...] = ()  # columns that came later: sealed where they hold something

    def mac(self, keyring: Keyring, values: Mapping[str, Any]) -> str:
        """Return the seal of these values; a column that is not named is empty."""
        return keyring.mac(self.purpose, *self._parts(values))

    def holds(self, keyring: Keyring, row: Row[Any]) -> bool:
        """Say whether we wrote a row as it stands."""
        values = row._asdict()
        return keyring.holds(values["mac"], self.purpose, *self._parts(values))

    def _parts(self, values: Mapping[str, Any]) -> tuple[str, ...]:
        told = [_told(values.get(name)) for name in self.columns]
        held = [name for name in self.later if values.get(name) is not None]
        return (*told, *(f"{name}{_told(values[name])}" for name in held))

    async def is_genuine(self, session: Session, keyring: Keyring, key: str) -> bool:
        """Say whether we wrote the row of a key as it stands."""
        row = await self._row(session, key)
        return row is not None and self.holds(keyring, row)

    async def resealed(
        self, session: Session, keyring: Keyring, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the values with their seal, without one where nothing proves what stood there."""
        before = await self._row(session, values[self.key])
        ours = before is None or self.holds(keyring, before)
        whole = {**(before._asdict() if before is not None else {}), **values}
        return {**values, "mac": self.mac(keyring, whole) if ours else None}

    async def _row(self, session: Session, key: str) -> Row[Any] | None:
        return await session.first(select(self.table).where(self.table.c[self.key] == key))

    async def adopt(self, session: Session, keyring: Keyring) -> int:
        """Seal the rows of an older version as they stand, once; returns how many."""
        table, done, after = self.table, 0, ""
        key = table.c[self.key]
        fill = update(table).where(key == bindparam("row")).values(mac=bindparam("seal"))
        open_rows = select(table).where(table.c.mac.is_(None)).order_by(key).limit(PAGE)
        while rows := await session.all(open_rows.where(key > after)):
            found = [row._asdict() for row in rows]
            seals = [{"row": each[self.key], "seal": self.mac(keyring, each)} for each in found]
            await session.run(fill, seals)
            done, after = done + len(found), found[-1][self.key]
        return done


def _told(value: Any) -> str:
    """Return a column as it is sealed: nothing is not the same as an empty text."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"={value.astimezone(UTC).isoformat()}"
    return f"={clean_text(value) if isinstance(value, str) else value}"
