"""A catalogue that groups by `app` names its services wherever one by `service` does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.core.investigation.investigator.answer_text import compose
from bot.core.investigation.investigator.diagnosis import Diagnosis, Observed
from bot.core.investigation.investigator.intent import parse
from bot.core.reports.breach_forecasts import foresee
from bot.locale import Texts
from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workers import InlineWorkers
from tests.unit.analysis.test_rca import rank_causes
from tools.analysis.detect import DetectorSettings
from tools.analysis.symptoms import SeenVerdict, Symptoms
from tools.catalog import ALL
from tools.contract import Toolbox
from tools.ports import Baselines, Clock, Metrics, Workers
from tools.world import (
    Catalogue,
    Forecast,
    MetricName,
    MetricRole,
    MetricSpec,
    ServiceName,
    ServiceSpec,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HEAP = MetricSpec(
    MetricName("heap"),
    "jvm",
    "heap",
    "ratio",
    "Heap",
    threshold=0.8,
    group_by="app",
    role=MetricRole.SATURATION,
    resource="memory",
)
CATALOGUE = Catalogue(
    {HEAP.name: HEAP},
    {ServiceName("till"): ServiceSpec(ServiceName("till"), "shop", (), aliases=("cash",))},
)


@pytest.fixture(scope="module")
def metrics() -> FakeMetrics:
    fake = FakeMetrics()
    times = [NOW.timestamp() - 60.0 * k for k in range(2 * 1440, -1, -1)]
    rising = [0.2 + 0.58 * k / len(times) for k in range(len(times))]
    rising[-10:] = [0.95] * 10
    fake.put("heap", {"app": "till", "pod": "till-1"}, times, rising)
    fake.put("heap", {"app": "other"}, times, [0.1] * len(times))
    return fake


async def asked(metrics: FakeMetrics, tool: str, **arguments: Any) -> Any:
    ports: dict[type, Any] = {
        Metrics: metrics,
        Clock: FakeClock(NOW),
        Catalogue: CATALOGUE,
        Baselines: FakeBaselines(),
        Workers: InlineWorkers(),
        DetectorSettings: DetectorSettings(),
    }
    return await Toolbox(ALL, ports).call(tool, arguments)


async def test_the_tools_find_a_service_by_its_label_and_name_it(metrics: FakeMetrics) -> None:
    measured = await asked(metrics, "query_metric", metric="heap", service="cash")
    assert [row["labels"]["app"] for row in measured.payload["series"]] == ["till"]
    assert "- till: latest 95 %" in measured.summary
    judged = await asked(metrics, "detect_anomalies", service="till")
    assert [v.service for v in judged.value] == ["till"]
    assert "heap of till: 95 %" in judged.summary
    past = await asked(metrics, "detect_anomalies", window="24h")
    assert {row["who"] for row in past.payload["spans"]} <= {"till", "other"}
    ahead = await asked(metrics, "forecast_metric", metric="heap", service="till")
    assert "forecast of heap for till" in ahead.summary


async def test_causes_answers_and_forecasts_name_it(metrics: FakeMetrics) -> None:
    judged = await asked(metrics, "detect_anomalies", service="till")
    seen = SeenVerdict(judged.value[0], "E1", HEAP)
    causes = rank_causes(Symptoms([seen]))
    assert {cause.service for cause in causes} == {"till"}
    (predicted,) = (await asked(metrics, "forecast_metric", metric="heap", service="till")).value
    assert isinstance(predicted, Forecast)
    calm = replace(seen.verdict, anomalous=False, deviation_sigma=0.0)
    observed = Observed(
        verdicts=[SeenVerdict(calm, "E1", HEAP)], forecasts=[(predicted, "E2")], checked=1
    )
    intent = parse("will heap of till run out?", CATALOGUE, NOW)
    answer, _ = compose(Diagnosis(intent, observed, ()), CATALOGUE, Texts("en"), {})
    assert "heap of till" in answer
    (till, _) = metrics.series["heap"]
    rising = replace(till, times=till.times[:-10], values=till.values[:-10])
    assert [breach.metric for breach in foresee([rising], HEAP)] == ["heap of till"]
