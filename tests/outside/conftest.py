"""The local Slack with its people, the whole bot, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.store import SqlStore
from sandbox.slack.server import SlackServer
from tests.fakes.clock import FakeClock
from tests.fixtures.shift import Shift, local_slack


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def slack(clock: FakeClock) -> AsyncIterator[SlackServer]:
    async with local_slack(clock) as server:
        yield server


@pytest.fixture
async def shift(
    store: SqlStore, tmp_path: Path, slack: SlackServer, clock: FakeClock
) -> AsyncIterator[Shift]:
    made = Shift(store, tmp_path, slack, clock)
    yield made
    await made.idle()
