"""Two clusters, two Prometheus: nothing merges, nothing waits for the dead one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.anomaly import fingerprint_of
from tests.fakes.cluster import FakeCluster
from tests.fakes.logs import FakeLogs
from tests.fakes.metrics import FakeMetrics
from tests.patience import PATIENCE
from tools import fleet
from tools.backends.fleets import ClusterFleet, LogsFleet, MetricsFleet, PlacedLogs, PlacedMetrics
from tools.errors import BackendUnavailableError, BadArgumentError
from tools.fleet import ask_each, default_of, healths_of, pick, silence
from tools.world import (
    Catalogue,
    LogLine,
    MetricName,
    MetricSpec,
    Series,
    ServiceName,
    ServiceSpec,
    Window,
    WorkloadRef,
)

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
HOUR = Window.ending(NOW, timedelta(hours=1))
QUERY = "sum by (service) (rate(errors[5m]))"
DOWN = BackendUnavailableError("prometheus", "cannot be reached")


def a_service(name: str, cluster: str) -> ServiceSpec:
    ref = WorkloadRef(cluster, "trading", "Deployment", name.partition("@")[0])
    return ServiceSpec(ServiceName(name), "trading", (ref,), cluster=cluster)


SERVICES = [a_service("order-api", "eu-1"), a_service("order-api@us-1", "us-1")]
SPEC = MetricSpec(MetricName("errors"), "api", QUERY, "ratio", "errors")
CATALOGUE = Catalogue({SPEC.name: SPEC}, {each.name: each for each in SERVICES})


def a_store(value: float) -> FakeMetrics:
    store = FakeMetrics()
    times = [NOW.timestamp() - 60.0 * k for k in range(60, -1, -1)]
    store.put(QUERY, {"service": "order-api"}, times, [value] * len(times))
    return store


def two(eu: Any, us: Any) -> MetricsFleet:
    clusters = {"eu": "eu-1", "us": "us-1"}
    placed = {
        name: PlacedMetrics(inner, name, clusters[name], lambda: CATALOGUE)
        for name, inner in (("eu", eu), ("us", us))
    }
    return MetricsFleet("prometheus", placed, clusters)


async def test_equal_series_of_two_clusters_are_two_services_with_two_fingerprints() -> None:
    both = await two(a_store(0.1), a_store(0.9)).query_range(QUERY, HOUR)
    assert [s.label("service") for s in both] == ["order-api", "order-api@us-1"]
    assert [s.label("cluster") for s in both] == ["eu-1", "us-1"]
    prints = {fingerprint_of(SPEC.name, s.labels) for s in both}
    assert len(prints) == 2


async def test_a_query_a_person_wrote_keeps_the_labels_as_they_are_stored() -> None:
    store = a_store(0.9)
    store.series["up"] = store.series[QUERY]
    [series] = await two(a_store(0.1), store).at("us").query_range("up", HOUR)
    assert series.label("service") == "order-api"


async def test_the_clusters_own_label_wins_over_the_configured_one() -> None:
    store = FakeMetrics()
    store.put(QUERY, {"service": "order-api", "cluster": "us-1"}, [NOW.timestamp()], [1.0])
    everywhere = PlacedMetrics(store, "global", "", lambda: CATALOGUE)
    [(labels, value)] = await everywhere.query(QUERY, NOW)
    assert dict(labels)["service"] == "order-api@us-1"
    assert value == 1.0


def test_an_unknown_instance_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadArgumentError, match=r"no instance 'eus' of prometheus.*'(eu|us)'"):
        pick(two(a_store(0), a_store(0)), "eus")


def test_a_name_is_refused_where_there_is_only_one() -> None:
    with pytest.raises(BadArgumentError, match="leave 'eu' out"):
        pick(FakeMetrics(), "eu")


def test_a_service_is_asked_about_where_it_runs_and_nothing_named_means_the_default() -> None:
    both = two(a_store(0), a_store(0))
    assert pick(both, cluster="us-1") is both.at("us")
    assert pick(both, cluster="mars-1") is both
    assert default_of(both) is both.at("eu")


async def test_an_instance_that_hangs_is_left_behind_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet, "GRACE_SECONDS", 0.05)
    hanging = a_store(0.5)
    hanging.may_answer.clear()
    both = two(a_store(0.1), hanging)
    async with asyncio.timeout(PATIENCE):
        found = await both.query_range(QUERY, HOUR)
    assert [s.label("prometheus") for s in found] == ["eu"]
    [line] = silence(both)
    assert line.startswith("NOT LOOKED AT: prometheus us")
    assert hanging.given_up.is_set(), "the question that was left behind is cancelled"


async def test_an_instance_that_fails_at_once_does_not_hurry_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fleet, "GRACE_SECONDS", 0.0)
    dead, slow, go = a_store(0), a_store(0.5), asyncio.Event()
    dead.broken = DOWN
    both = two(dead, slow)

    async def ask(each: Any) -> list[Series]:
        if each is both.at("us"):
            await go.wait()
        found: list[Series] = await each.query_range(QUERY, HOUR)
        return found

    asking = asyncio.create_task(ask_each(both, ask))
    for _ in range(100):  # turns of the loop: far more than giving up would take
        await asyncio.sleep(0)
    assert dead.asked
    assert not asking.done()
    go.set()
    gathered = await asking
    assert list(gathered.answers) == ["us"]
    assert str(gathered.failed["eu"]) == str(DOWN)


async def test_when_nobody_answers_every_reason_is_told() -> None:
    eu, us = a_store(0), a_store(0)
    eu.broken, us.broken = DOWN, BackendUnavailableError("prometheus", "HTTP 503")
    with pytest.raises(BackendUnavailableError, match=r"eu: .*reached; us: .*503"):
        await two(eu, us).query_range(QUERY, HOUR)


async def test_each_instance_says_how_it_is_and_together_they_are_degraded() -> None:
    eu, us = a_store(0), a_store(0)
    us.broken = DOWN
    both = two(eu, us)
    told = {h.name: h.word for h in await healths_of(both)}
    assert told == {"prometheus eu": "up", "prometheus us": "down"}
    assert (await both.health()).word == "degraded"


async def test_logs_are_looked_for_where_the_service_runs() -> None:
    line = LogLine(NOW - timedelta(minutes=1), "order-api", "refused", "error")
    eu, us = FakeLogs([]), FakeLogs([line])
    clusters = {"eu": "eu-1", "us": "us-1"}
    placed = {
        n: PlacedLogs(inner, n, clusters[n], lambda: CATALOGUE)
        for n, inner in (("eu", eu), ("us", us))
    }
    both = LogsFleet(placed, clusters, lambda: CATALOGUE)
    assert (await both.search(HOUR, service="order-api")).lines == ()
    [found] = (await both.search(HOUR, service="order-api@us-1")).lines
    assert found.service == "order-api@us-1"
    assert dict(found.labels)["loki"] == "us"


async def test_an_object_is_read_in_its_own_cluster_and_an_unknown_one_is_named() -> None:
    def shop(replicas: int) -> dict[str, Any]:
        own = {"name": "shop", "namespace": "trading", "uid": f"u{replicas}"}
        return {"kind": "Deployment", "metadata": own, "spec": {"replicas": replicas}}

    both = ClusterFleet({"eu-1": FakeCluster([shop(1)]), "us-1": FakeCluster([shop(2)])})
    found = await both.get(WorkloadRef("us-1", "trading", "Deployment", "shop"))
    assert found["spec"]["replicas"] == 2
    with pytest.raises(BadArgumentError, match=r"cluster 'us-2' .*'us-1'"):
        await both.get(WorkloadRef("us-2", "trading", "Deployment", "shop"))


def test_a_cluster_that_is_not_the_only_one_is_told_with_its_objects() -> None:
    assert str(WorkloadRef("us-1", "a", "Pod", "b")) == "us-1:a/Pod/b"
    assert str(WorkloadRef("default", "a", "Pod", "b")) == "a/Pod/b"
