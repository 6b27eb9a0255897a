"""Backends of the sandbox, and an upgraded store on each kind of database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fixtures.database import database_url, postgres, store
from tests.sandboxed import Platform, platform

__all__ = ["database_url", "outside", "postgres", "store"]


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform(tmp_path) as running:
        yield running
