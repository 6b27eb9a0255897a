"""The imitated production, an upgraded SQLite store, and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.store import SqlStore, open_store
from tests.fakes.clock import FakeClock
from tests.sandboxed import Platform, platform


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running


@pytest.fixture
def clock(outside: Platform) -> FakeClock:
    return outside.clock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite+aiosqlite:///{tmp_path}/bot.db")
    await opened.upgrade()
    yield opened
    await opened.close()
