"""Whatever backend is down, every tool answers with a sentence: which one, and what to do next.

Tools and their arguments are discovered from the catalogue, so that a new tool is tested by itself.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.core.investigation.recorder import Recorder, for_model
from bot.domain.secrets.redaction import Redactor
from tests.fakes.baselines import FakeBaselines
from tests.fakes.changes import FakeChanges
from tests.fakes.clock import FakeClock
from tests.fakes.thread import FakeThread
from tests.fakes.workers import InlineWorkers
from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.loopback import says, serving
from tests.fixtures.nouns import a_run
from tests.fixtures.profile import trading_catalogue
from tools import tokens
from tools.analysis.detect import DetectorSettings
from tools.backends.changes import ClusterChanges
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.reader import KubernetesReader
from tools.backends.loki import Loki, LokiConfig
from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.tempo import Tempo
from tools.backends.tracing import TracingConfig
from tools.catalog import ALL
from tools.contract import Risk, Tool, Toolbox
from tools.ports import (
    AlertFeed,
    Baselines,
    Changes,
    Clock,
    Cluster,
    EvidenceShelf,
    History,
    Logs,
    Metrics,
    PlanDesk,
    Traces,
    Workers,
)
from tools.world import Catalogue

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
REMOTE: dict[type, str] = {
    Metrics: "prometheus",
    Logs: "loki",
    Cluster: "kubernetes",
    Changes: "kubernetes",
    Traces: "tempo",
}
ARGUMENTS = {
    "metric": "order_latency_p99", "service": "order-api", "expression": "up", "kind": "deploy",
}  # fmt: skip
ASKING = [tool for tool in ALL if REMOTE.keys() & set(tool.injected.values())]
NEXT_STEP = re.compile(r"check that|ask again|set |is right|is running|look at|raise |point")


PAGE = "<html><body><h1>Service temporarily unavailable</h1></body></html>"


@pytest.fixture
async def page() -> AsyncIterator[str]:
    """A proxy's error page where an API should be."""
    async with serving(says(PAGE)) as url:
        yield url


@pytest.fixture(params=["nobody listens", "an error page answers"])
async def ports(
    request: pytest.FixtureRequest, page: str, tmp_path: Path
) -> AsyncIterator[dict[type, object]]:
    """The real adapters of every backend, all of them down."""
    url = page if request.param == "an error page answers" else "http://127.0.0.1:9"
    once: dict[str, Any] = {"url": url, "retry_attempts": 1, "timeout_seconds": 5}
    kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", url)
    catalogue = trading_catalogue()
    cluster = KubernetesReader(KubernetesConfig(kubeconfig=kubeconfig))
    opened: list[Any] = [
        Prometheus(PrometheusConfig(**once)),
        Loki(LokiConfig(**once)),
        Tempo(TracingConfig(**once)),
        cluster,
    ]
    yield {
        Metrics: opened[0],
        Logs: opened[1],
        Traces: opened[2],
        Cluster: cluster,
        Changes: ClusterChanges(cluster, catalogue, FakeChanges().recent),
        Clock: FakeClock(NOW),
        Catalogue: catalogue,
        Baselines: FakeBaselines(),
        Workers: InlineWorkers(),
        DetectorSettings: DetectorSettings(),
    }
    for each in opened:
        await each.close()


def arguments_of(tool: Tool) -> dict[str, str]:
    """Return a value for each argument that needs one, and the service wherever one is taken."""
    wanted = [name for name, field in tool.arguments.model_fields.items() if field.is_required()]
    wanted += [name for name in tool.arguments.model_fields if name == "service"]
    missing = [name for name in wanted if name not in ARGUMENTS]
    assert not missing, f"{tool.name}: name a value for {missing} in ARGUMENTS above"
    return {name: ARGUMENTS[name] for name in wanted}


@pytest.mark.parametrize("tool", ASKING, ids=lambda tool: tool.name)
async def test_a_tool_whose_backend_is_down_says_which_and_what_to_do(
    tool: Tool, ports: dict[type, object]
) -> None:
    kept, run = FakeThread(), a_run()
    recorder = Recorder(kept, kept, Toolbox(ALL, ports), Redactor(), run, kept)  # type: ignore[arg-type]
    called = await recorder.call(tool.name, arguments_of(tool))
    told = for_model(called.evidence)
    backends = {REMOTE[kind] for kind in tool.injected.values() if kind in REMOTE}
    assert any(name in told for name in backends), told
    assert NEXT_STEP.search(told), told
    assert "Traceback" not in told
    assert "bug of ours" not in told
    assert tokens.estimate(told) < 400
    if called.result is None:
        assert tool.name in recorder.gaps


def test_every_tool_is_asked_here_or_asks_no_backend() -> None:
    local = {AlertFeed, EvidenceShelf, History, PlanDesk, Clock, Catalogue, Workers, Baselines}
    others = [tool for tool in ALL if tool not in ASKING]
    assert {kind for tool in others for kind in tool.injected.values()} <= local
    assert len(ASKING) >= 10
    assert all(tool.risk is Risk.READ for tool in ASKING)
