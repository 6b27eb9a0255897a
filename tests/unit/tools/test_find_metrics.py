"""Metrics beyond the catalogue are found by words, with what is needed to write PromQL of them."""

from __future__ import annotations

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.unit.tools.test_kubernetes_get import CATALOGUE
from tools.contract import ToolResult
from tools.errors import BadArgumentError, NotFoundError
from tools.observe.find_metrics import find_metrics
from tools.observe.metric_names import NamedMetric, matching, named_metrics
from tools.ports import MetricAbout

NOW = FakeClock().now()


class Telling(FakeMetrics):
    """A store that keeps metadata."""

    async def every_about(self) -> list[MetricAbout]:
        return [
            MetricAbout("pool_connections", "gauge", "Connections of the pool by state.", ""),
            MetricAbout("request_seconds", "histogram", "Time of a request.", "seconds"),
        ]


def store() -> Telling:
    made = Telling()
    for service in ("front", "back"):
        for state in ("idle", "used"):
            put(made, "pool_connections", service=service, state=state, pod=f"{service}-1-a")
    for part in ("bucket", "sum", "count"):
        le = {"le": "1"} if part == "bucket" else {}
        for route in range(9):
            put(made, f"request_seconds_{part}", service="front", route=f"/r{route}", **le)
    put(made, "jobs_total", queue="mail")
    return made


def put(metrics: FakeMetrics, name: str, **labels: str) -> None:
    at = NOW.timestamp()
    metrics.put(name, labels, [at - 60, at], [1.0, 2.0])


async def found(
    text: str = "", service: str = "", metrics: FakeMetrics | None = None
) -> ToolResult:
    result: ToolResult = await find_metrics.function(
        metrics or store(), FakeClock(), CATALOGUE, text=text, service=service
    )
    return result


async def test_a_metric_is_found_by_words_of_its_help_with_its_labels_and_their_values() -> None:
    result = await found("connections state")
    assert result.summary.splitlines() == [
        "1 of 3 metrics match, best first",
        (
            "- pool_connections (gauge): Connections of the pool by state.; 4 series; labels: "
            "pod=back-1-a|front-1-a; service=back|front; state=idle|used"
        ),
    ]
    assert result.payload["metrics"][0]["services"] == ["back", "front"]


async def test_the_parts_of_a_histogram_are_one_metric_and_many_values_are_counted() -> None:
    result = await found("/request_sec/")
    [row] = result.payload["metrics"]
    assert (row["type"], row["unit"], row["series"]) == ("histogram", "seconds", 9)
    assert "- request_seconds [_bucket _count _sum] (histogram, seconds)" in result.summary
    assert "route (9 values)" in result.summary
    assert "le=" not in result.summary


async def test_a_service_narrows_what_is_found_and_its_labels() -> None:
    result = await found(service="back")
    [row] = result.payload["metrics"]
    assert row["metric"] == "pool_connections"
    assert {"label": "service", "count": 1, "values": ["back"]} in row["labels_told"]


async def test_whose_a_series_is_stays_open_where_no_label_says_it() -> None:
    result = await found("jobs")
    assert result.payload["metrics"][0]["services"] == ["?"]
    assert "- jobs_total (counter)" in result.summary


async def test_words_that_no_metric_holds_together_find_those_that_hold_some() -> None:
    result = await found("pool mail jobs")
    assert "NOTE: no metric holds all of pool, mail, jobs: these hold some" in result.summary


async def test_what_is_not_found_is_told_and_what_asks_for_nothing_is_refused() -> None:
    with pytest.raises(NotFoundError, match="no metric matches 'elephants'"):
        await found("elephants")
    with pytest.raises(BadArgumentError, match="say what to find"):
        await found(" ")
    with pytest.raises(BadArgumentError, match="no RE2 expression"):
        await found("/(/")


async def test_few_questions_are_asked_however_many_metrics_match() -> None:
    made = store()
    for number in range(500):
        put(made, f"pool_thing_{number}", service="front")
    result = await found("pool", metrics=made)
    assert result.payload["count"] == 501
    assert "… 461 more in the evidence" in result.summary
    assert len(made.asked) <= 9


def test_a_store_without_metadata_is_read_by_what_clients_must_write() -> None:
    made = named_metrics(["a_total", "b_bucket", "b_count", "b_sum", "queue_count"], {})
    assert [(each.name, each.type) for each in made] == [
        ("a_total", "counter"),
        ("b", "histogram"),
        ("queue_count", ""),
    ]
    assert made[1].sampled == "b_count"


def test_a_name_that_holds_the_words_comes_before_a_help_that_does() -> None:
    helped = NamedMetric("x", help="connections of the pool")
    named = NamedMetric("pool_connections")
    assert matching([helped, named], "pool connections", "") == ([named, helped], "")
