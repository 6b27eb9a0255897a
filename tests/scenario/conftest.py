"""The imitated production, an upgraded SQLite store, and a clock that only the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.store.store import SqlStore, open_store
from sandbox.clock import ManualClock
from tests.sandboxed import Platform, platform


@dataclass
class StoryClock:
    """World time is the sandbox's; wall time stands still unless the test moves it."""

    world: ManualClock
    wall_now: datetime = field(default_factory=lambda: datetime(2026, 11, 18, 10, 0, tzinfo=UTC))
    ticks: float = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.world.now(), tz=UTC)

    def wall(self) -> datetime:
        return self.wall_now

    def monotonic(self) -> float:
        return self.ticks

    def let_people_wait(self, span: timedelta) -> None:
        self.wall_now += span


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running


@pytest.fixture
def clock(outside: Platform) -> StoryClock:
    return StoryClock(outside.clock)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite+aiosqlite:///{tmp_path}/bot.db")
    await opened.upgrade()
    yield opened
    await opened.close()
