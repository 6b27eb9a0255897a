"""What the Metrics port promises, of the fake and of the adapter over the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import numpy as np
import pytest

from tests.fakes.metrics import FakeMetrics
from tests.sandboxed import START, Platform
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.errors import BackendRefusedError
from tools.ports import Metrics
from tools.world import Window

QUERY = "sum by (service) (orderbook_depth)"
WINDOW = Window(START - timedelta(hours=1), START)


@pytest.fixture(params=["fake", "prometheus"])
async def metrics(request: pytest.FixtureRequest, outside: Platform) -> AsyncIterator[Metrics]:
    if request.param == "prometheus":
        adapter = Prometheus(PrometheusConfig(url=outside.prometheus_url))
        yield adapter
        await adapter.close()
        return
    fake = FakeMetrics()
    times = [START.timestamp() - 60.0 * k for k in range(120, -1, -1)]
    fake.put(QUERY, {"service": "matching-engine"}, times, [9000.0 + k for k in range(121)])
    yield fake


async def test_a_range_lies_on_a_regular_grid_that_ends_at_the_end(metrics: Metrics) -> None:
    (series,) = await metrics.query_range(QUERY, WINDOW, timedelta(minutes=1))
    assert series.label("service") == "matching-engine"
    assert np.diff(series.times).tolist() == [60.0] * 60
    assert series.times[-1] == START.timestamp()
    assert series.missing_ratio == 0


async def test_an_instant_agrees_with_the_range(metrics: Metrics) -> None:
    ((labels, value),) = await metrics.query(QUERY, START)
    (series,) = await metrics.query_range(QUERY, WINDOW, timedelta(minutes=1))
    assert dict(labels)["service"] == "matching-engine"
    assert value == pytest.approx(series.values[-1])


async def test_a_query_that_is_wrong_is_refused(metrics: Metrics) -> None:
    with pytest.raises(BackendRefusedError):
        await metrics.query_range("sum by (", WINDOW)


async def test_health_says_it_is_up(metrics: Metrics) -> None:
    assert (await metrics.health()).up
