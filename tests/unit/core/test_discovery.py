"""Who calls whom, seen in traffic: from both counters, under the catalogue's names."""

from __future__ import annotations

import pytest

from bot.core.shared.live_files import LiveFiles, LoadedFiles
from bot.core.upkeep.discovery import COUNTERS, Discovery
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fixtures.nouns import NOW
from tests.fixtures.profile import trading_catalogue
from tools.contract import Toolbox
from tools.errors import BackendUnavailableError
from tools.observe.knowledge import service_map
from tools.world import Call, Catalogue, ServiceName

TRACES, ISTIO = COUNTERS
TIMES = [NOW.timestamp() - 60.0, NOW.timestamp()]


@pytest.fixture
def metrics() -> FakeMetrics:
    fake = FakeMetrics()
    for counter in COUNTERS:
        fake.series[counter.total] = []
        fake.series[counter.failed] = []
    return fake


@pytest.fixture
def live_files() -> LiveFiles:
    known = trading_catalogue()
    return LiveFiles(lambda: LoadedFiles(known, (), {}))


def seen(
    metrics: FakeMetrics, rate: float, client: str, server: str, *, failed: bool = False
) -> None:
    query = TRACES.failed if failed else TRACES.total
    metrics.put(query, {"client": client, "server": server}, TIMES, [rate, rate])


def meshed(metrics: FakeMetrics, rate: float, reporter: str, **labels: str) -> None:
    metrics.put(ISTIO.total, {"reporter": reporter, **labels}, TIMES, [rate, rate])


async def discovered(metrics: FakeMetrics, live_files: LiveFiles) -> Catalogue:
    await Discovery(metrics, FakeClock(NOW), live_files.catalogue, live_files.discover).refresh()
    return live_files.catalogue()


async def test_a_call_that_nobody_declared_joins_the_map_and_is_marked(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    seen(metrics, 4.0, "market-data", "ledger")
    seen(metrics, 1.0, "market-data", "ledger", failed=True)
    catalogue = await discovered(metrics, live_files)
    assert ServiceName("ledger") in catalogue.dependencies(ServiceName("market-data"))
    assert ServiceName("market-data") in catalogue.dependants(ServiceName("ledger"))
    assert ServiceName("ledger") in catalogue.topology()[ServiceName("market-data")]
    told = await Toolbox((service_map,), {Catalogue: catalogue}).call(
        "service_map", {"service": "market-data"}
    )
    assert "ledger (discovered, 4/s, 25 % failed)" in told.summary
    assert "kafka, redis" in told.summary  # declared, and no traffic contradicts it
    outgoing = {call["server"]: call for call in told.payload["services"][0]["outgoing"]}
    assert outgoing["ledger"]["declared"] is False
    assert outgoing["ledger"]["failed_percent"] == 25.0
    assert outgoing["kafka"]["declared"] is True


async def test_a_declared_dependency_stays_declared_and_gains_its_rate(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    before = live_files.catalogue().dependencies(ServiceName("order-api"))
    seen(metrics, 12.0, "order-api", "ledger")
    catalogue = await discovered(metrics, live_files)
    assert catalogue.dependencies(ServiceName("order-api")) == before
    told = await Toolbox((service_map,), {Catalogue: catalogue}).call(
        "service_map", {"service": "order-api"}
    )
    assert "ledger (12/s)" in told.summary


async def test_aliases_and_workload_names_mean_the_catalogued_service(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    alias = live_files.catalogue().services[ServiceName("order-api")].aliases[0]
    seen(metrics, 2.0, alias, "market-data")
    catalogue = await discovered(metrics, live_files)
    assert ServiceName("market-data") in catalogue.dependencies(ServiceName("order-api"))


async def test_both_sidecars_of_one_call_count_it_once(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    ends = {
        "source_canonical_service": "unknown",
        "source_workload": "market-data",
        "destination_canonical_service": "ledger",
        "destination_workload": "ledger",
    }
    meshed(metrics, 3.0, "source", **ends)
    meshed(metrics, 2.5, "destination", **ends)
    catalogue = await discovered(metrics, live_files)
    assert catalogue.calls == (
        Call(ServiceName("market-data"), ServiceName("ledger"), 3.0, 0.0, "istio"),
    )


async def test_outsiders_loops_and_scans_are_no_dependencies(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    seen(metrics, 5.0, "user", "gateway")
    seen(metrics, 5.0, "ledger", "ledger")
    seen(metrics, 0.0001, "market-data", "ledger")
    assert (await discovered(metrics, live_files)).calls == ()


async def test_a_caller_outside_the_catalogue_counts_for_the_blast_radius_only(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    seen(metrics, 5.0, "partner-portal", "ledger")
    seen(metrics, 5.0, "ledger", "tax-office")
    catalogue = await discovered(metrics, live_files)
    assert "partner-portal" in catalogue.dependants(ServiceName("ledger"))
    assert "tax-office" not in catalogue.dependencies(ServiceName("ledger"))


async def test_a_silent_prometheus_keeps_what_was_seen_before(
    metrics: FakeMetrics, live_files: LiveFiles
) -> None:
    seen(metrics, 4.0, "market-data", "ledger")
    discovery = Discovery(metrics, FakeClock(NOW), live_files.catalogue, live_files.discover)
    await discovery.refresh()
    metrics.broken = BackendUnavailableError("prometheus", "gone")
    await discovery.refresh()
    assert len(live_files.catalogue().calls) == 1
