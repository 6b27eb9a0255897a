"""The database behind one door.

On SQLite one write transaction runs at a time: within this process they queue in order, between
processes `BEGIN IMMEDIATE` waits up to the busy timeout. On PostgreSQL they run side by side and
rows decide. A database that is down is told as `BackendUnavailableError`, a lost race as
`StaleError`; both can simply be tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.core.ports import StaleError, Transaction
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.audit import Anchor
from bot.domain.keyring import Keyring
from bot.store.adoption import begin_chain
from bot.store.engine import BEGIN, create_engine, database_url, in_memory
from bot.store.session import Session, lock_key
from bot.store.transaction import SqlTransaction
from tools.errors import BackendUnavailableError

TURN_SECONDS = 30.0  # a transaction takes milliseconds; who waits this long waits for a mistake
PROBE = "commit"
PROBE_SECONDS = 2.0  # for the commit that proves that commits succeed
PROBE_HOLDS_SECONDS = 1.0  # what it found: anybody may ask, and each commit is a write to the disk
LOST_RACES = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
log = structlog.get_logger(__name__)


class SqlStore:
    """The port `Store`, with what the composition root needs besides."""

    def __init__(self, url: URL, engine: AsyncEngine, keyring: Keyring) -> None:
        self.url = url
        self._keyring = keyring
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._turn = asyncio.Lock()
        self._holder: asyncio.Task[Any] | None = None
        self._probes: KeyedTasks[str] = KeyedTasks("probe")
        self._committed = False  # what the newest probe did
        self._probed: tuple[float, bool] | None = None  # when, by the loop's time, and what

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        """Open a transaction; it commits when the block ends without an exception."""
        turn = self._my_turn() if self._sqlite else nullcontext()
        async with turn, self._transaction({}) as connection:
            yield SqlTransaction(connection, self._keyring)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a snapshot that cannot write: for long reads such as verifying the audit."""
        if not self._sqlite:
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            async with self._transaction(options) as connection:
                yield SqlTransaction(connection, self._keyring)
            return
        turn = self._my_turn() if in_memory(self.url) else nullcontext()
        async with turn, self._transaction({BEGIN: "BEGIN"}) as connection:
            await connection.exec_driver_sql("PRAGMA query_only = ON")
            try:
                yield SqlTransaction(connection, self._keyring)
            finally:
                await connection.exec_driver_sql("PRAGMA query_only = OFF")

    @asynccontextmanager
    async def _my_turn(self) -> AsyncIterator[None]:
        me = asyncio.current_task()
        if me is not None and self._holder is me:
            raise RuntimeError("this task has a transaction open already: pass it on and use it")
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise BackendUnavailableError(
                "database", f"a transaction has been open for {TURN_SECONDS:.0f} s; try again"
            ) from error
        self._holder = me
        try:
            yield
        finally:
            self._holder = None
            self._turn.release()

    @asynccontextmanager
    async def _transaction(self, options: dict[str, Any]) -> AsyncIterator[AsyncConnection]:
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._engine.connect())
            except (OSError, DBAPIError, PoolTimeoutError) as error:
                raise self._unavailable(error) from error
            try:
                await connection.execution_options(**options)
                async with connection.begin():
                    yield connection
            except DBAPIError as error:
                meaning = self._meaning(error)
                if meaning is None:
                    raise
                raise meaning from error

    def _meaning(self, error: DBAPIError) -> Exception | None:
        """Return what a failed statement means to the caller; None for a mistake of ours."""
        if getattr(error.orig, "sqlstate", None) in LOST_RACES:
            return StaleError("another transaction went first; read again")
        if error.connection_invalidated or isinstance(error, OperationalError | InterfaceError):
            return self._unavailable(error)
        return None

    def _unavailable(self, error: Exception) -> BackendUnavailableError:
        where = self.url.render_as_string(hide_password=True)
        cause = getattr(error, "orig", None) or error
        return BackendUnavailableError("database", f"{where} does not answer: {cause}")

    async def healthy(self) -> bool:
        """Say whether the database answers; waits for no writer."""
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(**{BEGIN: "BEGIN"})
                await connection.execute(text("SELECT 1"))
        except (OSError, SQLAlchemyError):
            return False
        return True

    async def writable(self) -> bool:
        """Say whether a commit succeeds now: on a full disk, or behind a lock, reading still does.

        One probe at a time: while one waits for a lock, the answer is no.
        """
        loop = asyncio.get_running_loop()
        if self._probed is not None and loop.time() - self._probed[0] < PROBE_HOLDS_SECONDS:
            return self._probed[1]
        self._probes.spawn(PROBE, self._commit_something())
        with suppress(TimeoutError):
            async with asyncio.timeout(PROBE_SECONDS):
                await self._probes.ended(PROBE)
        found = self._committed and PROBE not in self._probes
        self._probed = (loop.time(), found)
        return found

    async def _commit_something(self) -> None:
        self._committed = False
        turn = self._my_turn() if self._sqlite else nullcontext()
        try:
            async with turn, self._transaction({}) as connection:
                await Session(connection).count_up("probes of commits")
        except (BackendUnavailableError, StaleError, OSError, SQLAlchemyError) as error:
            log.warning("database.not_writable", why=str(error))
        else:
            self._committed = True

    async def upgrade(self, revision: str = "head") -> None:
        """Migrate to a revision, the newest by default; replicas that race take turns."""
        await self._migrate("upgrade", revision)

    async def downgrade(self, revision: str) -> None:
        """Migrate back to an older revision; `base` is the empty database."""
        await self._migrate("downgrade", revision)

    async def begin_chain(self, known: Anchor | None, now: datetime, wall: datetime) -> bool:
        """Begin the audit chain of a database that has none yet: see `bot.store.adoption`.

        Raises AuditBrokenError when there should be one.
        """
        turn = self._my_turn() if self._sqlite else nullcontext()
        async with turn, self._transaction({}) as connection:
            return await begin_chain(Session(connection), self._keyring, known, now, wall)

    async def _migrate(self, direction: str, revision: str) -> None:
        turn = self._my_turn() if self._sqlite else nullcontext()
        async with turn, self._transaction({}) as connection:
            if not self._sqlite:
                key = lock_key("migrations")
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            await connection.run_sync(_run_alembic, direction, revision)

    async def close(self) -> None:
        """Close every connection."""
        await self._probes.drain()
        await self._engine.dispose()


def _run_alembic(connection: Connection, direction: str, revision: str) -> None:
    from pathlib import Path

    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    if direction == "upgrade":
        command.upgrade(config, revision)
    else:
        command.downgrade(config, revision)


async def open_store(url: str, keyring: Keyring) -> SqlStore:
    """Open the database of a URL; a SQLite file's folder is created. Call `upgrade` next.

    What is written is sealed with the keyring, and what is read is proved by it. Raises ValueError
    when the URL names no database that we know.
    """
    known = database_url(url)
    return SqlStore(known, create_engine(known), keyring)
