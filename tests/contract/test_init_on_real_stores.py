"""`init` on a real Prometheus and a real VictoriaMetrics: a small platform that nobody described.

cart    two targets, HTTP names, label svc        till   unknown names and outcomes, label svc
stock   counters of calls and errors, by its job  main-db   PostgreSQL's exporter, by its job
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from bot.__main__ import main
from bot.core.upkeep.onboarding.learning import Learned, learn
from bot.core.upkeep.onboarding.services import Platform
from bot.core.upkeep.onboarding.verifying import Proposal
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fixtures.real_prometheus import backfill, free_address, program, running
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.metrics_and_services import load_catalogue
from tools.onboarding.service_drafts import Described
from tools.onboarding.unknown import RED
from tools.world import MetricRole

END = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
STEP, COUNT = timedelta(seconds=30), 60  # half an hour
CART = ['svc="cart",job="apps",squad="front",instance="10.0.0.1:80"',
        'svc="cart",job="apps",squad="front",instance="10.0.0.2:80"']  # fmt: skip
TILL = 'svc="till",job="apps",squad="money",instance="10.0.0.3:80"'
STOCK = 'job="stock",instance="10.0.0.4:80"'
DB = 'job="main-db",instance="10.0.0.9:9187"'


def series() -> Iterator[tuple[str, str, float, float]]:
    """Yield name, labels, first value and rise per scrape of every series."""
    for labels in (*CART, TILL, STOCK, DB):
        yield "up", labels, 1, 0
        yield "process_open_fds", labels, 20, 0
        yield "process_max_fds", labels, 1000, 0
    for labels in CART:
        for code, rise in (("200", 90), ("404", 9), ("503", 1)):
            yield "http_requests_total", f'{labels},rsp="{code}"', 0, rise
        yield from histogram("http_request_duration_seconds", labels)
    for ending, rise in (("ok", 28), ("timeout", 2)):
        yield from histogram("settle_seconds", f'{TILL},ending="{ending}"', rise)
    yield "settle_slots_in_use", TILL, 7, 0
    yield "settle_slots_max", TILL, 10, 0
    yield "stock_calls_total", STOCK, 0, 60
    yield "stock_call_errors_total", STOCK, 0, 3
    yield "stock_call_duration_seconds_sum", STOCK, 0, 6
    yield "stock_call_duration_seconds_count", STOCK, 0, 60
    yield "stock_queue_depth", STOCK, 4, 0
    yield "pg_up", DB, 1, 0
    for database in ("a", "b"):
        yield "pg_stat_database_xact_commit", f'{DB},datname="{database}"', 0, 300
        yield "pg_stat_database_xact_rollback", f'{DB},datname="{database}"', 0, 3
        yield "pg_stat_database_numbackends", f'{DB},datname="{database}"', 5, 0
    yield "pg_settings_max_connections", DB, 100, 0
    yield "pg_stat_activity_max_tx_duration", f'{DB},state="active"', 2, 0


def histogram(name: str, labels: str, rise: float = 30) -> Iterator[tuple[str, str, float, float]]:
    for bound, part in (("0.1", 0.5), ("0.5", 0.9), ("1", 1), ("+Inf", 1)):
        yield f"{name}_bucket", f'{labels},le="{bound}"', 0, rise * part
    yield f"{name}_sum", labels, 0, rise * 0.2
    yield f"{name}_count", labels, 0, rise


def samples(scale: int) -> Iterator[str]:
    """Return the samples; `scale` 1 is seconds (OpenMetrics), 1000 milliseconds."""
    known: dict[str, list[tuple[str, float, float]]] = {}
    for name, labels, first, rise in series():
        known.setdefault(name, []).append((labels, first, rise))
    begin = END - (COUNT - 1) * STEP
    for name, rows in known.items():
        for labels, first, rise in rows:
            for slot in range(COUNT):
                at = int((begin + slot * STEP).timestamp()) * scale
                yield f"{name}{{{labels}}} {first + rise * slot!r} {at}\n"
    yield "# EOF\n" if scale == 1 else ""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    backfill(folder, samples(1))
    with running(folder) as url:
        yield url


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, address = tmp_path_factory.mktemp("victoria"), free_address()
    command = [
        "victoria-metrics", f"-httpListenAddr={address}", f"-storageDataPath={folder / 'data'}",
        "-retentionPeriod=100y", "-search.latencyOffset=0s",
    ]  # fmt: skip
    with program(command, folder / "log", f"http://{address}/health"):
        text = "".join(samples(1000))
        httpx.post(f"http://{address}/api/v1/import/prometheus", content=text).raise_for_status()
        httpx.get(f"http://{address}/internal/force_flush").raise_for_status()
        yield f"http://{address}"


async def learned_from(url: str) -> Learned:
    store = Prometheus(PrometheusConfig(url=url))
    try:
        return await learn(store, FakeClock(END), lambda _: None)
    finally:
        await store.close()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("prometheus", marks=pytest.mark.needs_prometheus),
        pytest.param("victoria", marks=pytest.mark.needs_victoriametrics),
    ],
)
async def test_rate_errors_and_duration_of_every_service_are_found(
    name: str, request: pytest.FixtureRequest
) -> None:
    learned = await learned_from(request.getfixturevalue(name))
    assert learned.served() == {
        service: set(RED) for service in ("cart", "main-db", "stock", "till")
    }
    found = {each.name: each for each in learned.proposals}
    assert latest(found, MetricRole.ERRORS) == {
        "cart": 0.01, "till": 2 / 30, "stock": 0.05, "main-db": 3 / 303,
    }  # fmt: skip
    assert found["settle_slots_full"].latest == {"till": pytest.approx(0.7)}
    assert found["stock_queue_depth"].draft.role is MetricRole.LAG
    assert found["postgres_connections"].latest == {"main-db": pytest.approx(0.1)}
    assert found["process_files"].services == {"cart", "till", "stock", "main-db"}
    young = [each for each in learned.proposals if each.limit.value is None]
    assert young == []  # limits are there from the first minute


def latest(found: Mapping[str, Proposal], role: MetricRole) -> dict[str, object]:
    """Return the newest values of one role's shares, by service."""
    chosen = [each for each in found.values() if each.draft.role is role]
    return {
        service: pytest.approx(value, rel=0.02)
        for each in chosen
        if each.draft.unit == "ratio"
        for service, value in each.latest.items()
    }


@pytest.mark.needs_prometheus
def test_the_command_writes_once_and_then_proposes(
    prometheus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("KUBECONFIG", "LOKI_URL", "SRE_AGENT_CONFIG", "K8S_IN_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PROMETHEUS_URL", prometheus)
    monkeypatch.setenv("SRE_AGENT_CLOCK", f"{END.timestamp()},0.000001")  # it stands still
    folder = tmp_path / "ours"
    assert main(["init", str(folder), "--dry-run"]) == 0
    assert not folder.exists()
    assert "+# HTTP services" in capsys.readouterr().out
    assert main(["init", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "services     4; 4 take requests, of 4 rate, errors and duration are told" in told
    assert f"next         SRE_AGENT_CONFIG={folder}/config.yaml " in told
    catalogue = load_catalogue(folder / "metrics.yaml", folder / "services.yaml")
    assert {name: spec.team for name, spec in catalogue.services.items()} == {
        "cart": "front", "till": "money", "stock": "", "main-db": "",
    }  # fmt: skip
    metrics = folder / "metrics.yaml"
    edited = metrics.read_text("utf-8").replace("role: lag", "role: lag\n    resource: ''")
    edited = edited.replace("unit: requests/s", "unit: hits/s  # as we call it")
    metrics.write_text(edited, "utf-8")
    monkeypatch.setenv("SRE_AGENT_CONFIG", str(folder / "config.yaml"))
    assert main(["init", "--apply"]) == 0
    told = capsys.readouterr().out
    assert "yours stays  metrics.yaml: http_rate: unit stays 'hits/s', not 'requests/s'" in told
    assert metrics.read_text("utf-8") == edited


def test_without_a_store_it_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PROMETHEUS_URL", "SRE_AGENT_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert main(["init"]) == 1
    assert "export PROMETHEUS_URL" in capsys.readouterr().err
    assert main(["init", "--dry-run", "--apply"]) == 2


@pytest.mark.needs_prometheus
async def test_a_cluster_and_backstage_tell_where_services_run_and_whose_they_are(
    prometheus: str,
) -> None:
    def item(kind: str, name: str, space: str, **labels: str) -> dict[str, object]:
        about = {"name": name, "namespace": space, "labels": labels}
        return {"kind": kind, "metadata": about}

    cluster = FakeCluster([
        item("Deployment", "cart-v2", "shop", app="cart"),
        item("StatefulSet", "main-db", "data", team="storage"),
        item("Deployment", "unmeasured", "shop"),
        item("DaemonSet", "kube-proxy", "kube-system"),
    ])  # fmt: skip
    store = Prometheus(PrometheusConfig(url=prometheus))
    described = [Described("stock", "supply", calls=("main-db",)), Described("ghost")]
    platform = Platform(store, FakeClock(END), cluster, described)
    try:
        learned = await learn(store, FakeClock(END), lambda _: None)
        found = {each.name: each for each in await platform.services(learned, lambda _: None)}
    finally:
        await store.close()
    assert set(found) == {"cart", "till", "stock", "main-db", "unmeasured"}
    assert found["cart"].workloads == (("Deployment", "cart-v2"),)
    assert (found["cart"].namespace, found["cart"].team) == ("shop", "front")
    assert found["main-db"].team == "storage"
    assert (found["stock"].team, found["stock"].dependencies) == ("supply", ("main-db",))
    assert any("ghost" in each for each in platform.gaps)
