"""The engine: which URL becomes which database, and how SQLite is told to keep promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
BEGIN = "sqlite_begin"  # execution option: how a connection's transactions begin

# busy_timeout comes first, as switching to WAL needs the file for itself for a moment.
# synchronous=FULL: nothing acknowledged may be lost, so a commit is on the disk before Slack is
# told; NORMAL would lose the last commits with the power.
PRAGMAS = (
    "PRAGMA busy_timeout = 10000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def database_url(text: str) -> URL:
    """Return the URL with its asynchronous driver. Raises ValueError that says what is possible."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
        raise ValueError(
            "DATABASE_URL cannot be read; write sqlite+aiosqlite:///var/sre-agent.db or "
            "postgresql://USER:PASSWORD@HOST/NAME"
        ) from error
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError(
            f"DATABASE_URL names {url.drivername!r}; use one of: {', '.join(sorted(DRIVERS))}"
        )
    url = url.set(drivername=driver)
    mode = url.query.get("sslmode")
    if mode is not None:  # libpq's word; asyncpg calls it ssl
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    return url


def create_engine(url: URL) -> AsyncEngine:
    """Create the engine of a URL; connects to nothing yet."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    try:
        return create_async_engine(url, pool_pre_ping=True, pool_size=10)
    except ModuleNotFoundError as error:
        raise ValueError(
            "DATABASE_URL names PostgreSQL, whose driver is not installed; "
            "install requirements/postgres.txt"
        ) from error


def _sqlite(url: URL) -> AsyncEngine:
    if not in_memory(url):
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)

    def prepare(dbapi: Any, _record: object) -> None:
        dbapi.isolation_level = None  # the driver begins nothing by itself: `begin` below does
        cursor = dbapi.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    def begin(connection: Connection) -> None:
        how = connection.get_execution_options().get(BEGIN, "BEGIN IMMEDIATE")
        connection.exec_driver_sql(how)

    def roll_back(dbapi: Any, _record: object, _error: BaseException | None) -> None:
        # A task was cancelled inside a transaction: closing alone would leave its lock in force
        # for as long as a cursor of it is remembered by some traceback.
        dbapi.rollback()

    event.listen(engine.sync_engine, "connect", prepare)
    event.listen(engine.sync_engine, "begin", begin)
    event.listen(engine.sync_engine, "invalidate", roll_back)
    return engine


def in_memory(url: URL) -> bool:
    """Say whether the URL names a SQLite database that has no file."""
    return url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}
