from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import pytest

from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.backends.prometheus.steps import choose_step, plan
from tools.errors import (
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    BadArgumentError,
)
from tools.world import Window

END = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = Window(END - timedelta(hours=1), END)
EMPTY = {"status": "success", "data": {"resultType": "matrix", "result": []}}


def adapter(answers: list[Any], seen: list[httpx.Request], **more: Any) -> Prometheus:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        given = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, httpx.Response) else httpx.Response(200, json=given)

    config = PrometheusConfig(url="http://prom", retry_wait_seconds=0.001, **more)
    return Prometheus(config, httpx.MockTransport(answer))


@pytest.mark.parametrize(
    "passing", [httpx.Response(503, text="starting"), httpx.Response(429), httpx.ConnectError("no")]
)
async def test_what_may_pass_is_tried_again(passing: Any) -> None:
    seen: list[httpx.Request] = []
    assert await adapter([passing, EMPTY], seen).query_range("up", WINDOW) == []
    assert len(seen) == 2
    assert seen[0].method == "POST"


async def test_bad_data_is_not_tried_again_and_keeps_its_type() -> None:
    seen: list[httpx.Request] = []
    body = {"status": "error", "errorType": "bad_data", "error": "parse error at char 3"}
    with pytest.raises(BackendRefusedError, match="bad_data: parse error at char 3"):
        await adapter([httpx.Response(400, json=body)], seen).query_range("up", WINDOW)
    assert len(seen) == 1


async def test_a_query_that_timed_out_is_not_repeated() -> None:
    seen: list[httpx.Request] = []
    body = {"status": "error", "errorType": "timeout", "error": "query timed out"}
    with pytest.raises(BackendUnavailableError, match="shorter window"):
        await adapter([httpx.Response(503, json=body)], seen).query_range("up", WINDOW)
    assert len(seen) == 1


async def test_a_refused_identity_is_the_operators_matter() -> None:
    with pytest.raises(BackendDeniedError, match="token"):
        await adapter([httpx.Response(401)], []).query_range("up", WINDOW)


async def test_the_tenant_and_the_token_are_sent() -> None:
    seen: list[httpx.Request] = []
    await adapter([EMPTY], seen, tenant="team-a", bearer_token="t").query_range("up", WINDOW)
    assert seen[0].headers["X-Scope-OrgID"] == "team-a"
    assert seen[0].headers["Authorization"] == "Bearer t"


def test_the_token_is_not_in_the_repr() -> None:
    assert "hush" not in repr(PrometheusConfig(url="http://p", bearer_token="hush"))


async def test_samples_that_are_absent_or_infinite_stay_unknown() -> None:
    end = END.timestamp()
    row = {"metric": {"__name__": "up"}, "values": [[end - 120, "1"], [end, "+Inf"]]}
    answer = {"status": "success", "data": {"resultType": "matrix", "result": [row]}}
    client = adapter([{**answer, "warnings": ["a store is away"]}], [])
    (series,) = await client.query_range("up", WINDOW, timedelta(minutes=1))
    assert series.metric == "up"
    assert series.values[-3] == 1
    assert np.isnan(series.values[-2:]).all()
    assert client.warnings[0].text == "a store is away"


async def test_more_series_than_the_limit_is_advice_to_aggregate() -> None:
    rows = [{"metric": {"pod": str(k)}, "values": [[END.timestamp(), "1"]]} for k in range(4)]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": rows}}
    with pytest.raises(BadArgumentError, match="sum by"):
        await adapter([answer], [], max_series=3).query_range("up", WINDOW)


def test_a_long_range_is_split_on_one_grid() -> None:
    window = Window(END - timedelta(days=14), END)
    grids = plan(
        window, timedelta(minutes=1), min_step_seconds=15, max_points=11_000, max_chunks=50
    )
    assert [grid.points for grid in grids] == [11_000, 9_161]
    assert grids[1].start == grids[0].end + 60
    assert grids[-1].end == END.timestamp()


@pytest.mark.parametrize(
    ("hours", "step"), [(0.25, 15), (1, 15), (6, 15), (24, 60), (168, 600), (720, 1800)]
)
def test_steps_are_round_numbers(hours: float, step: float) -> None:
    assert choose_step(Window(END - timedelta(hours=hours), END), 15, 11_000) == step


def test_an_absurd_step_is_refused_with_the_least_possible_one() -> None:
    with pytest.raises(BadArgumentError, match="at least"):
        plan(
            Window(END - timedelta(days=30), END),
            timedelta(seconds=1),
            min_step_seconds=15,
            max_points=11_000,
            max_chunks=50,
        )
