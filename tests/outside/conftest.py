"""The local Slack with its people, the whole bot, and a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.access import AccessConfig, Role
from bot.store.store import SqlStore
from sandbox.model.server import ModelServer, start_model
from sandbox.slack.chat.people import BOB
from sandbox.slack.server import SlackServer
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fixtures.alert_sender import Sender, sending
from tests.fixtures.office import Office
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


@pytest.fixture
async def sender(shift: Shift) -> AsyncIterator[Sender]:
    shift.stand.configure(access=AccessConfig({Role.VIEWER: ("*",), Role.APPROVER: (BOB,)}))
    async with sending(shift) as made:
        yield made


@pytest.fixture
async def office(store: SqlStore) -> AsyncIterator[Office]:
    made = Office(store, FakeClock(), FakeMetrics(), FakeChanges())
    made.feed(0.18, 0.91)
    yield made
    if made.claude is not None:
        await made.claude.close()


@pytest.fixture
async def claude(office: Office) -> AsyncIterator[ModelServer]:
    office.model = await start_model("127.0.0.1", 0)
    yield office.model
    await office.model.close()
