import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.store import open_store
from tests.fakes.decision import Production, empty_database


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database without rows, to be copied."""
    return empty_database(tmp_path_factory.mktemp("empty"))


@pytest.fixture
async def world(empty: Path, tmp_path: Path) -> AsyncIterator[Production]:
    shutil.copy(empty, tmp_path / "bot.db")
    store = await open_store(f"sqlite+aiosqlite:///{tmp_path}/bot.db")
    production = Production(store)
    yield production
    await production.bot.execution.idle()
    await store.close()
