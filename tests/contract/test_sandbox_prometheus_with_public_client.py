"""The imitated Prometheus, judged by a client that is not ours: prometheus-api-client."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from prometheus_api_client import PrometheusConnect
from prometheus_api_client.exceptions import PrometheusApiClientException

from sandbox.clock import ManualClock
from sandbox.prometheus.samples import RecordedSource, Series, labels_of
from sandbox.prometheus.server import Metadata, PrometheusServer
from tests.patience import PATIENCE

NOW = 1_750_000_000
STEP_MS = 15_000


def counter(service: str, per_step: float) -> Series:
    """Return one hour of a counter that rises by `per_step` every 15 seconds."""
    times = np.arange(NOW * 1000 - 3_600_000, NOW * 1000 + 1, STEP_MS, dtype=np.int64)
    values = np.arange(len(times), dtype=np.float64) * per_step
    return Series(labels_of([("__name__", "orders_total"), ("service", service)]), times, values)


@pytest.fixture
async def client() -> AsyncIterator[PrometheusConnect]:
    source = RecordedSource([counter("gateway", 30), counter("ledger", 15)])
    about = {"orders_total": Metadata("counter", "Orders taken.")}
    server = PrometheusServer(source, ManualClock(NOW), about)
    await server.start("127.0.0.1", 0)
    yield PrometheusConnect(url=server.url, timeout=PATIENCE)
    await server.close()


async def ask(question: Any, *arguments: Any, **options: Any) -> Any:
    """Run the synchronous client beside the server's event loop."""
    return await asyncio.to_thread(question, *arguments, **options)


async def test_it_lists_metrics_and_label_values(client: PrometheusConnect) -> None:
    assert await ask(client.all_metrics) == ["orders_total"]
    assert await ask(client.get_label_values, "service") == ["gateway", "ledger"]


async def test_it_reads_an_instant_rate_of_each_service(client: PrometheusConnect) -> None:
    answer = await ask(client.custom_query, "sum by (service) (rate(orders_total[5m]))")
    rates = {row["metric"]["service"]: float(row["value"][1]) for row in answer}
    assert rates == pytest.approx({"gateway": 2.0, "ledger": 1.0})


async def test_it_reads_a_range_with_the_steps_it_asked_for(client: PrometheusConnect) -> None:
    end = datetime.fromtimestamp(NOW, UTC)
    start = datetime.fromtimestamp(NOW - 600, UTC)
    (row,) = await ask(
        client.custom_query_range, 'orders_total{service="ledger"}', start, end, "60s"
    )
    times = [moment for moment, _ in row["values"]]
    assert times == list(range(NOW - 600, NOW + 1, 60))
    assert float(row["values"][-1][1]) == 240 * 15


async def test_what_does_not_parse_comes_back_as_an_error_it_understands(
    client: PrometheusConnect,
) -> None:
    with pytest.raises(PrometheusApiClientException, match=r"400.*bad_data"):
        await ask(client.custom_query, "sum(rate(orders_total[5m])")
