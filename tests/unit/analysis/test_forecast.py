"""Forecasts that know their own error."""

from __future__ import annotations

import numpy as np
import pytest

from tools.analysis.forecast import find_breach, forecast, is_spiky
from tools.analysis.normalise import normalise
from tools.errors import BadArgumentError
from tools.world import Direction, Floats, Series

START = 1_789_948_800.0


def daily(days: float = 10.0, step: float = 300.0, noise: float = 2.0, seed: int = 1) -> Series:
    times = np.arange(START, START + days * 86400, step)
    values = 100 + 30 * np.sin(2 * np.pi * times / 86400)
    return normalise(
        times, values + np.random.default_rng(seed).normal(0, noise, times.size)
    ).series


def truth(times: Floats) -> Floats:
    return 100 + 30 * np.sin(2 * np.pi * times / 86400)


@pytest.mark.parametrize("method", ["auto", "ridge", "holt_winters", "seasonal_naive"])
def test_a_daily_rhythm_is_continued(method: str) -> None:
    result = forecast(daily(), 3, method=method)
    assert result is not None
    assert result.times.size == 36
    assert np.abs(result.values - truth(result.times)).mean() < 6
    inside = (truth(result.times) >= result.lower) & (truth(result.times) <= result.upper)
    assert inside.mean() > 0.6
    if method != "auto":
        assert result.method == method


def test_auto_takes_what_erred_least_on_the_last_day() -> None:
    result = forecast(daily(), 1)
    assert result is not None
    assert result.method in {"ridge", "holt_winters"}
    assert result.times[0] - daily().times[-1] == 300


def test_a_climb_breaches_its_threshold_when_the_line_says_so() -> None:
    times = np.arange(START, START + 6 * 3600, 60.0)
    values = 0.3 + 0.08 * (times - START) / 3600
    series = normalise(times, values + np.random.default_rng(0).normal(0, 0.002, times.size)).series
    result = forecast(series, 3)
    assert result is not None
    breach = result.will_breach(0.9, Direction.UP)
    assert breach is not None
    hours = (breach.at.timestamp() - times[-1]) / 3600
    assert 0.8 < hours < 2.5  # the line itself takes 1.5 h
    assert result.will_breach(0.2, Direction.DOWN) is None


def test_a_spiky_series_may_breach_by_its_upper_edge() -> None:
    generator = np.random.default_rng(4)
    values = generator.normal(10, 0.3, 2016)
    values[generator.choice(2016, 350, replace=False)] += 60
    series = normalise(np.arange(2016) * 300.0 + START, values).series
    result = forecast(series, 6, method="seasonal_naive")
    assert result is not None
    assert is_spiky(series)
    assert not is_spiky(daily())
    breach = find_breach(result, series, 55.0, Direction.UP)
    assert breach is not None


def test_what_was_never_negative_is_not_forecast_negative() -> None:
    times = np.arange(START, START + 12 * 3600, 300.0)
    series = normalise(times, np.linspace(50, 1, times.size)).series
    result = forecast(series, 6)
    assert result is not None
    assert min(result.values.min(), result.lower.min()) >= 0


def test_gaps_are_bridged_and_too_little_history_gives_none() -> None:
    series = daily()
    values = series.values.copy()
    values[1000:1020] = np.nan
    assert forecast(normalise(series.times, values).series, 1) is not None
    assert forecast(normalise(series.times[:5], series.values[:5]).series, 1) is None
    assert forecast(normalise([], []).series, 1) is None


def test_a_wrong_horizon_or_method_names_what_is_possible() -> None:
    with pytest.raises(BadArgumentError, match="hours 2 must be one of 1, 3, 6"):
        forecast(daily(), 2)
    with pytest.raises(BadArgumentError, match="'ridge'"):
        forecast(daily(), 1, method="rigde")
