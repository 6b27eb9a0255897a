"""Answers of metrics stores, their front ends and proxies that clients took for something else.

Each case names whom it went wrong for in public (read on 27 November 2026), in our words.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from tests.fakes.clock import FakeClock
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.contract import ToolResult
from tools.errors import BadArgumentError
from tools.observe.metrics import query_promql

END = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)


def series(*values: str) -> list[dict[str, Any]]:
    at = END.timestamp()
    points = [[at - 60 * (len(values) - n), value] for n, value in enumerate(values)]
    return [{"metric": {"job": "a"}, "values": points}]


async def ask(status: int, body: dict[str, Any]) -> ToolResult:
    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("metadata"):
            return httpx.Response(200, json={"status": "success", "data": {}})
        return httpx.Response(status, json=body)

    store = Prometheus(PrometheusConfig(url="http://127.0.0.1:1"), httpx.MockTransport(respond))
    try:
        return await query_promql.function(
            store, FakeClock(END), expression="rate(x_total[5m])", window="30m"
        )
    finally:
        await store.close()


def good(result: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}


TOLD: dict[str, tuple[dict[str, Any], str, float | None]] = {
    "sloth #440: no traffic at all divides by zero": (
        good(series("1", "+Inf", "2")), "±Inf (a division by zero?)", 2),
    "prometheus #3688: scraped each half hour, most of the window is empty": (
        good(series("7")), "% missing", 7),
    "prometheus #6645, linkerd2 #750: a quantile of no requests is NaN, neither 0 nor a fault": (
        good(series("NaN", "NaN")), "all are NaN", None),
    "prometheus #13221: some of it is NaN": (good(series("1", "NaN", "3")), "latest 3", 3),
    "thanos #622: a sum without a cluster that did not answer, told in a warning alone": (
        good(series("1", "2"), warnings=["store timed out"]), "warns: store timed out", 2),
}  # fmt: skip


@pytest.mark.parametrize("source", TOLD)
async def test_what_an_answer_holds_and_lacks_is_told(source: str) -> None:
    answer, words, latest = TOLD[source]
    told = await ask(200, answer)
    assert words in told.summary
    assert told.payload["series"][0]["latest"] == latest


REFUSED = {
    "openchoreo #3430: two kube-state-metrics at once, and the query failed without its words": (
        422, "many-to-many matching not allowed: matching labels must be unique on one side"),
    "prometheus #1968: a range of too many points was a bare 400": (
        400, "exceeded maximum resolution of 11,000 points per timeseries"),
}  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
async def test_a_refusal_keeps_the_words_of_the_store(source: str) -> None:
    status, words = REFUSED[source]
    with pytest.raises(BadArgumentError, match=words):
        await ask(status, {"status": "error", "errorType": "execution", "error": words})
