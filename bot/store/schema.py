"""Column types and the base of every table.

    UtcTime    an aware datetime in, an aware UTC datetime out, on both databases
    PlainText  text without NUL and without half characters, which PostgreSQL refuses
    BigInt     64 bits (SQLite numbers rows only in a plain INTEGER)

Tables are declared with SQLModel and used through `table_of(Model)`, which is SQLAlchemy's own
`Table`: what a statement reads and writes is then visible in the statement.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Integer, MetaData, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(TypeDecorator[datetime]):
    """A point in time. SQLite keeps no zone, so UTC goes in and is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a time without a zone: nobody could say later what it meant."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"the store keeps aware times only, got {value!r}; give it a tzinfo")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(
        self,
        value: datetime | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> datetime | None:
        """Return the same point in time, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class PlainText(TypeDecorator[str]):
    """Text of any length that both databases can hold."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self,
        value: str | None,
        dialect: Dialect,  # noqa: ARG002 - SQLAlchemy's signature
    ) -> str | None:
        """Replace what cannot be stored by U+FFFD rather than lose the row."""
        return None if value is None else clean_text(value)


class BigInt(TypeDecorator[int]):
    """A 64-bit integer that may number rows."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Take INTEGER on SQLite, which is 64 bits wide there."""
        kind = Integer() if dialect.name == "sqlite" else BigInteger()
        return dialect.type_descriptor(kind)


def clean_text(text: str) -> str:
    """Return the text with NUL and lone surrogates replaced by U+FFFD."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")


def text_column(**options: Any) -> Any:
    """Declare a text column."""
    return Field(sa_type=PlainText, **options)


def time_column(**options: Any) -> Any:
    """Declare a column that holds a point in time."""
    return Field(sa_type=UtcTime, **options)


def number_column(**options: Any) -> Any:
    """Declare a 64-bit integer column."""
    return Field(sa_type=BigInt, **options)


class Base(SQLModel):
    """What every table shares: one metadata with predictable constraint names."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMES)


def table_of(model: type[Base]) -> Table:
    """Return the SQLAlchemy table that a model declares."""
    return Base.metadata.tables[str(model.__tablename__)]
