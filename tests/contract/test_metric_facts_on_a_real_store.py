"""The queries behind metric facts, asked of a real Prometheus: counters, topk, joined labels."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fixtures.real_prometheus import backfill, running
from tools.analysis.facts import Fact, Link
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.observe.metric_facts import MetricsExamined, examine_metrics
from tools.world import Catalogue, MetricName, MetricRole, MetricSpec, ServiceName, ServiceSpec

pytestmark = pytest.mark.needs_prometheus

END = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
MINUTES = 8 * 60
SLOW = 25  # minutes ago
MEAN = (
    "sum by (service) (rate(request_seconds_sum[5m])) "
    "/ sum by (service) (rate(request_seconds_count[5m]))"
)
CATALOGUE = Catalogue(
    {
        MetricName("mean"): MetricSpec(
            MetricName("mean"), "", MEAN, "seconds", "", role=MetricRole.LATENCY
        ),
        MetricName("rate"): MetricSpec(
            MetricName("rate"), "", "sum by (service) (rate(request_seconds_count[5m]))",
            "requests/s", "", MetricRole.TRAFFIC.bad_direction, role=MetricRole.TRAFFIC,
        ),
    },
    {
        ServiceName("front"): ServiceSpec(
            ServiceName("front"), "ns", (), dependencies=(ServiceName("db"),)
        ),
        ServiceName("db"): ServiceSpec(ServiceName("db"), "ns", ()),
    },
)  # fmt: skip


def _lines() -> Iterator[str]:
    """Yield counters of two services, the second ten times as slow lately, and its statements."""
    first = END - timedelta(minutes=MINUTES)
    rows: dict[str, list[float]] = {}
    for minute in range(MINUTES + 1):
        slow = minute >= MINUTES - SLOW
        per_minute = {
            'request_seconds_count{service="front"}': 600.0,
            'request_seconds_sum{service="front"}': 600 * (0.5 if slow else 0.15),
            'request_seconds_count{service="db"}': 600.0,
            'request_seconds_sum{service="db"}': 600 * (0.4 if slow else 0.04),
            'pg_stat_statements_seconds_total{queryid="7",server="db:5432"}': 10.0,
            'pg_stat_statements_seconds_total{queryid="8",server="db:5432"}': 90.0 if slow else 3.0,
            'pg_stat_statements_calls_total{queryid="7",server="db:5432"}': 60.0,
            'pg_stat_statements_calls_total{queryid="8",server="db:5432"}': 60.0,
        }
        for name, added in per_minute.items():
            values = rows.setdefault(name, [])
            values.append((values[-1] if values else 0.0) + added)
    declared = set()
    for name, values in rows.items():
        family = name.partition("{")[0]
        if family not in declared and family.endswith("_total"):
            yield f"# TYPE {family.removesuffix('_total')} counter\n"
        declared.add(family)
        for minute, value in enumerate(values):
            yield f"{name} {value!r} {int((first + timedelta(minutes=minute)).timestamp())}\n"
    yield "# EOF\n"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("facts")
    backfill(folder, _lines())
    with running(folder) as address:
        yield address


@pytest.fixture
async def store(url: str) -> AsyncIterator[Prometheus]:
    adapter = Prometheus(PrometheusConfig(url=url))
    yield adapter
    await adapter.close()


async def test_the_callee_and_the_statement_that_slowed_it_are_found(store: Prometheus) -> None:
    result = await examine_metrics.function(
        store, FakeClock(END), CATALOGUE, FakeBaselines(), service="front"
    )
    examined: MetricsExamined = result.value
    facts = {(each.subject.name, each.predicate): each for each in examined.facts}
    start = facts["db", "latency-unexplained"]
    assert start.role is Link.START
    assert _is_right(start)
    assert facts["front", "latency-high"].explained_by == "db"
    assert "each takes longer" in facts["8", "statement-dominates"].sentence
    assert _is_right(facts["8", "statement-dominates"])
    assert {(each.subject.name, each.metric) for each in examined.measured} >= {
        ("front", "rate"), ("db", "rate"),
    }  # fmt: skip
    assert examined.gaps == ()


def _is_right(fact: Fact) -> bool:
    assert fact.since is not None
    return abs(fact.since - (END - timedelta(minutes=SLOW))) <= fact.tolerance
