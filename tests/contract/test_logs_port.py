"""What the Logs port promises, of the fake and of the adapter over the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.fakes.logs import FakeLogs
from tests.sandboxed import START, Platform
from tools.backends.loki import Loki, LokiConfig
from tools.errors import BackendRefusedError
from tools.ports import Logs
from tools.world import LogLine, Window, labels_of

WINDOW = Window(START - timedelta(minutes=30), START)


@pytest.fixture(params=["fake", "loki"])
async def logs(request: pytest.FixtureRequest, outside: Platform) -> AsyncIterator[Logs]:
    if request.param == "loki":
        adapter = Loki(LokiConfig(url=outside.loki_url, page_size=20))
        yield adapter
        await adapter.close()
        return
    yield FakeLogs(
        LogLine(
            START - timedelta(seconds=k),
            "order-api",
            f"order accepted n={k} (ok)",
            "info",
            labels_of({"trace_id": f"{k:032x}"} if k % 4 == 0 else {}),
        )
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


async def test_an_expression_matches_a_part_of_a_line_in_any_case(logs: Logs) -> None:
    found = await logs.search(
        WINDOW, service="order-api", pattern=r"ORDER (accepted|sent)", limit=5
    )
    assert len(found.lines) == 5
    anchored = await logs.search(WINDOW, service="order-api", pattern="^accepted", limit=5)
    assert anchored.lines == ()
    both = await logs.search(WINDOW, service="order-api", text="(", pattern="order|x", limit=5)
    assert all("(" in line.text for line in both.lines)


async def test_a_level_selects_lines_of_that_level(logs: Logs) -> None:
    page = await logs.search(WINDOW, service="order-api", level="info", limit=10)
    assert {line.level for line in page.lines} == {"info"}


async def test_health_says_it_is_up(logs: Logs) -> None:
    assert (await logs.health()).up


async def test_oldest_first_reads_from_the_start_of_the_window_page_after_page(logs: Logs) -> None:
    every = await logs.search(WINDOW, service="order-api", level="info", limit=5000)
    assert not every.truncated
    first = await logs.search(
        WINDOW, service="order-api", level="info", oldest_first=True, limit=70
    )
    assert first.truncated
    assert [line.at for line in first.lines] == sorted(line.at for line in every.lines)[:70]


async def test_the_lines_of_one_trace_are_found_by_its_id(logs: Logs) -> None:
    page = await logs.search(WINDOW, service="order-api", limit=200)
    traced = next(line for line in page.lines if "trace_id" in dict(line.labels))
    trace_id = dict(traced.labels)["trace_id"]
    found = await logs.search(WINDOW, trace_id=trace_id)
    assert traced in found.lines
    assert all(dict(line.labels)["trace_id"] == trace_id for line in found.lines)
    assert (await logs.search(WINDOW, trace_id="0" * 32)).lines == ()


async def test_the_index_of_the_sandbox_knows_about_how_much_it_holds(outside: Platform) -> None:
    free = Loki(LokiConfig(url=outside.loki_url))
    every = await free.search(WINDOW, service="order-api", limit=5000)
    size = sum(len(line.text.encode()) for line in every.lines)
    await free.close()
    tight = Loki(LokiConfig(url=outside.loki_url, max_scan_bytes=size // 2))
    page = await tight.search(WINDOW, service="order-api", text="order")
    await tight.close()
    assert "only searched since 2026-11-18T09:4" in page.note  # about half of half an hour
    nothing = Loki(LokiConfig(url=outside.loki_url, max_scan_bytes=100))
    with pytest.raises(BackendRefusedError, match=r"the largest: gateway [\d.]+ KiB, "):
        await nothing.search(WINDOW, text="order")
    await nothing.close()
