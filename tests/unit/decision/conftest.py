"""A small production over a real store."""

from collections.abc import AsyncIterator

import pytest

from bot.store.store import SqlStore
from tests.fakes.decision import Production


@pytest.fixture
async def world(store: SqlStore) -> AsyncIterator[Production]:
    production = Production(store)
    yield production
    await production.bot.execution.idle()
