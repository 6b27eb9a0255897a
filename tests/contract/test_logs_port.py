"""What the Logs port promises, of the fake and of the adapter over the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.fakes.logs import FakeLogs
from tests.sandboxed import START, Platform
from tools.backends.loki import Loki, LokiConfig
from tools.ports import Logs
from tools.world import LogLine, Window

WINDOW = Window(START - timedelta(minutes=30), START)


@pytest.fixture(params=["fake", "loki"])
async def logs(request: pytest.FixtureRequest, outside: Platform) -> AsyncIterator[Logs]:
    if request.param == "loki":
        adapter = Loki(LokiConfig(url=outside.loki_url, page_size=20))
        yield adapter
        await adapter.close()
        return
    yield FakeLogs(
        LogLine(START - timedelta(seconds=k), "order-api", f"order accepted n={k} (ok)", "info")
        for k in range(1, 200)
    )


async def test_lines_come_newest_first_and_say_when_more_matched(logs: Logs) -> None:
    page = await logs.search(WINDOW, service="order-api", limit=50)
    assert len(page.lines) == 50
    assert page.truncated
    assert [line.at for line in page.lines] == sorted((x.at for x in page.lines), reverse=True)
    assert {line.service for line in page.lines} == {"order-api"}


async def test_text_is_literal_and_any_case(logs: Logs) -> None:
    page = await logs.search(WINDOW, service="order-api", text="ORDER ACCEPTED", limit=5)
    assert len(page.lines) == 5
    nothing = await logs.search(WINDOW, service="order-api", text='order.*"} or {a="', limit=5)
    assert nothing.lines == ()
    assert not nothing.truncated


async def test_a_level_selects_lines_of_that_level(logs: Logs) -> None:
    page = await logs.search(WINDOW, service="order-api", level="info", limit=10)
    assert {line.level for line in page.lines} == {"info"}


async def test_health_says_it_is_up(logs: Logs) -> None:
    assert (await logs.health()).up
