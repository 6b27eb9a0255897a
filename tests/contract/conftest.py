"""Backends of the sandbox, and a store on each kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.store.store import SqlStore, open_store
from tests.fixtures.database import postgres_copy, sqlite_copy, sqlite_url
from tests.fixtures.keys import KEYRING
from tests.fixtures.postgres import PostgresServer, postgres_server
from tests.sandboxed import Platform, platform

KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.needs_postgres)]


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database without tables, once for each kind."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "var" / "sre-agent.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create_database()


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database at the newest schema, once for each kind."""
    if request.param == "sqlite":
        return sqlite_copy(tmp_path / "var" / "sre-agent.db")
    return postgres_copy(request.getfixturevalue("postgres"))


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[SqlStore]:
    """A store at the newest schema."""
    opened = await open_store(database_url, KEYRING)
    yield opened
    await opened.close()
