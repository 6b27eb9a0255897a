"""What part an unusual metric has in a chain, by role, unit and name, and how it is said."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tools.analysis.facts import Link, StartClass
from tools.analysis.metric_facts.own import OwnTrouble
from tools.analysis.metric_facts.parts import part_of_chain
from tools.analysis.metric_facts.readings import Readings, median_of
from tools.analysis.metric_facts.roles import (
    is_exhausted,
    resource_of,
    role_of,
    statistic_of,
)
from tools.analysis.metric_facts.trouble import distress_of
from tools.analysis.metric_facts.unusual import Stretch, unusual
from tools.analysis.metric_facts.usual import Rung, usual_of
from tools.analysis.metric_facts.words import said, writer_of
from tools.world import Direction, MetricName, MetricRole, MetricSpec, Series, labels_of

R = MetricRole
UP, DOWN = Direction.UP, Direction.DOWN


def spec(
    name: str,
    role: MetricRole | None = None,
    unit: str = "x",
    direction: Direction = UP,
    *,
    limit: float | None = None,
    resource: str = "",
    query: str = "q",
) -> MetricSpec:
    return MetricSpec(
        MetricName(name), "", query, unit, "", direction, limit, role=role, resource=resource
    )


def stretch(value: float, usual: float = 1.0) -> Stretch:
    return Stretch(0, (), 0.0, 60.0, None, value, usual, 1.0, 1.0, Rung.LATELY, 100)


def own(share: float, felt: float = 1.0) -> OwnTrouble:
    return OwnTrouble("it", 1.0, share, "callee", 1.0, felt)


@pytest.mark.parametrize(
    ("metric", "value", "whose", "predicate", "link"),
    [
        (spec("p99", R.LATENCY, "seconds"), 5, own(0.3), "latency-unexplained", Link.START),
        (spec("p99", R.LATENCY, "seconds"), 5, own(0.29), "latency-high", Link.SHOW),
        (spec("p99", R.LATENCY, "seconds"), 5, own(1.0, 0.2), "latency-high", Link.SHOW),
        (spec("fails", R.ERRORS, "ratio"), 0.5, own(0.9), "errors-unexplained", Link.START),
        (spec("fails", R.ERRORS, "ratio"), 0.5, own(0.0), "errors-high", Link.SHOW),
        (spec("fails", R.ERRORS, "errors/s"), 5, None, "errors-unexplained", Link.START),
        (spec("up", R.AVAILABILITY, "ratio", DOWN), 0.5, None, "availability-low", Link.SHOW),
        (spec("restarts", R.AVAILABILITY), 5, None, "restarts-high", Link.SHOW),
        (spec("rps", R.TRAFFIC, "req/s", DOWN), 0.2, None, "traffic-low", Link.SHOW),
        (spec("rps", R.TRAFFIC, "req/s"), 5, None, "traffic-surge", Link.START),
        (spec("disk", R.SATURATION, "ratio", resource="disk"), 0.97, None, "disk-filling",
         Link.CARRY),
        (spec("disk", R.SATURATION, "ratio", resource="disk"), 0.98, None, "disk-exhausted",
         Link.START),
        (spec("disk", R.SATURATION, "percent", limit=90, resource="disk"), 90, None,
         "disk-exhausted", Link.START),
        (spec("files", R.SATURATION, "files", limit=100), 99, None, "files-filling", Link.CARRY),
        (spec("files", R.SATURATION, "files", limit=100), 101, None, "files-exhausted", Link.START),
        (spec("free", R.SATURATION, "ratio", DOWN, resource="disk"), 0.99, None, "disk-filling",
         Link.CARRY),
        (spec("lag", R.LAG, "seconds"), 99, None, "lag-high", Link.CARRY),
        (spec("margin", R.BUSINESS), 9, None, "business-unusual", Link.SHOW),
        (spec("oddity"), 9, None, "metric-unusual", Link.SHOW),
        (spec("cpu_throttled", R.SATURATION, "ratio"), 0.25, None, "cpu-throttled", Link.START),
        (spec("cpu_throttled", R.SATURATION, "ratio"), 0.24, None, "cpu-throttled", Link.CARRY),
        (spec("x", R.SATURATION, "s", query="rate(container_cpu_cfs_throttled_seconds_total[5m])"),
         0.1, None, "cpu-throttled", Link.START),
        (spec("pod_restarts", R.ERRORS, "restarts"), 9, None, "restarts-high", Link.SHOW),
        (spec("tcp_retransmits", R.ERRORS, "x"), 9, None, "packets-lost", Link.CARRY),
        (spec("cache_hit_ratio", R.SATURATION, "ratio", DOWN), 0.3, None, "hit-ratio-low",
         Link.CARRY),
    ],
)  # fmt: skip
def test_a_metric_has_its_part_by_role_unit_and_name(
    metric: MetricSpec, value: float, whose: OwnTrouble | None, predicate: str, link: Link
) -> None:
    found = part_of_chain(metric, role_of(metric), stretch(value), whose)
    assert found[:2] == (predicate, link)
    if predicate.endswith("-exhausted"):
        assert found[2] is StartClass.EXHAUSTED


@pytest.mark.parametrize(
    ("metric", "role"),
    [
        (spec("http_errors"), R.ERRORS),
        (spec("queue_depth"), R.LAG),
        (spec("heap_used"), R.SATURATION),
        (spec("orders:requests"), R.TRAFFIC),
        (spec("handler_duration", unit="seconds"), R.LATENCY),
        (spec("handler_duration", unit="rows"), None),  # a duration that is no time
        (spec("temperature"), None),
        (spec("http_errors", R.BUSINESS), R.BUSINESS),  # the catalogue's word wins
    ],
)
def test_what_no_catalogue_says_is_told_by_name_and_unit(
    metric: MetricSpec, role: MetricRole | None
) -> None:
    assert role_of(metric) is role


def test_a_resource_is_told_by_the_catalogue_or_the_name() -> None:
    assert resource_of(spec("x", resource="disk")) == "disk"
    assert resource_of(spec("db_connection_usage")) == "connections"
    assert resource_of(spec("oddity")) == ""


@pytest.mark.parametrize(
    ("metric", "statistic"),
    [
        (spec("t", query="rate(a_seconds_sum[5m]) / rate(a_seconds_count[5m])"), "mean"),
        (spec("latency_avg"), "mean"),
        (spec("t", query="histogram_quantile(0.5, sum by (le) (rate(a_bucket[5m])))"), "median"),
        (spec("p50latency"), "median"),
        (spec("t", query="histogram_quantile(0.99, sum by (le) (rate(a_bucket[5m])))"), "tail"),
    ],
)
def test_means_medians_and_tails_are_told_apart(metric: MetricSpec, statistic: str) -> None:
    assert statistic_of(metric) == statistic


def test_nothing_is_exhausted_without_a_whole_or_a_limit() -> None:
    assert not is_exhausted(spec("files", unit="files"), 1e9)
    assert is_exhausted(spec("cpu", unit="ratio"), 1.0)
    assert is_exhausted(spec("cpu", unit="ratio", limit=0.85), 0.86)
    assert not is_exhausted(spec("cpu", unit="%"), 97)
    assert is_exhausted(spec("cpu", unit="%"), 98)


@pytest.mark.parametrize(
    ("predicate", "metric", "value", "sentence"),
    [
        ("errors-high", spec("e", unit="ratio"), 0.1, "10 % of what it is asked fails (e)"),
        ("errors-high", spec("e", unit="errors/s"), 5, "it fails 5 errors/s (e)"),
        ("disk-exhausted", spec("d", unit="ratio"), 1.0, "it is out of disk, 100 % (d)"),
        ("disk-filling", spec("d", unit="ratio"), 0.5, "it uses 50 % of its disk (d)"),
        ("cpu-filling", spec("c", unit="cores"), 5, "cpu of it: 5 cores (c)"),
        ("lag-high", spec("q", unit="messages"), 40, "40 messages wait at it (q)"),
        ("lag-high", spec("q", unit="seconds"), 40, "it is behind, 40 s (q)"),
        ("traffic-low", spec("r", unit="req/s"), 2, "it is asked for only 2 req/s (r)"),
        ("metric-unusual", spec("m", unit="x"), 2, "m of it is 2 x (m)"),
    ],
)
def test_a_fact_is_said_with_its_figures(
    predicate: str, metric: MetricSpec, value: float, sentence: str
) -> None:
    assert said(predicate, "it", metric, value, None) == sentence
    assert said(predicate, "it", metric, value, value, "so it is").endswith("; so it is")


@pytest.mark.parametrize(
    ("query", "writer"),
    [
        ("rate(istio_requests_total[5m])", "mesh"),
        ("container_memory_working_set_bytes", "exporter"),
        ("probe_success", "blackbox"),
        ("pg_stat_activity_count", "database it"),
        ("rabbitmq_queue_messages", "broker"),
        ("http_requests_total", "application it"),
    ],
)
def test_who_observed_it_is_told_by_the_exporters_prefix(query: str, writer: str) -> None:
    assert writer_of(spec("m", query=query), "it") == writer


def test_a_limit_is_turned_with_its_metric() -> None:
    for unit, ceiling in (("ratio", 1.0), ("percent", 100.0)):
        share = Readings(spec("up", None, unit, DOWN, limit=0.9 * ceiling), (), np.empty(0),
                         np.empty((0, 0)), 60.0)  # fmt: skip
        assert share.limit() == pytest.approx(0.1 * ceiling)
        assert share.back(0.1 * ceiling) == pytest.approx(0.9 * ceiling)
    count = Readings(spec("n", None, "x", DOWN, limit=3), (), np.empty(0), np.empty((0, 0)), 60.0)
    assert (count.limit(), count.back(-3.0)) == (-3, 3.0)


def test_a_fall_below_a_limit_of_a_young_series_is_told() -> None:
    values = np.full(100, np.nan)
    values[-20:] = 2.0
    times = 60.0 * np.arange(100, dtype=np.float64)
    series = [Series("n", labels_of({"service": "a"}), times, values, 60.0)]
    readings = Readings.of(spec("n", None, "x", DOWN, limit=3), series)
    (found,) = unusual(readings, usual_of(readings, 2400.0), 2400.0)
    assert (found.value, found.usual, found.rung) == (2.0, 3.0, Rung.LIMIT)


def test_medians_of_rows_count_what_is_known() -> None:
    values = np.array([[3.0, 1.0, 2.0, np.nan], [4.0, 1.0, 2.0, 3.0], [np.nan] * 4])
    medians, counts = median_of(values)
    assert medians[:2].tolist() == [2.0, 2.5]
    assert math.isnan(medians[2])
    assert counts.tolist() == [3, 4, 0]


def test_one_failed_request_in_a_thousand_is_no_endless_distress() -> None:
    values = np.zeros(100)
    values[-10:] = 0.02
    times = 60.0 * np.arange(100, dtype=np.float64)
    series = [Series("e", labels_of({"service": "a"}), times, values, 60.0)]
    readings = Readings.of(spec("e", R.ERRORS, "ratio"), series)
    usual = usual_of(readings, 60.0 * 80)
    (found,) = distress_of(readings, usual, 60.0 * 90, 60.0 * 99)
    assert found.strength == pytest.approx(math.log(0.025 / 0.005))
    values[-10:] = 0.001
    few = Readings.of(spec("e", R.ERRORS, "ratio"), series)
    assert distress_of(few, usual_of(few, 4800.0), 5400.0, 5940.0)[0].strength == 0
