"""What the Metrics port promises: of the fake, of the imitation, and of two real stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fixtures import metrics_stores as stores
from tests.fixtures.profile import trading_catalogue
from tests.sandboxed import START, Platform, platform
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.errors import BackendRefusedError
from tools.observe.find_metrics import find_metrics
from tools.ports import Metrics, warnings_of
from tools.world import Window

QUERY = "sum by (service) (orderbook_depth)"
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Store:
    """A metrics store and the last minute it has samples of."""

    metrics: Metrics
    end: datetime

    @property
    def window(self) -> Window:
        return Window.ending(self.end, timedelta(hours=1))


@pytest.fixture(scope="module")
def prometheus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stores.real_prometheus(tmp_path_factory.mktemp("prometheus")) as url:
        yield url


@pytest.fixture(scope="module")
def victoria_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stores.victoria_metrics(tmp_path_factory.mktemp("victoria")) as url:
        yield url


@pytest.fixture(
    params=[
        "fake",
        "sandbox",
        pytest.param("prometheus below a path", marks=pytest.mark.needs_prometheus),
        pytest.param("victoria-metrics", marks=pytest.mark.needs_victoriametrics),
        pytest.param("victoria-metrics below a path", marks=pytest.mark.needs_victoriametrics),
    ]
)
async def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Store]:
    if request.param == "fake":
        fake = FakeMetrics()
        times = [START.timestamp() - 60.0 * k for k in range(120, -1, -1)]
        fake.put(QUERY, {"service": stores.SERVICE}, times, [9000.0 + k for k in range(121)])
        yield Store(fake, START)
        return
    if request.param == "sandbox":
        async with platform(tmp_path_factory.mktemp("sandbox")) as outside:
            adapter = Prometheus(PrometheusConfig(url=outside.prometheus_url))
            yield Store(adapter, START)
            await adapter.close()
        return
    name = "prometheus_url" if "prometheus" in request.param else "victoria_url"
    url = request.getfixturevalue(name)
    if request.param == "victoria-metrics below a path":
        url += stores.PREFIX
    adapter = Prometheus(PrometheusConfig(url=url))
    yield Store(adapter, stores.END)
    await adapter.close()


async def test_a_range_lies_on_a_regular_grid_that_ends_at_the_end(store: Store) -> None:
    (series,) = await store.metrics.query_range(QUERY, store.window, MINUTE)
    assert series.label("service") == stores.SERVICE
    assert np.diff(series.times).tolist() == [60.0] * 60
    assert series.times[-1] == store.end.timestamp()
    assert series.missing_ratio == 0


async def test_an_instant_agrees_with_the_range(store: Store) -> None:
    ((labels, value),) = await store.metrics.query(QUERY, store.end)
    (series,) = await store.metrics.query_range(QUERY, store.window, MINUTE)
    assert dict(labels)["service"] == stores.SERVICE
    assert value == pytest.approx(series.values[-1])


async def test_a_query_that_is_wrong_is_refused(store: Store) -> None:
    with pytest.raises(BackendRefusedError):
        await store.metrics.query_range("sum by (", store.window)


async def test_a_whole_answer_has_nothing_to_be_said_with_it(store: Store) -> None:
    assert warnings_of(await store.metrics.query_range(QUERY, store.window, MINUTE)) == ()


async def test_health_says_it_is_up(store: Store) -> None:
    assert (await store.metrics.health()).up


async def test_the_names_of_its_metrics_are_known(store: Store) -> None:
    names = await store.metrics.metric_names()
    assert names == sorted(names)
    assert any(stores.METRIC in name for name in names)


async def test_what_nobody_knows_has_nothing_said_about_it(store: Store) -> None:
    assert await store.metrics.about("no_such_metric_anywhere") is None


# ------------------------------------------------------------- real stores hold what was put in

REAL = pytest.mark.parametrize(
    "fixture",
    [
        pytest.param("prometheus_url", marks=pytest.mark.needs_prometheus),
        pytest.param("victoria_url", marks=pytest.mark.needs_victoriametrics),
    ],
)


@REAL
async def test_a_real_store_gives_back_every_sample_and_label(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    adapter = Prometheus(PrometheusConfig(url=request.getfixturevalue(fixture)))
    window = Window.ending(stores.END, (stores.COUNT - 1) * stores.STEP)
    found = await adapter.query_range(stores.METRIC, window, stores.STEP)
    assert [series.label("symbol") for series in found] == list(stores.SYMBOLS)
    for series in found:
        assert series.metric == stores.METRIC
        expected = [stores.depth(series.label("symbol"), slot) for slot in range(stores.COUNT)]
        assert series.values.tolist() == expected
    assert await adapter.label_values("symbol", stores.METRIC) == list(stores.SYMBOLS)
    assert await adapter.targets() == []
    await adapter.close()


@REAL
async def test_a_real_store_is_asked_in_parts_when_a_range_has_too_many_points(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    """The server refuses more than 11,000 points; one second over 200 minutes is 12,001."""
    url = request.getfixturevalue(fixture)
    adapter = Prometheus(PrometheusConfig(url=url))
    window = Window.ending(stores.END, timedelta(minutes=200))
    (series,) = await adapter.query_range(QUERY, window, SECOND)
    assert series.times.size == 12_001
    assert np.isfinite(series.values[-60 * 180 :]).all()
    await adapter.close()
    greedy = Prometheus(PrometheusConfig(url=url, max_points=200_000))
    with pytest.raises(BackendRefusedError, match="points"):
        await greedy.query_range(QUERY, Window.ending(stores.END, timedelta(days=2)), SECOND)
    await greedy.close()


@pytest.mark.parametrize(
    "served",
    [
        pytest.param("prometheus_url", marks=pytest.mark.needs_prometheus),
        pytest.param("victoria_url", marks=pytest.mark.needs_victoriametrics),
    ],
)
async def test_what_real_stores_answer_in_parts_is_the_whole(
    request: pytest.FixtureRequest, served: str
) -> None:
    url = request.getfixturevalue(served)
    whole, parted = (Prometheus(PrometheusConfig(url=url, max_series=n)) for n in (10, 1))
    window = Window.ending(stores.END, timedelta(minutes=30))
    for query in (stores.METRIC, f"sum by (symbol) (rate({stores.METRIC}[5m])) > 0"):
        meant = await whole.query_range(query, window, MINUTE)
        found = await parted.query_range_in_parts(query, "symbol", window, MINUTE)
        assert {each.labels for each in found} == {each.labels for each in meant}
        for one, other in zip(
            sorted(found, key=lambda s: s.labels),
            sorted(meant, key=lambda s: s.labels),
            strict=True,
        ):
            np.testing.assert_allclose(one.values, other.values)
    await whole.close()
    await parted.close()


async def test_metrics_are_found_with_their_labels_in_every_store(store: Store) -> None:
    names = await store.metrics.metric_names()
    clock = FakeClock(store.end)
    whole = await find_metrics.function(
        store.metrics, clock, trading_catalogue(), text=names[0].split("{")[0]
    )
    assert whole.payload["metrics"][0]["series"] >= 1
    assert whole.payload["metrics"][0]["labels_told"]


async def test_the_metrics_of_a_service_are_found_in_the_imitated_production(
    outside: Platform,
) -> None:
    metrics = Prometheus(PrometheusConfig(url=outside.prometheus_url))
    outside.advance(60)
    result = await find_metrics.function(
        metrics, FakeClock(outside.clock.now()), trading_catalogue(), service="ledger", text="cpu"
    )
    rows = {row["metric"]: row for row in result.payload["metrics"]}
    used = rows["container_cpu_usage_seconds_total"]
    assert (used["type"], used["series"]) == ("counter", 2)
    assert used["services"] == ["ledger"]
    assert "node_cpu_seconds_total" not in rows
    await metrics.close()
