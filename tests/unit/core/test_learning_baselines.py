"""Baselines are relearned when due, in portions, and never from what was known to be bad."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from bot.core.detection.exceptions import exceptions_in
from bot.core.detection.learning import AT_ONCE, Learner, LearningConfig
from bot.domain.anomaly import acknowledge, mark_false_alarm, observe, open_anomaly
from bot.domain.ids import AnomalyId, UserId
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workers import InlineWorkers, MortalWorkers
from tests.fixtures.nouns import a_finding, a_verdict
from tools.analysis.known_bad import BadSpan, without
from tools.errors import AnswerTooLargeError
from tools.ports import PartedReading
from tools.world import (
    Catalogue,
    Change,
    ChangeKind,
    MetricName,
    MetricSpec,
    Series,
    ServiceName,
    Window,
)

DAYS = 10
SPECS = {
    MetricName(name): MetricSpec(MetricName(name), "api", name, "ratio", name)
    for name in ("errors", "latency")
}
CATALOGUE = Catalogue(SPECS, {})
DAY = timedelta(days=1)


class History(FakeMetrics):
    """Ten days of series by the quarter of an hour."""

    def __init__(self, clock: FakeClock, series: int = 1) -> None:
        super().__init__()
        end = clock.now().timestamp()
        times = (end - 900.0 * np.arange(DAYS * 96 - 1, -1, -1)).tolist()
        for name in SPECS:
            for number in range(series):
                self.put(
                    name, {"service": f"s{number}"}, times, np.sin(np.array(times) / 9e3).tolist()
                )


def learner_of(
    store: SqlStore, clock: FakeClock, metrics: FakeMetrics, workers: InlineWorkers | None = None
) -> Learner:
    return Learner(
        store,
        clock,
        metrics,
        workers or InlineWorkers(),
        lambda: CATALOGUE,
        LearningConfig(),
        Redactor(),
    )


async def test_only_metrics_whose_baselines_are_old_or_missing_are_read(store: SqlStore) -> None:
    clock = FakeClock()
    metrics = History(clock)
    learner = learner_of(store, clock, metrics)
    report = await learner.run({MetricName("errors")})
    assert report.learned == 1
    clock.advance(timedelta(hours=2))
    due = await learner.run_due()
    assert due is not None
    assert metrics.asked == ["errors", "latency"]
    assert await learner.run_due() is None
    clock.advance(timedelta(hours=23))
    await learner.run_due()
    assert metrics.asked == ["errors", "latency", "errors"]


async def test_a_metric_that_teaches_nothing_is_tried_again_after_an_hour(store: SqlStore) -> None:
    clock = FakeClock()
    metrics = FakeMetrics({"errors": [], "latency": []})
    learner = learner_of(store, clock, metrics)
    await learner.run_due()
    assert await learner.run_due() is None
    clock.advance(timedelta(hours=1))
    await learner.run_due()
    assert len(metrics.asked) == 4


async def test_what_was_learned_before_a_kill_is_kept(store: SqlStore) -> None:
    clock = FakeClock()
    metrics = History(clock, series=AT_ONCE + 1)

    class DiesAfterOne(MortalWorkers):
        async def run(self, function: Any, *args: Any) -> Any:
            self.dies_in = {"learn_all"} if "learn_all" in self.ran else set()
            return await super().run(function, *args)

    report = await learner_of(store, clock, metrics, DiesAfterOne()).run({MetricName("errors")})
    assert report.learned == AT_ONCE
    async with store.begin() as tx:
        assert (await tx.baselines.learned())[MetricName("errors")].series == AT_ONCE


async def test_a_metric_of_many_series_is_learned_in_parts(store: SqlStore) -> None:
    clock = FakeClock()

    class Large(History):
        async def query_range(
            self, promql: str, window: Window, step: timedelta | None = None
        ) -> list[Series]:
            raise AnswerTooLargeError("prometheus", "too many series")

        async def query_range_in_parts(
            self, promql: str, _label: str, window: Window, step: timedelta
        ) -> PartedReading:
            return PartedReading(await History.query_range(self, promql, window, step))

    report = await learner_of(store, clock, Large(clock, series=3)).run()
    assert (report.learned, report.failed) == (6, ())


# ------------------------------------------------------------------------------ known to be bad


def ten_days(values: Sequence[float] | None = None) -> Series:
    clock = FakeClock()
    (series,) = History(clock).series["errors"]
    return series if values is None else replace(series, values=np.array(values))


def span(begin: int, end: int) -> BadSpan:
    series = ten_days()
    return BadSpan(series.at(begin), series.at(end))


def test_what_is_known_to_be_bad_counts_as_missing() -> None:
    series = without(ten_days(), [span(10, 19), span(15, 24)])
    assert np.flatnonzero(np.isnan(series.values)).tolist() == list(range(10, 25))


def test_what_fills_more_than_a_quarter_of_the_past_is_no_exception() -> None:
    series = ten_days()
    assert without(series, [span(0, series.values.size // 3)]) is series


@pytest.mark.parametrize("poison", [3, 30])
def test_an_incident_does_not_become_normal(poison: int) -> None:
    from tools.analysis.baseline import learn

    series = ten_days()
    values = series.values.copy()
    bad = [
        BadSpan(series.at(96 * day + 40), series.at(96 * day + 40 + poison)) for day in (7, 8, 9)
    ]
    for each in bad:
        first = int(np.searchsorted(series.times, each.start.timestamp()))
        values[first : first + poison + 1] += 50.0
    ill = replace(series, values=values)
    healthy, poisoned, mended = learn(series), learn(ill), learn(without(ill, bad))
    assert healthy is not None
    assert poisoned is not None
    assert mended is not None
    far = np.abs(poisoned.profile - healthy.profile).max()
    assert np.abs(mended.profile - healthy.profile).max() < max(0.2, far / 20)


async def test_incidents_anomalies_deploys_and_holidays_are_exceptions(store: SqlStore) -> None:
    now = FakeClock().now()
    window = Window(now - 10 * DAY, now)
    verdict = replace(a_verdict(), at=now - DAY, started_at=now - DAY)
    quiet = replace(verdict, at=now - DAY / 2, anomalous=False)
    over = observe(open_anomaly(AnomalyId("ANO-1"), "api", verdict), quiet)
    new = open_anomaly(AnomalyId("ANO-2"), "api", replace(verdict, metric=MetricName("new")))
    taken = acknowledge(
        open_anomaly(AnomalyId("ANO-3"), "api", replace(verdict, metric=MetricName("taken"))),
        UserId("U1"),
        now,
    )
    false = mark_false_alarm(
        open_anomaly(AnomalyId("ANO-4"), "api", replace(verdict, metric=MetricName("false"))),
        UserId("U1"),
        now,
    )
    finding = replace(a_finding(), opened_at=now - 3 * DAY, resolved_at=now - 2 * DAY)
    change = Change(now - 4 * DAY, ChangeKind.DEPLOY, "courier", "v2")
    async with store.begin() as tx:
        for anomaly in (over, new, taken, false):
            await tx.anomalies.save(anomaly)
        await tx.findings.save(finding)
        await tx.changes.add(change, "one")
        known = await exceptions_in(tx, window, [date(2026, 11, 15)], "Europe/Zurich")
    nobody, labels = ServiceName("nobody"), verdict.labels
    (holiday,) = known.of("x", (), nobody)
    assert (holiday.start.isoformat(), (holiday.end - holiday.start)) == (
        "2026-11-15T00:00:00+01:00",
        DAY,
    )
    assert known.of(verdict.metric, labels, nobody)[1] == BadSpan(now - DAY, quiet.at)
    assert len(known.of("new", labels, nobody)) == 1  # it may be the new normal
    assert known.of("taken", labels, nobody)[1].end == now
    assert len(known.of("false", labels, nobody)) == 1
    assert known.of("x", (), finding.service)[1].end == now - 2 * DAY
    assert known.of("x", (), ServiceName("courier"))[1].start == now - 4 * DAY
