"""The deterministic investigator looks at traces where latency is abnormal, and only there."""

from __future__ import annotations

import pytest

from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.investigation.investigator.intent import Intent, Kind
from bot.core.investigation.investigator.investigator import Investigator
from bot.core.investigation.recorder import Recorder
from bot.domain.secrets.redaction import Redactor
from tests.fakes.baselines import FakeBaselines
from tests.fakes.changes import FakeChanges
from tests.fakes.thread import FakeThread
from tests.fakes.workers import InlineWorkers
from tests.fixtures.nouns import a_run
from tests.fixtures.profile import trading_catalogue
from tests.sandboxed import Platform
from tools.analysis.detect import DetectorSettings
from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.tempo import Tempo
from tools.backends.tracing import TracingConfig
from tools.contract import Toolbox
from tools.observe.anomalies import detect_anomalies
from tools.observe.cluster import recent_changes
from tools.observe.metrics import query_metric
from tools.observe.traces import query_traces
from tools.ports import Baselines, Changes, Clock, Metrics, Traces, Workers
from tools.world import Catalogue, Change, ChangeKind, MetricName, ServiceName, Window

CATALOGUE = trading_catalogue()
TOOLS = (query_metric, detect_anomalies, recent_changes, query_traces)


async def asked(outside: Platform, *, traced: bool) -> tuple[Diagnosis, Recorder]:
    """Ask why order latency is up, with what the sandbox shows now."""
    now = outside.clock.now()
    prometheus = Prometheus(PrometheusConfig(url=outside.prometheus_url))
    tempo = Tempo(TracingConfig(url=outside.tempo_url))
    deploy = Change(
        outside.clock.now().replace(minute=0),
        ChangeKind.DEPLOY,
        "order-api",
        "order-api 2.14.0",
    )
    ports: dict[type, object] = {
        Metrics: prometheus,
        Clock: outside.clock,
        Catalogue: CATALOGUE,
        Workers: InlineWorkers(),
        Baselines: FakeBaselines(),
        DetectorSettings: DetectorSettings(),
        Changes: FakeChanges([deploy]),
    }
    if traced:
        ports[Traces] = tempo
    kept, run = FakeThread(), a_run()
    recorder = Recorder(kept, kept, Toolbox(TOOLS, ports), Redactor(), run, kept)  # type: ignore[arg-type]
    intent = Intent(
        Kind.WHY,
        (ServiceName("order-api"),),
        (MetricName("order_latency_p99"),),
        Window(now.replace(minute=0), now),
        explicit_window=False,
    )
    diagnosis = await Investigator(lambda: CATALOGUE).investigate(
        intent, "why is it slow?", recorder
    )
    await prometheus.close()
    await tempo.close()
    return diagnosis, recorder


@pytest.mark.parametrize("traced", [True, False])
async def test_slow_traces_are_evidence_for_the_bad_deploy(outside: Platform, traced: bool) -> None:
    outside.tell("bad_deploy")
    outside.advance(600)
    diagnosis, recorder = await asked(outside, traced=traced)
    first = diagnosis.causes[0]
    assert (first.service, first.kind) == ("order-api", "deploy")
    spoken = [reason for reason in first.reasons if "own work in “order transaction”" in reason]
    assert bool(spoken) is traced
    if traced:
        (evidence,) = [e for e in recorder.evidence if e.tool == "query_traces"]
        assert evidence.id in first.evidence
        assert recorder.index.untraced(spoken[0]) == []


async def test_a_healthy_platform_is_not_asked_for_traces(outside: Platform) -> None:
    outside.advance(60)
    diagnosis, recorder = await asked(outside, traced=True)
    assert diagnosis.causes == ()
    assert "query_traces" not in [e.tool for e in recorder.evidence]
