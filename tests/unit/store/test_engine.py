"""Which URL becomes which database, and what a caller hears when it is not there."""

import asyncio
import socket
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.store.engine import database_url
from bot.store.store import SqlStore, open_store
from tests.fixtures.keys import KEYRING
from tests.fixtures.nouns import ALICE, NOW
from tests.patience import PATIENCE
from tools.errors import BackendUnavailableError


@pytest.mark.parametrize(
    ("told", "understood"),
    [
        ("sqlite:///var/x.db", "sqlite+aiosqlite:///var/x.db"),
        ("postgres://u:p@h/db", "postgresql+asyncpg://u:p@h/db"),
        ("postgresql://u@h:1/db?sslmode=require", "postgresql+asyncpg://u@h:1/db?ssl=require"),
        ("postgresql+asyncpg://h/db", "postgresql+asyncpg://h/db"),
    ],
)
def test_the_url_people_write_gets_its_asynchronous_driver(told: str, understood: str) -> None:
    assert database_url(told).render_as_string(hide_password=False) == understood


def test_an_unknown_database_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"names 'mysql'; use one of: postgres, .*sqlite"):
        database_url("mysql://u:secret@h/db")


def test_a_url_that_cannot_be_read_is_not_repeated_as_it_may_hold_a_password() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL cannot be read") as caught:
        database_url("s3cret")
    assert "s3cret" not in str(caught.value)


async def test_a_sqlite_file_gets_its_folder_and_is_safe_against_power_loss(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/deep/er/x.db", KEYRING)
    async with store._engine.connect() as connection:
        told = {
            name: (await connection.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await store.close()
    full = 2
    assert told == {
        "journal_mode": "wal", "synchronous": full, "foreign_keys": 1, "busy_timeout": 10000,
    }  # fmt: skip


async def test_a_database_that_is_down_is_named_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    store = await open_store(f"postgresql://u:s3cret@127.0.0.1:{port}/db", KEYRING)
    assert not await store.healthy()
    with pytest.raises(BackendUnavailableError, match=f"127.0.0.1:{port}/db does not") as caught:
        async with store.begin():
            pytest.fail("there is nothing to begin")
    assert "s3cret" not in str(caught.value)
    await store.close()


@pytest.fixture
async def memory() -> SqlStore:
    opened = await open_store("sqlite://", KEYRING)
    await opened.upgrade()
    return opened


async def test_a_transaction_inside_a_transaction_is_refused_rather_than_waited_for(
    memory: SqlStore,
) -> None:
    async with memory.begin() as tx:
        with pytest.raises(RuntimeError, match="has a transaction open already"):
            async with memory.begin():
                pytest.fail("it would wait for itself")
        await tx.flags.set("halt", "on", ALICE, NOW)
    async with memory.read() as tx:
        assert await tx.flags.get("halt") == "on"
    await memory.close()


async def test_a_cancelled_transaction_is_rolled_back_and_lets_the_next_one_in(
    memory: SqlStore,
) -> None:
    inside = asyncio.Event()

    async def hang() -> None:
        async with memory.begin() as tx:
            await tx.flags.set("halt", "on", ALICE, NOW)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await asyncio.wait_for(inside.wait(), PATIENCE)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    async with memory.begin() as tx:
        assert await tx.flags.get("halt") == ""
    await memory.close()


async def test_a_time_without_a_zone_is_refused(memory: SqlStore) -> None:
    with pytest.raises(Exception, match="aware times only"):
        async with memory.begin() as tx:
            await tx.flags.set("halt", "on", ALICE, NOW.replace(tzinfo=None))
    await memory.close()
