"""A store on SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.store import SqlStore, open_store


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite+aiosqlite:///{tmp_path}/clusters.db")
    await opened.upgrade()
    yield opened
    await opened.close()
