"""Series of one answer are told apart by the labels that differ; what all share is said once."""

from __future__ import annotations

import numpy as np

from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.observe.metrics import query_metric, query_promql
from tools.observe.telling_labels import apart
from tools.world import Catalogue, MetricName, MetricSpec, Series, labels_of

NOW = FakeClock().now()
SPEC = MetricSpec(
    MetricName("statement_time"), "db", "statement_seconds", "seconds", "Time", threshold=None
)


def series(**labels: str) -> Series:
    return Series("m", labels_of(labels), np.array([0.0]), np.array([1.0]), 60.0)


def told(*found: Series) -> tuple[str, list[str]]:
    apart_ = apart(found)
    return apart_.head, [apart_.of(each) for each in found]


def test_what_all_series_share_is_told_once_and_what_differs_with_each() -> None:
    head, rows = told(
        series(namespace="a", job="x", status="200"), series(namespace="a", job="x", status="500")
    )
    assert head == ", all with job=x, namespace=a"
    assert rows == ["status=200", "status=500"]


def test_a_label_that_says_another_once_more_is_left_out() -> None:
    _, rows = told(
        series(pod="p1", instance="10.0.0.1", uid="u1"),
        series(pod="p2", instance="10.0.0.2", uid="u2"),
    )
    assert rows == ["pod=p1", "pod=p2"]


def test_two_labels_that_only_together_tell_series_apart_are_both_told() -> None:
    _, rows = told(
        series(route="/a", status="200"),
        series(route="/a", status="500"),
        series(route="/b", status="500"),
    )
    assert rows == ["route=/a, status=200", "route=/a, status=500", "route=/b, status=500"]


def test_a_single_series_has_all_its_labels_and_no_head() -> None:
    assert told(series(pod="p", job="x")) == ("", ["pod=p, job=x"])
    assert told(series()) == ("", ["(no labels)"])


def test_a_long_statement_is_cut_and_many_labels_are_counted() -> None:
    many = {f"l{n}": "v" for n in range(9)}
    _, [row] = told(series(statement="SELECT " + "x" * 500, **many))
    assert row.startswith("statement=SELECT xxx")
    assert row.endswith("l4=v, +4 labels")
    assert len(row) < 250


def filled() -> FakeMetrics:
    metrics = FakeMetrics()
    times = [NOW.timestamp() - 60.0 * n for n in range(130, -1, -1)]
    for statement, value in (("SELECT 1", 0.2), ("DELETE 2", 0.9)):
        labels = {"service": "db", "statement": statement, "job": "pg", "instance": "10.0.0.1:9187"}
        metrics.put(SPEC.query, labels, times, [value] * len(times))
    return metrics


async def test_query_metric_says_which_series_of_a_service_is_the_bad_one() -> None:
    catalogue = Catalogue({SPEC.name: SPEC}, {})
    result = await query_metric.function(
        filled(), FakeClock(), catalogue, FakeBaselines(), metric=SPEC.name
    )
    head, first, *_ = result.summary.splitlines()
    assert head.endswith(", all with instance=10.0.0.1:9187, job=pg")
    assert first.startswith("- db, statement=DELETE 2: 900 ms")


async def test_query_promql_says_it_as_well() -> None:
    result = await query_promql.function(filled(), FakeClock(), expression=SPEC.query)
    head, first, *_ = result.summary.splitlines()
    assert head.endswith(", all with service=db, instance=10.0.0.1:9187, job=pg")
    assert first.startswith("- statement=DELETE 2: 0.9")
