"""What triggers, preconditions and verification are told of a service, over fake ports."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.core.remediation.measuring import Measuring, Notices, measured
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import populate, services
from tests.fakes.logs import FakeLogs
from tests.fakes.metrics import FakeMetrics
from tools.errors import BackendUnavailableError
from tools.world import (
    Catalogue,
    Change,
    ChangeKind,
    ClusterEvent,
    Direction,
    LogLine,
    MetricName,
    MetricSpec,
    PodStatus,
    ServiceName,
    WorkloadRef,
)

SHOP = WorkloadRef("default", "trading", "Deployment", "shop")
GONE = BackendUnavailableError("loki", "gone")


class Broken(FakeChanges):
    async def recent(self, *_: object, **__: object) -> list[Change]:
        raise BackendUnavailableError("kubernetes", "gone")


def spec(name: str, direction: Direction) -> MetricSpec:
    return MetricSpec(MetricName(name), "api", name, "seconds", "", direction, 0.5, "app")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def measuring(clock: FakeClock) -> Measuring:
    metrics, now = FakeMetrics(), clock.now().timestamp()
    for query in ("latency", "availability"):
        for pod, value in (("a", 0.2), ("b", 0.9), ("c", float("nan"))):
            metrics.put(query, {"app": "shop", "pod": pod}, [now - 60, now], [value, value])
        metrics.put(query, {"app": "cart", "pod": "d"}, [now - 60, now], [5.0, 5.0])
    known = [spec("latency", Direction.UP), spec("availability", Direction.DOWN)]
    catalogue = Catalogue(
        {each.name: each for each in known}, {ServiceName(k): v for k, v in services().items()}
    )
    cluster = FakeCluster()
    populate(cluster)
    at = clock.now() - timedelta(minutes=5)
    cluster.event_list = [
        ClusterEvent(at, SHOP, "Warning", "BackOff", ""),
        ClusterEvent(clock.now() - timedelta(hours=1), SHOP, "Warning", "Killing", ""),
    ]
    running = WorkloadRef("default", "trading", "Pod", "shop-1")
    cluster.pod_list = [PodStatus(running, "Running", False, 3, None, "", "OOMKilled")]
    changes = FakeChanges(
        [
            Change(at, ChangeKind.DEPLOY, "shop", ""),
            Change(at, ChangeKind.FLAG, "cart", ""),
            Change(clock.now() - timedelta(hours=4), ChangeKind.SCALE, "shop", ""),
        ]
    )
    logs = FakeLogs(
        LogLine(at, "shop", text, level)
        for text, level in (("no", "error"), ("hm", "warning"), ("fine", "info"))
    )
    return Measuring(clock, lambda: catalogue, metrics, logs, cluster, changes)


async def test_of_several_series_the_worst_counts_in_the_metrics_own_direction(
    measuring: Measuring,
) -> None:
    assert await measuring.measure("latency", "shop") == 0.9
    assert await measuring.measure("availability", "shop") == 0.2


async def test_what_nobody_measures_is_unknown(measuring: Measuring) -> None:
    assert await measuring.measure("latency", "vault") is None
    assert await measuring.measure("humidity", "shop") is None
    measuring.metrics.broken = GONE  # type: ignore[attr-defined]
    assert await measured(measuring.measure, "latency", "shop") is None


async def test_what_was_noticed_lately_is_told_by_name(measuring: Measuring) -> None:
    assert await measuring.notice("shop") == Notices(
        events=frozenset({"BackOff", "OOMKilled", "Deployed"}), logs=("no", "hm"), partial=False
    )


async def test_what_cannot_be_looked_at_is_not_told_as_absent(
    measuring: Measuring, clock: FakeClock
) -> None:
    without = Measuring(clock, measuring.catalogue, measuring.metrics)
    assert await without.notice("shop") == Notices(None, None, partial=True)
    no_changes = Measuring(
        clock, measuring.catalogue, measuring.metrics, None, measuring.cluster, Broken()
    )
    assert await no_changes.notice("shop") == Notices(
        frozenset({"BackOff", "OOMKilled"}), None, partial=True
    )
    no_cluster = Measuring(
        clock, measuring.catalogue, measuring.metrics, measuring.logs, None, measuring.changes
    )
    measuring.logs.broken = GONE  # type: ignore[union-attr]
    assert await no_cluster.notice("shop") == Notices(frozenset({"Deployed"}), None, partial=True)
    assert (await no_cluster.notice("unheard-of")).events == frozenset()


async def test_a_workload_that_is_gone_leaves_its_events_unknown(measuring: Measuring) -> None:
    del measuring.cluster.objects["Deployment", "trading", "shop"]  # type: ignore[union-attr]
    assert await measuring.notice("shop") == Notices(
        frozenset({"Deployed"}), ("no", "hm"), partial=True
    )
