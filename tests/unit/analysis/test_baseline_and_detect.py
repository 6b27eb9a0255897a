"""Learning what is normal, and saying what is not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from tools.analysis import forest
from tools.analysis.baseline import DAY, expected, learn
from tools.analysis.detect import DetectorSettings, score_service
from tools.analysis.normalise import normalise
from tools.analysis.scan import scan
from tools.errors import BadArgumentError
from tools.world import (
    Baseline,
    Direction,
    Floats,
    MetricName,
    MetricSpec,
    Series,
    Severity,
    Verdict,
    labels_of,
)

MONDAY = 1_789_948_800.0  # 2026-09-21 00:00 UTC
LATENCY = MetricSpec(MetricName("order_latency_p99"), "trading", "q", "s", "d")
LABELS = labels_of({"service": "order-api"})


def rhythm(times: Floats) -> Floats:
    weekend = (np.floor(times / DAY).astype(int) + 3) % 7 >= 5
    return 0.1 + 0.03 * np.sin(2 * np.pi * times / DAY) - 0.02 * weekend


def series_of(times: Floats, values: Floats, metric: str = "order_latency_p99") -> Series:
    return normalise(times, values, metric=metric, labels=LABELS, unit="s").series


@cache
def history(days: float = 15.0, step: float = 300.0, seed: int = 3) -> Series:
    times = np.arange(MONDAY - days * DAY, MONDAY, step)
    noise = np.random.default_rng(seed).normal(0, 0.004, times.size)
    return series_of(times, rhythm(times) + noise)


@cache
def baseline() -> Baseline:
    learned = learn(history())
    assert learned is not None
    return learned


def recent(
    hours: float = 3.0,
    seed: int = 11,
    noise: float = 0.004,
    lift: float = 0.0,
    since_minutes: int = 0,
) -> Series:
    times = np.arange(MONDAY, MONDAY + hours * 3600, 60.0)
    values = rhythm(times) + np.random.default_rng(seed).normal(0, noise, times.size)
    if since_minutes:
        values[-since_minutes:] += lift
    return series_of(times, values)


def newest(series: Series, learned: Baseline | None, spec: MetricSpec) -> Verdict | None:
    """Judge one series as the cycle judges a service that has no other."""
    verdicts = score_service([(series, learned, spec)])
    return verdicts[0] if verdicts else None


def test_a_baseline_knows_the_day_and_the_weekend() -> None:
    times = np.arange(MONDAY, MONDAY + 7 * DAY, 1800.0)
    center, scale = expected(baseline(), times)
    assert np.abs(center - rhythm(times)).max() < 0.012
    assert 0.003 < scale.mean() < 0.008
    assert baseline().quality > 0.8


def test_less_history_than_wanted_gives_no_baseline() -> None:
    assert learn(history(days=6.0)) is None
    assert learn(history(days=6.0), min_history_days=5) is not None
    assert learn(series_of(np.empty(0), np.empty(0))) is None


def test_a_flat_history_has_a_spread_that_is_not_zero() -> None:
    times = np.arange(MONDAY - 8 * DAY, MONDAY, 900.0)
    learned = learn(series_of(times, np.full(times.size, 5.0)))
    assert learned is not None
    assert learned.spread.min() > 0
    now = series_of(np.arange(MONDAY, MONDAY + 3600, 60.0), np.full(60, 5.0))
    verdict = newest(now, learned, LATENCY)
    assert verdict is not None
    assert not verdict.anomalous


def test_an_outage_in_the_history_does_not_become_normal() -> None:
    times = history().times
    values = history().values.copy()
    values[2000:2040] = 4.0  # more than three hours at forty times the usual
    learned = learn(replace(history(), values=values))
    assert learned is not None
    center, scale = expected(learned, times[-288:])
    assert np.abs(center - rhythm(times[-288:])).max() < 0.015
    assert scale.max() < 0.02


def test_a_history_with_holes_still_teaches() -> None:
    values = history().values.copy()
    values[500:900] = np.nan
    learned = learn(replace(history(), values=values))
    assert learned is not None
    assert not np.isnan(learned.profile).any()
    assert learned.quality < baseline().quality


def test_a_sixfold_latency_is_critical_and_its_start_is_found() -> None:
    now = recent(lift=0.4, since_minutes=10)
    verdict = newest(now, baseline(), LATENCY)
    assert verdict is not None
    assert verdict.anomalous
    assert verdict.severity is Severity.CRITICAL
    assert verdict.method == "baseline"
    assert verdict.service == "order-api"
    assert verdict.deviation_sigma > 10
    began = verdict.started_at.timestamp()
    assert abs(began - now.times[-10]) <= 60
    assert {vote.algorithm for vote in verdict.votes} == {"zscore", "mad"}


def every_ten_minutes(series: Series) -> list[Verdict]:
    """Judge a series as the cycle does while it grows: each time the six hours before."""
    found = []
    for end in range(360, series.times.size + 1, 10):
        past = slice(end - 360, end)
        seen = replace(series, times=series.times[past], values=series.values[past])
        verdict = newest(seen, baseline(), LATENCY)
        assert verdict is not None
        found.append(verdict)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_quiet_day_raises_nothing(seed: int) -> None:
    verdicts = every_ten_minutes(recent(hours=30, seed=seed))
    assert not [verdict for verdict in verdicts if verdict.anomalous]


@pytest.mark.parametrize("seed", range(5))
def test_a_noisier_night_widens_the_ruler(seed: int) -> None:
    verdicts = every_ten_minutes(recent(hours=14, seed=seed, noise=0.0064))
    assert not [verdict for verdict in verdicts if verdict.anomalous]


def test_one_wild_sample_is_not_an_anomaly_at_short_steps() -> None:
    now = recent()
    values = now.values.copy()
    values[-1] = 3.0
    verdict = newest(replace(now, values=values), baseline(), LATENCY)
    assert verdict is not None
    assert not verdict.anomalous


@pytest.mark.parametrize("young", [True, False])
def test_trouble_that_grows_is_told_as_it_is_now(young: bool) -> None:
    """The median of three, by which it is judged, lags by a sample: a figure that is too low."""
    series = recent()
    series.values[-3:] = (0.6, 0.9, 1.4)
    limited = replace(LATENCY, threshold=0.5)
    verdict = newest(series, None if young else baseline(), limited)
    assert verdict is not None
    assert verdict.anomalous
    assert verdict.observed == 1.4
    series.values[-1] = 0.1  # it ends: what is well again is not told for the trouble
    verdict = newest(series, None if young else baseline(), limited)
    assert verdict is not None
    assert verdict.observed == 0.6


def test_a_good_direction_is_never_an_anomaly() -> None:
    now = recent(lift=-0.09, since_minutes=10)
    up = newest(now, baseline(), LATENCY)
    down = newest(now, baseline(), replace(LATENCY, bad_direction=Direction.DOWN))
    both = newest(now, baseline(), replace(LATENCY, bad_direction=Direction.BOTH))
    assert up is not None
    assert down is not None
    assert both is not None
    assert (up.anomalous, down.anomalous, both.anomalous) == (False, True, True)
    assert up.deviation_sigma < -3


def test_without_a_baseline_the_threshold_decides_and_says_so() -> None:
    now = recent(lift=0.4, since_minutes=10)
    limited = newest(now, None, replace(LATENCY, threshold=0.3))
    unlimited = newest(now, None, LATENCY)
    assert limited is not None
    assert unlimited is not None
    assert (limited.method, limited.anomalous) == ("static", True)
    assert limited.deviation_sigma > 5
    assert limited.votes[0].threshold == 0.3
    assert not unlimited.anomalous


def test_missing_samples_are_not_zero_and_an_empty_series_has_no_verdict() -> None:
    now = recent(lift=0.4, since_minutes=20)
    values = now.values.copy()
    values[-3:] = np.nan
    verdict = newest(replace(now, values=values), baseline(), LATENCY)
    assert verdict is not None
    assert verdict.at.timestamp() == now.times[-4]
    assert verdict.anomalous
    assert newest(replace(now, values=np.full(values.size, np.nan)), None, LATENCY) is None


def test_the_metrics_of_a_service_vote_together() -> None:
    names = ("order_error_rate", "order_latency_p99", "order_queue")
    group = [
        (recent(seed=5 + n, lift=0.4, since_minutes=10), baseline(), replace(LATENCY, name=name))
        for n, name in enumerate(map(MetricName, names))
    ]
    verdicts = score_service(group)
    assert all(verdict.anomalous for verdict in verdicts)
    forest = [v for verdict in verdicts for v in verdict.votes if v.algorithm == "isolation_forest"]
    assert len(forest) == 3
    assert all(vote.anomalous for vote in forest)


def test_a_forest_is_the_same_in_whatever_order_the_metrics_come() -> None:
    names = ("order_error_rate", "order_latency_p99", "order_queue")
    group = [
        (recent(seed=5 + n, lift=0.02, since_minutes=10), baseline(), replace(LATENCY, name=name))
        for n, name in enumerate(map(MetricName, names))
    ]
    assert [v.votes for v in score_service(group)] == [
        v.votes for v in reversed(score_service(group[::-1]))
    ]


def test_a_forest_serves_half_an_hour_and_is_then_grown_anew() -> None:
    times = np.arange(MONDAY, MONDAY + 5 * 3600, 60.0)
    noise = np.random.default_rng(4).normal(0, 0.004, (2, times.size))
    values = rhythm(times) + noise
    errors = replace(LATENCY, name=MetricName("order_error_rate"))
    forest.forget()
    grown = []
    for minute in range(241, 300):
        part = slice(minute - 241, minute)
        lifted = values[:, part].copy()
        lifted[:, -3:] += 0.4
        series = [series_of(times[part], each) for each in lifted]
        score_service([(series[0], baseline(), LATENCY), (series[1], baseline(), errors)])
        grown.append(forest.times_grown())
    assert grown[-1] <= 3
    forest.forget()


@pytest.mark.parametrize(("sigmas", "asked"), [(2.7, False), (3.2, True)])
def test_the_forest_is_asked_only_where_another_voter_sees_something(
    sigmas: float, *, asked: bool
) -> None:
    learned, errors = baseline(), replace(LATENCY, name=MetricName("order_error_rate"))
    now = recent()
    center, scale = expected(learned, now.times)
    lifted = np.arange(now.times.size) >= now.times.size - 10
    bad = replace(now, values=center + scale * sigmas * lifted)
    verdict, _ = score_service([(bad, learned, LATENCY), (now, learned, errors)])
    assert verdict.deviation_sigma == pytest.approx(sigmas, abs=0.05)
    assert ("isolation_forest" in {vote.algorithm for vote in verdict.votes}) is asked


def test_an_unknown_algorithm_names_the_nearest() -> None:
    with pytest.raises(BadArgumentError, match=r"'zscor'.*'zscore'"):
        DetectorSettings(algorithms=("zscor", "mad"))
    with pytest.raises(BadArgumentError, match="ensemble_min_votes 3"):
        DetectorSettings(algorithms=("zscore", "mad"), ensemble_min_votes=3)


def five_minutes(days: float = 8.0, seed: int = 2) -> tuple[Floats, Floats]:
    times = np.arange(MONDAY, MONDAY + days * DAY, 300.0)
    return times, 40 + 10 * np.sin(2 * np.pi * times / DAY) + np.random.default_rng(seed).normal(
        0, 1, times.size
    )


def test_a_scan_finds_the_incident_in_a_recorded_window() -> None:
    times, values = five_minutes()
    values[2000:2012] += 35
    spans = scan(series_of(times, values), since=float(times[1800]))
    assert len(spans) == 1
    assert spans[0].start.timestamp() <= times[2003]
    assert times[2000] <= spans[0].peak.timestamp() <= times[2011]
    assert spans[0].observed in values
    assert abs(spans[0].expected - values[2000 - 288]) < 8
    assert spans[0].severity is Severity.CRITICAL
    assert spans[0].calibrated_on == "past"


def test_a_scan_of_ordinary_days_finds_nothing() -> None:
    times, values = five_minutes()
    assert scan(series_of(times, values), since=float(times[600])) == []
    assert scan(series_of(times, np.full(times.size, 7.0))) == []


def test_a_scan_does_not_look_ahead() -> None:
    times, values = five_minutes(days=4)
    from tools.analysis.scan import score_samples

    whole = score_samples(values, times)
    changed = values.copy()
    changed[900:] += 500
    assert np.array_equal(whole[:900], score_samples(changed, times)[:900])


def test_a_scan_without_history_says_what_it_was_calibrated_on() -> None:
    times, values = five_minutes(days=1)
    values[200:206] += 60
    spans = scan(series_of(times, values), since=float(times[10]))
    assert spans[0].calibrated_on == "window"
    assert times[200] <= spans[0].peak.timestamp() <= times[205]


def test_a_scan_respects_the_bad_direction() -> None:
    times, values = five_minutes()
    values[2000:2012] -= 35
    upward = scan(series_of(times, values), LATENCY, since=float(times[1990]))
    assert all(span.deviation_sigma > 0 for span in upward)


def test_a_series_is_never_changed_by_judging_it() -> None:
    now: Series = recent(lift=0.4, since_minutes=10)
    before = now.values.copy()
    newest(now, baseline(), LATENCY)
    scan(now)
    assert np.array_equal(before, now.values)
