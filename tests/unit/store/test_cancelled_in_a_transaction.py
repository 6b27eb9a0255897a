"""A task that is cancelled inside a transaction leaves no lock behind: the next one begins."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from bot.store.store import SqlStore, open_store
from tests.fixtures.keys import KEYRING

AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
TIMES = 40


async def write_on_and_on(store: SqlStore, number: int) -> None:
    while True:
        async with store.begin() as tx:
            await tx.inbox.backlog()
            await tx.flags.set(f"flag-{number}", "on", "U1", AT)


async def test_the_next_transaction_begins_wherever_the_last_one_was_cancelled(
    tmp_path: Path,
) -> None:
    store = await open_store(f"sqlite+aiosqlite:///{tmp_path}/bot.db", KEYRING)
    await store.upgrade()
    for number in range(TIMES):
        task = asyncio.create_task(write_on_and_on(store, number))
        await asyncio.sleep(number / 2000)  # each time a little further into it
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        async with store.begin() as tx:
            await tx.inbox.backlog()
    await store.close()
