"""The tool that reads traces, as the model calls it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.core.investigation.figures.index import FigureIndex
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from tests.fakes.clock import FakeClock
from tests.fakes.traces import FakeTraces, span
from tests.fixtures.profile import trading_catalogue
from tools.contract import Toolbox
from tools.errors import BackendUnavailableError, BadArgumentError, NotFoundError
from tools.observe.traces import query_traces
from tools.ports import Clock, Traces
from tools.tracing import Trace, TraceStudy
from tools.world import Catalogue

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CATALOGUE = trading_catalogue()


def order(number: int, whole: float, failed: str = "") -> Trace:
    at = NOW - timedelta(minutes=number)
    return Trace(
        f"{number:032x}",
        (
            span(at, "gw", "", "gateway", 0, whole, failed="order-api failed" if failed else ""),
            span(at, "POST /v1/orders", "gw", "order-api", 2, whole - 2, failed=failed),
            span(at, "COMMIT", "POST /v1/orders", "postgres", 4, whole - 10),
        ),
    )


@pytest.fixture
def traces() -> FakeTraces:
    return FakeTraces(
        [order(k, 100.0 + 100 * k, "deadline after 5490ms" if k % 2 else "") for k in range(1, 10)]
    )


@pytest.fixture
def box(traces: FakeTraces) -> Toolbox:
    return Toolbox((query_traces,), {Traces: traces, Clock: FakeClock(NOW), Catalogue: CATALOGUE})


async def test_the_summary_says_whose_own_work_the_time_is(box: Toolbox) -> None:
    result = await box.call("query_traces", {"service": "order-api"})
    assert "9 traces of order-api" in result.summary
    assert "the slowest took 1 s" in result.summary
    first_spot = next(line for line in result.summary.splitlines() if line.startswith("- "))
    assert first_spot.startswith("- postgres · COMMIT: 98 % of the time")
    assert "failure began 3x in order-api · POST /v1/orders: deadline after <*>" in result.summary
    assert result.link == f"https://traces.example/{9:032x}"
    assert isinstance(result.value, TraceStudy)
    assert result.value.hot_spots[0].service == "postgres"


async def test_every_figure_of_the_summary_is_in_the_payload(box: Toolbox) -> None:
    result = await box.call("query_traces", {"service": "order-api"})
    index = FigureIndex()
    index.add(
        Evidence(
            id=EvidenceId("E1"), tool="query_traces", arguments={}, summary="",
            payload=result.payload, window=result.window, link="", at=NOW,
        )
    )  # fmt: skip
    spots = [line for line in result.summary.splitlines() if "of the time, mean own" in line]
    assert spots
    for line in spots:
        assert index.untraced(line.partition("in ")[0]) == []


async def test_one_trace_is_told_in_full_with_the_way_to_its_log_lines(box: Toolbox) -> None:
    result = await box.call("query_traces", {"trace_id": f"{3:032x}"})
    assert "gateway gw took 400 ms" in result.summary
    assert f'search_logs(trace_id="{3:032x}", until="2026-11-20T12:02:00Z")' in result.summary
    assert len(result.payload["spans"]) == 3
    assert result.payload["path"][0]["own_seconds"] == 0.386


async def test_a_minimum_and_errors_narrow_the_search(box: Toolbox) -> None:
    asked = {"service": "order-api", "minimum_duration": "650ms", "errors_only": True}
    result = await box.call("query_traces", asked)
    assert result.payload["count"] == 2
    assert "failed, at least 650ms" in result.summary


async def test_nothing_found_says_whether_the_store_knows_the_service_at_all(box: Toolbox) -> None:
    known = await box.call("query_traces", {"service": "postgres", "minimum_duration": "9s"})
    assert known.summary.startswith("no trace of postgres")
    assert "never heard" not in known.summary
    unknown = await box.call("query_traces", {"service": "market-data"})
    assert "never heard of 'market-data'" in unknown.summary
    assert "gateway, order-api, postgres" in unknown.summary


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, BadArgumentError, "name a service, or a trace_id"),
        ({"service": "order-api", "minimum_duration": "soon"}, BadArgumentError, "'soon'"),
        ({"service": "order-api", "limit": 500}, BadArgumentError, "between 1 and 50"),
        ({"service": "order-apu"}, NotFoundError, "order-api"),
        ({"trace_id": "00000000000000000000000000000bad"}, NotFoundError, "0bad"),
    ],
)
async def test_a_wrong_argument_is_named_with_what_to_write_instead(
    box: Toolbox, arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        await box.call("query_traces", arguments)


async def test_a_dead_store_is_named(box: Toolbox, traces: FakeTraces) -> None:
    traces.broken = BackendUnavailableError("tempo", "cannot be reached")
    with pytest.raises(BackendUnavailableError, match="tempo"):
        await box.call("query_traces", {"service": "order-api"})


async def test_without_a_trace_store_the_tool_is_off_and_says_so() -> None:
    off = Toolbox((query_traces,), {Clock: FakeClock(NOW), Catalogue: CATALOGUE})
    with pytest.raises(NotFoundError, match=r"is off: .*Traces"):
        await off.call("query_traces", {"service": "order-api"})


async def test_names_as_long_as_a_page_do_not_fill_the_answer(box: Toolbox) -> None:
    at = NOW - timedelta(minutes=1)
    spans = [span(at, "root " + "x" * 5000, "", "order-api", 0, 100)]
    spans += [
        span(at, f"{k}" + "y" * 5000, spans[0].id, "ledger", k, k + 1, failed="z" * 5000)
        for k in range(90)
    ]
    wide = FakeTraces([Trace("ab" * 16, tuple(spans))])
    ports = {Traces: wide, Clock: FakeClock(NOW), Catalogue: CATALOGUE}
    result = await Toolbox((query_traces,), ports).call("query_traces", {"service": "order-api"})
    assert len(result.summary) < 6_000
