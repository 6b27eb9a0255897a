"""What the Traces port promises: of the fake, of Tempo over the sandbox, of Jaeger's own shapes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.jaeger_server import JaegerServer
from tests.fakes.traces import FakeTraces, span
from tests.fixtures.loopback import serving
from tests.sandboxed import START, platform
from tools.analysis.critical_path import critical_path
from tools.backends.jaeger import Jaeger
from tools.backends.tempo import Tempo
from tools.backends.tracing import TracingConfig
from tools.errors import BadArgumentError, NotFoundError
from tools.ports import Traces
from tools.tracing import Trace
from tools.world import Window

MS = timedelta(milliseconds=1)
MADE = 150  # traces in memory, more than a store gives at once


def made(number: int) -> Trace:
    """Return the trace of one order: number 0 is the oldest and the slowest, every fifth failed."""
    at = START + timedelta(seconds=2 * number + 1)
    whole = 400 - 2 * number
    failed = "deadline exceeded" if number % 5 == 0 else ""
    return Trace(
        f"{number + 1:032x}",
        (
            span(
                at, "gw", "", "gateway", 0, whole + 10, failed="order-api failed" if failed else ""
            ),
            span(at, "order", "gw", "order-api", 5, whole + 5, failed=failed),
            span(at, "row", "order", "postgres", 10, 20),
        ),
    )


@pytest.fixture(params=["fake", "tempo", "jaeger"])
async def traces(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Traces]:
    told = [made(number) for number in range(MADE)]
    if request.param == "fake":
        yield FakeTraces(told)
    elif request.param == "jaeger":
        async with serving(JaegerServer(told).answer) as url:
            jaeger = Jaeger(TracingConfig(url=url, link_template=f"{url}/trace/{{trace_id}}"))
            yield jaeger
            await jaeger.close()
    else:
        async with platform(tmp_path) as outside:
            outside.tell("bad_deploy")
            outside.advance(600)
            tempo = Tempo(
                TracingConfig(url=outside.tempo_url, link_template="http://ui/{trace_id}")
            )
            yield tempo
            await tempo.close()


WINDOW = Window(START, START + timedelta(minutes=10))


async def test_the_slowest_come_first_though_stores_give_any(traces: Traces) -> None:
    heads = await traces.find("order-api", WINDOW, limit=10)
    assert len(heads) == 10
    durations = [head.duration for head in heads]
    assert durations == sorted(durations, reverse=True)
    more = await traces.find("order-api", WINDOW, limit=50)
    assert [head.id for head in more[:10]] == [head.id for head in heads]


async def test_the_slowest_is_found_where_the_store_gives_only_the_newest_hundred() -> None:
    server = JaegerServer(made(number) for number in range(MADE))
    async with serving(server.answer) as url:
        jaeger = Jaeger(TracingConfig(url=url))
        heads = await jaeger.find("order-api", WINDOW, limit=3)
        await jaeger.close()
    assert [head.id for head in heads] == [made(number).id for number in range(3)]
    assert len(server.asked) == 2  # again above the median of the first answer, then it was all


async def test_a_minimum_and_errors_speak_of_the_services_own_spans(traces: Traces) -> None:
    slow = await traces.find("order-api", WINDOW, minimum_duration=300 * MS, limit=20)
    assert slow
    for head in slow[:3]:
        spans = (await traces.get(head.id)).spans
        assert any(s.service == "order-api" and s.duration >= 300 * MS for s in spans)
    failed = await traces.find("order-api", WINDOW, errors_only=True, limit=5)
    assert failed
    assert all(head.failed for head in failed)
    spans = (await traces.get(failed[0].id)).spans
    assert any(s.service == "order-api" and s.failed and s.message for s in spans)


async def test_a_trace_has_one_root_and_every_other_span_a_caller(traces: Traces) -> None:
    head = (await traces.find("order-api", WINDOW, limit=1))[0]
    trace = await traces.get(head.id)
    assert trace.id == head.id
    assert (trace.root.service, trace.root.name) == (head.service, head.name)
    known = {each.id for each in trace.spans}
    assert [each for each in trace.spans if each.parent not in known] == [trace.root]
    assert abs(trace.root.duration - head.duration) < 2 * MS
    assert abs(sum(step.share for step in critical_path(trace).steps) - 1) < 1e-6


async def test_nothing_is_found_outside_of_the_window_or_of_an_unknown_service(
    traces: Traces,
) -> None:
    later = Window(START + timedelta(minutes=11), START + timedelta(minutes=12))
    assert await traces.find("order-api", later) == []
    assert await traces.find('nobody" } || { ""="', WINDOW) == []


async def test_an_unknown_trace_is_not_found(traces: Traces) -> None:
    with pytest.raises(NotFoundError, match="deadbeef"):
        await traces.get("00000000000000000000000000deadbeef"[-32:])


async def test_the_services_are_known_and_a_link_names_the_trace(traces: Traces) -> None:
    assert {"gateway", "order-api", "postgres"} <= set(await traces.services())
    assert traces.link("abc123").endswith("abc123")
    assert (await traces.health()).up


async def test_a_trace_id_that_is_none_is_never_sent() -> None:
    nowhere = TracingConfig(url="http://127.0.0.1:9")
    for store in (Tempo(nowhere), Jaeger(nowhere)):
        for wrong in ("../../admin", "E3", ""):
            with pytest.raises(BadArgumentError, match="hexadecimal"):
                await store.get(wrong)
