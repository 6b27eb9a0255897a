"""The imitated production, and the clock that moves it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.sandboxed import Platform, platform


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running


@pytest.fixture
def clock(outside: Platform) -> FakeClock:
    return outside.clock
