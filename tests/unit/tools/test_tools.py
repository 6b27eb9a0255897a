from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.baselines import FakeBaselines
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fakes.logs import FakeLogs
from tests.fakes.metrics import FakeMetrics
from tests.fakes.plan_desk import FakePlanDesk
from tests.fakes.workers import InlineWorkers
from tests.fixtures.profile import trading_catalogue
from tools.analysis.detect import DetectorSettings
from tools.catalog import ALL
from tools.contract import Risk, Toolbox
from tools.errors import BadArgumentError, NotFoundError
from tools.metrics_and_services import CatalogueError, load_metrics, load_services
from tools.observe import promql
from tools.observe.asking import duration_of
from tools.observe.figures import show
from tools.ports import Baselines, Changes, Clock, Logs, Metrics, PlanDesk, Workers
from tools.world import (
    Catalogue,
    LogLine,
    ModelData,
    Window,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def catalogue() -> Catalogue:
    return trading_catalogue()


@pytest.fixture
def metrics(catalogue: Catalogue) -> FakeMetrics:
    fake = FakeMetrics()
    times = [NOW.timestamp() - 60.0 * k for k in range(7 * 1440, -1, -1)]
    for spec in catalogue.metrics.values():
        fake.series[spec.query] = []
    values = [0.15 + 0.01 * (k % 7) for k in range(len(times))]
    values[-10:] = [0.9] * 10
    query = catalogue.metrics["order_latency_p99"].query  # type: ignore[index]
    fake.put(query, {"service": "order-api"}, times, values)
    return fake


@pytest.fixture
def box(catalogue: Catalogue, metrics: FakeMetrics) -> Toolbox:
    lines = [
        LogLine(NOW - timedelta(seconds=k), "order-api", f"timeout calling ledger n={k}", "error")
        for k in range(1, 60)
    ]
    ports: dict[type, Any] = {
        Metrics: metrics,
        Logs: FakeLogs(lines),
        Clock: FakeClock(NOW),
        Catalogue: catalogue,
        Baselines: FakeBaselines(),
        Workers: InlineWorkers(),
        DetectorSettings: DetectorSettings(),
        Changes: FakeChanges(),
        PlanDesk: FakePlanDesk("scale-out"),
    }
    return Toolbox(ALL, ports)


def test_no_tool_can_do_more_than_read_or_propose() -> None:
    proposing = {tool.name for tool in ALL if tool.risk is Risk.PROPOSE}
    assert proposing == {"propose_plan", "run_playbook"}
    assert not [t for t in ALL for kind in t.injected.values() if "Actor" in kind.__name__]


async def test_a_metric_is_summarised_with_its_extremes_and_its_change(box: Toolbox) -> None:
    asked = {"metric": "order_latency_p99", "service": "orders", "window": "30m"}
    result = await box.call("query_metric", asked)
    assert "latest 900 ms" in result.summary
    assert "max 900 ms at 2026-11-20T11:51:00Z" in result.summary
    assert result.payload["series"][0]["shown"]["latest"] == "900 ms"
    assert len(result.payload["series"][0]["sketch"]) <= 40
    assert result.series[0].values[-1] == 0.9
    assert result.query


async def test_a_metric_without_the_service_names_the_services_that_have_it(box: Toolbox) -> None:
    with pytest.raises(NotFoundError, match="order-api"):
        await box.call("query_metric", {"metric": "order_latency_p99", "service": "ledger"})


async def test_a_typo_in_a_name_is_answered_with_the_nearest_one(box: Toolbox) -> None:
    with pytest.raises(NotFoundError, match="order_latency_p99"):
        await box.call("query_metric", {"metric": "order_latency_p9"})


async def test_an_abnormal_series_is_found_live_and_in_the_past(box: Toolbox) -> None:
    live = await box.call("detect_anomalies", {"service": "order-api"})
    assert live.payload["abnormal"] == 1
    assert "order_latency_p99 of order-api: 900 ms" in live.summary
    past = await box.call("detect_anomalies", {"service": "order-api", "window": "12h"})
    assert past.payload["spans"][0]["metric"] == "order_latency_p99"
    assert past.payload["spans"][0]["observed"] == 0.9


async def test_no_data_is_neither_healthy_nor_abnormal(box: Toolbox) -> None:
    result = await box.call("detect_anomalies", {"service": "kafka"})
    assert "neither healthy nor abnormal" in result.summary


async def test_log_patterns_lead_with_what_is_new(box: Toolbox) -> None:
    result = await box.call("log_patterns", {"service": "order-api", "window": "15m"})
    assert result.payload["bursts"][0]["is_new"]
    assert "timeout calling ledger" in result.summary


async def test_a_proposal_only_reaches_the_desk(box: Toolbox) -> None:
    asked = {
        "playbook_id": "scale-out",
        "service": "orders",
        "reason": "load [E1]",
        "parameters": [{"name": "replicas", "value": "6"}],
    }
    result = await box.call("run_playbook", asked)
    assert result.payload["plan_id"] == "PLAN-1"
    assert result.payload["draft"]["service"] == "order-api"
    assert result.payload["draft"]["parameters"] == {"replicas": "6"}


async def test_every_summary_stays_within_its_budget(box: Toolbox) -> None:
    for name in ("query_metric", "list_metrics", "service_map", "detect_anomalies", "search_logs"):
        asked = {"metric": "order_latency_p99"} if name == "query_metric" else {}
        assert len((await box.call(name, asked)).summary) < 4_000 * 3


@pytest.mark.parametrize("text", ["", "abc", "-1h", "90d", "1x", "0m"])
def test_a_window_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(BadArgumentError, match="window"):
        duration_of(text)


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("sum(rate(x)", "does not parse"),
        ('{__name__=~".+"}', "every series"),
        ("sum(rate(x[30d]))", "longer than 7 days"),
        ("max_over_time(rate(x[1h])[7d:15s])", "would read"),
    ],
)
def test_costly_or_broken_promql_is_refused_with_advice(expression: str, why: str) -> None:
    with pytest.raises(BadArgumentError, match=why):
        promql.check(expression, Window(NOW - timedelta(hours=1), NOW), timedelta(seconds=15))


def test_figures_are_shown_in_the_units_people_use() -> None:
    assert [show(0.24, "seconds"), show(0.031, "ratio"), show(3 * 2**30, "bytes")] == [
        "240 ms", "3.1 %", "3 GiB",
    ]  # fmt: skip
    assert show(float("nan"), "seconds") == "no data"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: {m: {query: up, unit: s, descripton: x}}", "m.yaml:1:29: unknown key 'descripton'"),
        ("a: {m: {query: 'sum(', unit: s, description: x}}", "1:9: query 'sum\\('.*PromQL"),
        ("a:\n  m: {query: up, unit: s}", "2:3: a.m needs 'description'"),
        ("a:\n  m: {query: [", "not YAML"),
    ],
)
def test_a_wrong_metric_file_is_named_to_the_column(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "m.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=complaint):
        load_metrics(tmp_path / "m.yaml")


def test_a_dependency_that_is_no_service_is_named(tmp_path: Path) -> None:
    text = "shop: {namespace: n}\nweb: {namespace: n, dependencies: [shpo]}"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError, match=r"s.yaml:2:36: .*'shpo'.*Did you mean 'shop'"):
        load_services(tmp_path / "s.yaml")


def test_a_service_says_how_much_a_model_may_read_or_all_of_them_do(tmp_path: Path) -> None:
    text = "shop: {namespace: n}\nvault: {namespace: n, model_data: nothing}"
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    read = load_services(tmp_path / "s.yaml")
    assert [s.model_data for s in read.values()] == [ModelData.ALL, ModelData.NOTHING]
    read = load_services(tmp_path / "s.yaml", model_data=ModelData.FIGURES)
    assert [s.model_data for s in read.values()] == [ModelData.FIGURES, ModelData.NOTHING]


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ("model_data: figure", r"s.yaml:1:22: model_data 'figure'.*Did you mean 'figures'"),
        ("model_data: 0", r"s.yaml:1:22: model_data '?0'?.*'all', 'figures' or 'nothing'"),
        ("model_dat: all", r"unknown key 'model_dat'.*Did you mean 'model_data'"),
        ("mode: observer", r"mode 'observer'.*Did you mean 'observe'"),
    ],
)
def test_a_word_that_is_none_of_a_services_words_is_named_with_the_nearest(
    tmp_path: Path, said: str, complaint: str
) -> None:
    (tmp_path / "s.yaml").write_text(f"shop: {{namespace: n, {said}}}", encoding="utf-8")
    with pytest.raises(CatalogueError, match=complaint):
        load_services(tmp_path / "s.yaml")


async def test_a_summary_says_what_a_tired_reader_would_have_to_work_out(
    box: Toolbox, metrics: FakeMetrics, catalogue: Catalogue
) -> None:
    asked = {"metric": "order_latency_p99", "window": "30m"}
    told = (await box.call("query_metric", asked)).summary
    assert "one sample per 60 s" in told
    assert "limit 500 ms, CROSSED now" in told
    assert "course in seconds, 2026-11-20T11:30:00Z" in told
    times = [NOW.timestamp() - 60.0 * k for k in range(180, -1, -1)]
    restarts = catalogue.metrics["pod_restarts"].query  # type: ignore[index]
    metrics.put(restarts, {"service": "kafka"}, times, [0.0] * 181)
    metrics.put(restarts, {"service": "ledger"}, times, [0.0] * 180 + [3.0])
    head, ledger, course, kafka = (
        await box.call("query_metric", {"metric": "pod_restarts"})
    ).summary.splitlines()
    assert head.startswith("pod_restarts (Container restarts in the last 30 minutes; restarts), ")
    assert "the median of the hour before the window was 0 restarts" in ledger
    assert course.startswith("  course in restarts, ")
    assert kafka == "- kafka: 0 restarts throughout; limit 1 restarts"


async def test_a_search_that_was_cut_says_so(box: Toolbox) -> None:
    lines = [LogLine(NOW - timedelta(seconds=k), "ledger", f"n={k}", "info") for k in range(1, 300)]
    more = FakeLogs(lines)
    ports = {**box._ports, Logs: more}
    told = (await Toolbox(ALL, ports).call("search_logs", {"service": "ledger"})).summary
    assert told.startswith("200+ lines, 2026-11-20T11:00:00Z to 2026-11-20T12:00:00Z, for ")
    assert "more lines match: these are the newest" in told
    assert "… 175 more" in told
