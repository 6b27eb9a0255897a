"""PromQL that a model wrote: what it would cost is asked before it is sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.errors import BackendUnavailableError, BadArgumentError
from tools.observe import promql
from tools.observe.metrics import query_promql
from tools.ports import Reading
from tools.world import Labels, Series, Window

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOUR = Window(NOW - timedelta(hours=1), NOW)
STEP = timedelta(seconds=15)


@dataclass
class Sized(FakeMetrics):
    """A store that knows how many series a selector matches."""

    sizes: dict[str, float] = field(default_factory=dict)
    counted: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    ranged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        assert at == NOW
        self.counted.append(promql)
        size = self.sizes.get(promql.removeprefix("count(").removesuffix(")"))
        return [] if size is None else [((), size)]

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> Reading:
        self.ranged.append(promql)
        return Reading((), self.warnings)

    async def metric_names(self) -> list[str]:
        if self.broken is not None:
            raise self.broken
        return ["http_requests_total", "http_request_size_bytes", "up"]


async def ask(metrics: FakeMetrics, expression: str) -> Any:
    return await query_promql.function(metrics, FakeClock(NOW), expression)


@pytest.mark.parametrize(
    "selector",
    ['{job=~".*"}', '{job=~".+|x"}', '{__name__=~"(.+)"}', '{job!="x"}', '{job!~"x",a=~"[^y]+"}'],
)
def test_a_selector_that_leaves_out_nothing_is_refused(selector: str) -> None:
    with pytest.raises(BadArgumentError, match=r"every series|does not parse"):
        promql.check(f"sum({selector})", HOUR, STEP)


@pytest.mark.parametrize(
    "selector",
    ["up", 'up{job=~".*"}', '{job="a"}', '{__name__=~"http_.+"}', '{a="1" or b="2"}'],
)
def test_a_selector_that_names_something_passes(selector: str) -> None:
    assert len(promql.check(f"sum({selector})", HOUR, STEP)) == 1


async def test_what_would_read_too_many_samples_is_refused_with_the_worst_selector() -> None:
    metrics = Sized(sizes={'x{pod=~".*"}': 40_000, "y{}": 3})
    with pytest.raises(BadArgumentError) as caught:
        await ask(metrics, 'sum(rate(x{pod=~".*"}[5m])) / sum(y)')
    text = str(caught.value)
    assert "would read about 192,800,723 samples (limit 50,000,000)" in text
    assert 'x{pod=~".*"} alone matches 40,000 series' in text
    assert "add matchers such as service or namespace" in text
    assert metrics.ranged == []


async def test_a_subquery_multiplies_what_is_read() -> None:
    metrics = Sized(sizes={"x{}": 400})
    await ask(metrics, "max(rate(x[5m]))")
    with pytest.raises(BadArgumentError, match="samples"):
        await ask(metrics, "max_over_time(max(rate(x[5m]))[1h:30s])")
    assert metrics.ranged == ["max(rate(x[5m]))"]


async def test_each_different_selector_is_counted_once_without_offset() -> None:
    metrics = Sized(sizes={"x{}": 1})
    await ask(metrics, 'x + x offset 1h + y{a="say \\"hi\\"\\n"} @ 5')
    assert metrics.counted == ["count(x{})", 'count(y{a="say \\"hi\\"\\n"})']
    many = " + ".join(f"m{k}" for k in range(11))
    with pytest.raises(
        BadArgumentError, match=r"11 different selectors \(limit 10\); ask in parts"
    ):
        await ask(metrics, many)


async def test_a_metric_that_does_not_exist_is_told_with_the_nearest_name() -> None:
    result = await ask(Sized(), "sum(rate(http_request_total[5m]))")
    assert (
        "NOTE: no metric is called 'http_request_total'. Did you mean 'http_requests_total'?"
        in (result.summary)
    )
    silent = Sized()
    silent.broken = BackendUnavailableError("prometheus", "away")
    assert "NOTE" not in (await ask(silent, "sum(nothing)")).summary


async def test_what_is_said_with_an_answer_stands_in_the_summary_and_the_evidence() -> None:
    result = await ask(Sized(warnings=("prometheus warns: half of it",)), "up")
    assert "NOTE: prometheus warns: half of it" in result.summary.splitlines()
    assert result.payload["notes"] == ["prometheus warns: half of it"]


async def test_a_counter_read_as_it_is_stored_is_told_with_its_resets() -> None:
    values = np.array([1.0, 5.0, np.nan, 2.0, 3.0, 1.0])
    times = NOW.timestamp() + 15.0 * np.arange(-5, 1, dtype=np.float64)
    raw = Series("orders_total", (("pod", "a"),), times, values, 15.0)
    rate = Series("rate(orders_total[5m])", (), times, values, 15.0)
    told = (
        "orders_total is a counter: it only rises, and began anew 4 times in the window; "
        "read rate(orders_total[5m]) instead"
    )
    assert await promql.raw_counters(FakeMetrics(), [raw, raw, rate]) == [told]
    result = await ask(FakeMetrics({"orders_total": [raw, raw]}), "orders_total")
    assert "began anew" in result.summary


def test_a_reading_keeps_each_warning_once() -> None:
    empty: list[Series] = []
    assert Reading(empty, ["a", "b", "a"]).warnings == ("a", "b")
