"""What metrics stores hold and how people ask them, against a real Prometheus and VictoriaMetrics.

Sources, read in November 2026: Prometheus' documentation (metadata API, vector matching, `rate`
needs two samples, native histograms in the HTTP API, quoted UTF-8 names), VictoriaMetrics' page of
MetricsQL; public questions about empty ratios, ranges shorter than two scrapes, gauges whose names
end in `_count`, spikes that a long dashboard does not show, quantiles without `le`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fixtures.metrics_stores import victoria_metrics
from tests.fixtures.real_prometheus import backfill, running
from tests.patience import PATIENCE
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.contract import ToolResult
from tools.errors import BadArgumentError
from tools.metrics_and_services import CatalogueError, load_metrics
from tools.observe import promql
from tools.observe.metrics import query_metric, query_promql
from tools.ports import warnings_of
from tools.world import Catalogue, Series, Window

END = datetime(2025, 3, 10, 12, 0, tzinfo=UTC)
SCRAPE = timedelta(seconds=15)
SPIKE = END - timedelta(days=3, minutes=4)
METRICS = """
web:
  error_ratio:
    query: >-
      sum by (service) (rate(http_requests_total{code=~"5.."}[5m]))
      / sum by (service) (rate(http_requests_total[5m]))
    unit: ratio
    description: Share of failed requests
  queue_depth:
    query: queue_depth
    unit: jobs
    description: Jobs that wait
"""


def samples() -> Iterator[str]:
    """An hour of requests every 15 s, none of them failed; a week of a queue every two minutes."""
    yield "# TYPE http_requests counter\n"
    for slot in range(241):
        at = int((END - (240 - slot) * SCRAPE).timestamp()) - 5
        for service, rate in (("web", 30), ("api", 15)):
            labels = f'service="{service}",code="200",instance="{service}-1"'
            yield f"http_requests_total{{{labels}}} {slot * rate} {at}\n"
    yield "# TYPE latency histogram\n"
    for slot in range(241):
        at = int((END - (240 - slot) * SCRAPE).timestamp()) - 5
        for le in ("0.1", "+Inf"):
            yield f'latency_bucket{{service="web",le="{le}"}} {slot} {at}\n'
    yield "# TYPE queue_depth gauge\n"
    for slot in range(5041):
        then = END - (5040 - slot) * timedelta(minutes=2)
        depth = 900 if then == SPIKE else 5
        yield f'queue_depth{{service="web"}} {depth} {int(then.timestamp())}\n'
    yield "# EOF\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("outside")
    backfill(folder, samples())
    with running(folder) as url:
        yield url


@pytest.fixture
async def prometheus(address: str) -> AsyncIterator[Prometheus]:
    made = Prometheus(PrometheusConfig(url=address))
    yield made
    await made.close()


async def ask(metrics: object, expression: str, window: str = "30m") -> ToolResult:
    return await query_promql.function(
        metrics, FakeClock(END), expression=expression, window=window
    )


@pytest.mark.needs_prometheus
@pytest.mark.parametrize(
    ("expression", "why"),
    [
        # sloth #440, kuma #16493: without any error the numerator has no series at all.
        ('sum(rate(http_requests_total{code=~"5.."}[5m]))', "its code is '200'"),
        (
            'rate(http_requests_total{code=~"5.."}[5m]) / rate(http_requests_total[5m])',
            'http_requests_total{} has no series with code=~"5.."',
        ),
        ('http_requests_total{service="wbe"}', "its service is 'api', 'web'"),
        ('http_requests_total{team="a"}', "they have no label team"),
        ('http_requests_total{service="web",instance="api-1"}', "its service is 'api'"),
        # prometheus #1428, #3194 and #8001: a minute's range over a minute's scrapes.
        ("rate(http_requests_total[15s])", "shorter than two scrapes, which are about 15s apart"),
        ("sum(irate(http_requests_total[10s]))", "take [60s] or more"),
        # open-bank-oss #5048: no consumer that lags was taken for a broken panel.
        ("queue_depth > 1000", "the comparison leaves none: queue_depth{} lies between 5 and 5"),
        (
            "rate(http_requests_total[5m]) / queue_depth",
            "the left has (code, instance, service), the right (__name__, service)",
        ),
        # thanos-io/promql-engine #130: that the series have a label le was taken for granted.
        (
            "histogram_quantile(0.9, sum by (service) (rate(latency_bucket[5m])))",
            "histogram_quantile needs the label le",
        ),
        ("http_request_total", "no metric is called 'http_request_total'. Did you mean"),
    ],
)
async def test_an_empty_answer_says_which_part_is_empty_and_why(
    prometheus: Prometheus, expression: str, why: str
) -> None:
    result = await ask(prometheus, expression)
    assert result.payload["count"] == 0
    assert why in " ".join(result.payload["notes"])
    assert why in result.summary


@pytest.mark.needs_prometheus
async def test_what_is_not_empty_is_not_explained(prometheus: Prometheus) -> None:
    for expression in ("rate(http_requests_total[1m])", "queue_depth > 1", "vector(1)"):
        result = await ask(prometheus, expression)
        assert result.payload["count"] > 0
        assert result.payload["notes"] == []


@pytest.mark.needs_prometheus
async def test_no_error_is_a_ratio_of_nothing_where_there_is_traffic(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    (tmp_path / "metrics.yaml").write_text(METRICS, encoding="utf-8")
    catalogue = Catalogue(load_metrics(tmp_path / "metrics.yaml"), {})
    told = await query_metric.function(
        prometheus, FakeClock(END), catalogue, FakeBaselines(), metric="error_ratio", window="30m"
    )
    assert [each["labels"]["service"] for each in told.payload["series"]] == ["api", "web"]
    assert [each["latest"] for each in told.payload["series"]] == [0.0, 0.0]
    # with errors it is what it was: the part of api that succeeded
    share = catalogue.metrics[next(iter(catalogue.metrics))].query.replace("5..", "2..")
    assert (await ask(prometheus, share)).payload["series"][0]["latest"] == pytest.approx(1.0)


@pytest.mark.needs_prometheus
@pytest.mark.parametrize("tool", ["query_metric", "query_promql"])
async def test_a_week_says_its_true_peak_and_when_it_was(
    prometheus: Prometheus, tmp_path: Path, tool: str
) -> None:
    """grafana #16388, grafana-dashboards-kubernetes #181: a wide window skips what is short."""
    (tmp_path / "metrics.yaml").write_text(METRICS, encoding="utf-8")
    catalogue = Catalogue(load_metrics(tmp_path / "metrics.yaml"), {})
    if tool == "query_metric":
        told = await query_metric.function(
            prometheus, FakeClock(END), catalogue, FakeBaselines(), metric="queue_depth",
            window="7d",
        )  # fmt: skip
    else:
        told = await ask(prometheus, "queue_depth", "7d")
    (row,) = told.payload["series"]
    assert (row["max"], row["min"], row["median"]) == (900, 5, 5)
    at = datetime.fromisoformat(row["max_at"].replace(" ", "T").removesuffix("Z") + "+00:00")
    assert abs(at - SPIKE) <= timedelta(minutes=10)
    assert "900" in told.summary


async def test_a_store_that_cannot_tell_extremes_says_how_coarse_they_are() -> None:
    metrics = FakeMetrics()
    times = (END.timestamp() - 600.0 * np.arange(1008, -1, -1)).tolist()
    metrics.put("queue_depth", {"service": "web"}, times, [5.0] * 1009)
    told = await ask(metrics, "queue_depth", "7d")
    assert "min and max are of one sample per 600 s" in told.summary


# ------------------------------------------------------------------------- dialects and names


@pytest.mark.needs_prometheus
async def test_another_stores_dialect_is_refused_where_the_store_does_not_read_it(
    prometheus: Prometheus,
) -> None:
    with pytest.raises(BadArgumentError, match="does not parse"):
        await ask(prometheus, "queue_depth default 0")


@pytest.mark.needs_victoriametrics
@pytest.mark.parametrize(
    "expression",
    ["orderbook_depth default 0", "sum(rate(orderbook_depth))", "increase(orderbook_depth[10i])"],
)
async def test_metricsql_is_taken_where_the_store_reads_it(victoria: str, expression: str) -> None:
    store = Prometheus(PrometheusConfig(url=victoria))
    try:
        result = await ask(store, expression)
    finally:
        await store.close()
    assert result.payload["count"] > 0


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with victoria_metrics(tmp_path_factory.mktemp("victoria")) as url:
        yield url


@pytest.mark.parametrize(
    "expression",
    ['{"http.requests_total"}', 'rate({"http.requests_total","service.name"="web"}[5m])'],
)
async def test_names_in_any_letters_are_read_as_they_are_written(expression: str) -> None:
    window = Window.ending(END, timedelta(hours=1))
    (selected,) = promql.check(expression, window, timedelta(minutes=1))
    assert selected.name == "http.requests_total"
    assert promql.check(selected.bare, window, timedelta(minutes=1))[0].name == selected.name


def test_a_catalogue_may_speak_the_dialect_of_its_store_when_it_says_so(tmp_path: Path) -> None:
    entry = "a:\n  m:\n    query: x default 0\n    unit: n\n    description: d\n"
    (tmp_path / "m.yaml").write_text(entry, encoding="utf-8")
    with pytest.raises(CatalogueError, match="write `dialect: metricsql` beside it"):
        load_metrics(tmp_path / "m.yaml")
    (tmp_path / "m.yaml").write_text(f"{entry}    dialect: metricsql\n", encoding="utf-8")
    assert load_metrics(tmp_path / "m.yaml")


# ------------------------------------------------------------------------- what a metric is

EXPOSED = """# TYPE db_pool_connections_count gauge
db_pool_connections_count 7
# TYPE jobs counter
jobs 12
# TYPE wait_seconds summary
wait_seconds_count 3
wait_seconds_sum 1.5
"""


@contextmanager
def exposing(text: str) -> Iterator[str]:
    """Serve an exposition on a free port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.needs_prometheus
async def test_what_the_stores_metadata_says_goes_before_a_name(tmp_path: Path) -> None:
    with exposing(EXPOSED) as target:
        config = "global: {scrape_interval: 1s}\nscrape_configs:\n"
        config += f"- {{job_name: app, static_configs: [{{targets: ['{target}']}}]}}\n"
        with running(tmp_path, config=config) as url:
            store = Prometheus(PrometheusConfig(url=url))
            async with asyncio.timeout(PATIENCE):
                while await store.about("db_pool_connections_count") is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            found = [
                a_series(n) for n in ("db_pool_connections_count", "jobs", "wait_seconds_count")
            ]
            told = " ".join(await promql.raw_counters(store, found))
            await store.close()
    assert "db_pool_connections_count" not in told
    assert "jobs is a counter" in told
    assert "wait_seconds_count is a counter" in told


def a_series(name: str, values: Callable[[int], float] = float) -> Series:
    times = END.timestamp() + 60.0 * np.arange(-1440, 0, dtype=np.float64)
    return Series(name, (), times, np.array([values(k) for k in range(1440)]), 60.0)


async def test_without_metadata_what_falls_again_and_again_is_no_counter() -> None:
    pool = a_series("db_pool_connections_count", lambda k: float(k % 4))
    real = a_series("http_requests_total", lambda k: float(k % 700))
    told = await promql.raw_counters(FakeMetrics(), [pool, real])
    assert [line.partition(" ")[0] for line in told] == ["http_requests_total"]


# ------------------------------------------------------------------------- native histograms


async def test_a_native_histogram_is_told_and_breaks_no_answer() -> None:
    buckets = {"count": "3", "sum": "1.5", "buckets": [[1, "0.1", "0.2", "3"]]}
    row = {"metric": {"__name__": "latency"}, "histograms": [[END.timestamp(), buckets]]}
    instant = {"metric": {"__name__": "latency"}, "histogram": [END.timestamp(), buckets]}

    def answer(request: httpx.Request) -> httpx.Response:
        ranged = request.url.path.endswith("query_range")
        kind, found = ("matrix", row) if ranged else ("vector", instant)
        data = {"resultType": kind, "result": [found]}
        return httpx.Response(200, json={"status": "success", "data": data})

    store = Prometheus(PrometheusConfig(url="http://p"), httpx.MockTransport(answer))
    found = await store.query_range("latency", Window.ending(END, timedelta(hours=1)))
    assert "native histograms" in " ".join(warnings_of(found))
    assert await store.query("latency", END) == []
    await store.close()
