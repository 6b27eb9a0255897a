"""Two stores and two clusters side by side, from the settings to the plan."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import respx

from bot.composition.agent import described
from bot.composition.examining import backend_checks, off_of
from bot.composition.instances import LiveGaps, metrics_of
from bot.core.detection.cycle import CycleReport
from bot.core.upkeep.doctor import DependencyState, examine
from bot.settings import ConfigError, Settings, load_settings
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.metrics import FakeMetrics
from tests.fixtures.bot import BotStand
from tests.fixtures.loopback import free_port
from tests.patience import PATIENCE
from tools import catalog, fleet
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, parse_parameters
from tools.backends.fleets import MetricsFleet, PlacedMetrics
from tools.errors import ActionRefusedError, BackendUnavailableError
from tools.metrics_and_services import CatalogueError, load_services
from tools.ports import Metrics
from tools.world import (
    Catalogue,
    MetricName,
    MetricSpec,
    ServiceName,
    ServiceSpec,
    WorkloadRef,
)

QUERY = "errors_ratio"
SPEC = MetricSpec(
    MetricName("errors"), "api", QUERY, "ratio", "share of failed requests", threshold=0.05
)


def a_service(name: str, cluster: str) -> ServiceSpec:
    ref = WorkloadRef(cluster, "trading", "Deployment", name.partition("@")[0])
    return ServiceSpec(ServiceName(name), "trading", (ref,), cluster=cluster)


SERVICES = [a_service("order-api", "eu-1"), a_service("order-api@us-1", "us-1")]
CATALOGUE = Catalogue({SPEC.name: SPEC}, {each.name: each for each in SERVICES})


def failing(clock: FakeClock) -> FakeMetrics:
    """A store whose order-api began to fail ten minutes ago."""
    end = clock.now().timestamp()
    times = [end - 60.0 * k for k in range(240, -1, -1)]
    store = FakeMetrics()
    values = [0.001 if at < end - 600 else 0.6 for at in times]
    store.put(QUERY, {"service": "order-api"}, times, values)
    return store


def hanging() -> FakeMetrics:
    """A store that never answers."""
    store = FakeMetrics()
    store.may_answer.clear()
    return store


def two(eu: FakeMetrics, us: FakeMetrics) -> MetricsFleet:
    clusters = {"eu": "eu-1", "us": "us-1"}
    stores = {"eu": eu, "us": us}
    placed = {
        name: PlacedMetrics(store, name, clusters[name], lambda: CATALOGUE)
        for name, store in stores.items()
    }
    return MetricsFleet("prometheus", placed, clusters)


@dataclass
class Two:
    """The bot over two stores; another bot over the same database for other stores."""

    store: SqlStore
    folder: Path
    clock: FakeClock

    async def cycle(self, metrics: Metrics) -> CycleReport:
        stand = BotStand(
            self.store, self.folder, clock=self.clock, metrics=metrics, catalogue=CATALOGUE
        )
        cycle = stand.join().work.cycle
        assert cycle is not None
        return await cycle.run()


@pytest.fixture
def bot(store: SqlStore, tmp_path: Path) -> Two:
    return Two(store, tmp_path, FakeClock())


async def test_a_finding_of_one_comes_while_the_other_hangs_and_the_silent_one_is_named(
    bot: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "GRACE_SECONDS", 0.05)
    async with asyncio.timeout(PATIENCE):
        report = await bot.cycle(two(failing(bot.clock), hanging()))
    assert [finding.service for finding in report.told] == ["order-api"]
    assert list(report.failed) == ["us"]
    assert "no answer" in report.failed["us"]


async def test_the_same_trouble_in_two_clusters_is_two_anomalies(bot: Two) -> None:
    report = await bot.cycle(two(failing(bot.clock), failing(bot.clock)))
    assert report.opened == 2
    async with bot.store.begin() as tx:
        found = {a.service: dict(a.first.labels)["cluster"] for a in await tx.anomalies.active()}
    assert found == {"order-api": "eu-1", "order-api@us-1": "us-1"}


async def test_what_hangs_is_neither_opened_nor_resolved(
    bot: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet, "GRACE_SECONDS", 0.05)
    await bot.cycle(two(failing(bot.clock), failing(bot.clock)))
    bot.clock.advance(timedelta(minutes=10))
    report = await bot.cycle(two(failing(bot.clock), hanging()))
    assert report.resolved == 0
    assert report.active == 2


# --- acting ---------------------------------------------------------------------------------


def a_deployment(uid: str) -> dict[str, Any]:
    own = {"name": "order-api", "namespace": "trading", "uid": uid, "resourceVersion": "1"}
    template = {"metadata": {}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}}
    spec = {"replicas": 2, "template": template, "selector": {"matchLabels": {"app": "order-api"}}}
    return {"kind": "Deployment", "metadata": own, "spec": spec}


async def test_a_step_reads_and_acts_in_its_own_cluster_only() -> None:
    eu, us = FakeCluster([a_deployment("u-eu")]), FakeCluster([a_deployment("u-us")])
    actors = Actors(FakeClock(), clusters={"eu-1": eu, "us-1": us})
    action = ACTIONS["rollout_restart"]
    target = WorkloadRef("us-1", "trading", "Deployment", "order-api")
    state = await action.observe(actors, target, parse_parameters(action, {}))
    assert state.target.uid == "u-us"
    assert state.target.cluster == "us-1"


async def test_a_cluster_without_an_acting_identity_is_refused_by_name() -> None:
    actors = Actors(FakeClock(), clusters={"eu-1": FakeCluster([a_deployment("u-eu")])})
    action = ACTIONS["rollout_restart"]
    target = WorkloadRef("us-1", "trading", "Deployment", "order-api")
    with pytest.raises(ActionRefusedError, match="'us-1'"):
        await action.observe(actors, target, parse_parameters(action, {}))


# --- settings -------------------------------------------------------------------------------


def settings(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    database = f"sqlite+aiosqlite:///{folder / 'bot.db'}"
    knowledge = str(folder / "knowledge")
    return load_settings(
        {"SRE_AGENT_CONFIG": str(path), "DATABASE_URL": database, "KNOWLEDGE_URI": knowledge}
        | environ
    )


TWO = """
prometheus:
  url: ${PROMETHEUS_URL}
  cluster: eu-1
  instances:
    us: {url: "http://us:9090", cluster: us-1, timeout_seconds: 7, bearer_token: "${US_TOKEN}"}
kubernetes:
  cluster: eu-1
  clusters:
    us-1: {kubeconfig: us.yaml, act_kubeconfig: us-act.yaml, namespaces: [trading]}
"""


def test_the_first_address_is_the_default_and_the_others_have_names(tmp_path: Path) -> None:
    found = settings(
        tmp_path, TWO, PROMETHEUS_URL="http://eu:9090", KUBECONFIG="eu.yaml", US_TOKEN="t0ken"
    )
    assert list(found.prometheus) == ["default", "us"]
    assert found.prometheus["us"].timeout_seconds == 7
    assert found.prometheus["us"].bearer_token == "t0ken"
    assert list(found.clusters) == ["eu-1", "us-1"]
    assert found.clusters["us-1"].kubeconfig_act == "us-act.yaml"
    assert found.clusters["us-1"].namespaces == ("trading",)
    assert found.cluster_names == ("eu-1", "us-1")
    assert found.default_cluster == "eu-1"


def test_a_secret_of_an_instance_may_not_stand_in_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prometheus\.instances\.us\.bearer_token"):
        settings(tmp_path, TWO.replace('"${US_TOKEN}"', "s3cret"))


def test_a_misspelt_key_of_an_instance_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"instances\.us\.clutser'.*Did you mean 'cluster'"):
        settings(tmp_path, TWO.replace("cluster: us-1,", "clutser: us-1,"))


def test_two_clusters_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kubernetes\.clusters\.eu-1"):
        settings(tmp_path, TWO.replace("    us-1:", "    eu-1:"), KUBECONFIG="eu.yaml")


def test_a_service_of_a_cluster_nobody_configured_is_an_error_with_its_place(
    tmp_path: Path,
) -> None:
    path = tmp_path / "services.yaml"
    path.write_text("shop:\n  namespace: a\n  cluster: us-2\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match=r":3:3: cluster 'us-2' .*'us-1'"):
        load_services(path, cluster="eu-1", clusters=("eu-1", "us-1"))


def test_a_service_named_after_a_cluster_runs_there(tmp_path: Path) -> None:
    path = tmp_path / "services.yaml"
    workloads = "workloads: [{kind: Deployment, name: shop}]"
    path.write_text(f"shop@us-1:\n  namespace: a\n  {workloads}\n", encoding="utf-8")
    [spec] = load_services(path, cluster="eu-1", clusters=("eu-1", "us-1")).values()
    assert spec.cluster == "us-1"
    assert spec.workloads[0].cluster == "us-1"
    path.write_text("shop@us-1:\n  namespace: a\n  cluster: eu-1\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match="the service's own name says 'us-1'"):
        load_services(path, cluster="eu-1", clusters=("eu-1", "us-1"))


def test_a_cluster_that_may_not_be_changed_says_which_setting_would_allow_it(
    tmp_path: Path,
) -> None:
    found = settings(tmp_path, TWO, KUBECONFIG="eu.yaml")
    assert off_of(found)["kubernetes actions eu-1"] == "set KUBECONFIG_ACT"
    assert "kubernetes actions us-1" not in off_of(found)


# --- what is told ---------------------------------------------------------------------------


def test_the_model_reads_which_instances_there_are() -> None:
    both = two(FakeMetrics(), FakeMetrics())
    tools = {t.name: t for t in described(catalog.ALL, {Metrics: both})}
    line = "Instances of prometheus: eu (cluster eu-1), us (cluster us-1); the first is the default"
    assert line in tools["query_metric"].description
    assert "Instances of" not in tools["search_logs"].description
    one = {t.name: t for t in described(catalog.ALL, {Metrics: FakeMetrics()})}
    assert "Instances of" not in one["query_metric"].description


@pytest.fixture
def well() -> Iterator[str]:
    """The address of a Prometheus that answers; the other one is on this machine, and dead."""
    time = {"resultType": "scalar", "result": [1763640000, "1763640000"]}
    url = "http://prometheus.eu.example"
    with respx.mock as router:
        router.route(host="127.0.0.1").pass_through()
        router.route(url__startswith=url).respond(json={"status": "success", "data": time})
        yield url


async def test_doctor_and_answers_name_the_instance_that_is_away(tmp_path: Path, well: str) -> None:
    us = free_port()
    text = f"""
prometheus:
  retry_attempts: 1
  url: {well}
  instances: {{us: {{url: "http://127.0.0.1:{us}", retry_attempts: 1}}}}
alertmanager: {{url: "http://127.0.0.1:{us}", retry_attempts: 1}}
"""
    found = settings(tmp_path, text)
    async with AsyncExitStack() as stack:
        asked = await examine(backend_checks(found, stack), off_of(found))
    rows = {row.name: row for row in asked}
    assert rows["prometheus default"].state is DependencyState.OK
    assert rows["prometheus us"].state is DependencyState.FAILED
    assert str(us) in rows["prometheus us"].detail
    assert rows["alertmanager"].state is DependencyState.FAILED
    async with AsyncExitStack() as stack:
        metrics = metrics_of(found, stack)
        assert metrics is not None
        gaps = LiveGaps({"loki": "not configured"}, {"prometheus": metrics, "loki": None})
        assert dict(gaps) == {"loki": "not configured"}
        now = FakeClock().now()
        for _ in range(6):
            with pytest.raises(BackendUnavailableError):
                await fleet.pick(metrics, "us").query("vector(1)", now)
        assert list(gaps) == ["loki", "prometheus us"]
        assert gaps["prometheus us"].startswith("down since ")
