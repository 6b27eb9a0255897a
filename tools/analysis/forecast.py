"""The next hours of a series, with an interval measured on its own last day.

    history --resample--> ridge on lags | holt_winters | seasonal_naive | prophet
            --backtest from origins inside the last day--> errors per step ahead
            --auto: holt_winters, unless a cheaper method errs less--> Forecast (10 %…90 %)

Working step: 5 min for lags, 15 min for seasonal smoothing; the result is on the series' step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from foundation.nearest import nearest
from tools.analysis.baseline import DAY, robust_scale, scale_floor
from tools.analysis.normalise import fill_gaps, resample
from tools.errors import BadArgumentError
from tools.world import Breach, Direction, Floats, Forecast, MetricName, Series

HORIZON_HOURS = (1, 3, 6)
INTERVAL_RATIO = 0.8
LAG_STEP = 300.0
SMOOTHING_STEP = 900.0
MIN_SAMPLES = 24  # of the working step
RIDGE_PENALTY = 1e-2  # on standardised lags
MAX_TRAINING_ROWS = 4032  # two weeks of five minutes
SPIKY_RATIO = 8.0  # the 99.5 % quantile lies this many robust σ from the median
BACKTEST_ORIGINS = 4

Extrapolate = Callable[[Floats, float, int], Floats]  # (history, step seconds, steps) -> values


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """Errors of one method: rows are origins inside the last day, columns steps ahead."""

    method: str
    errors: Floats

    @property
    def mae(self) -> float:
        """Mean absolute error; infinite when nothing could be tested."""
        known = self.errors[~np.isnan(self.errors)]
        return float(np.abs(known).mean()) if known.size else float("inf")


def _ridge(history: Floats, step: float, ahead: int) -> Floats:
    """Ridge on lags 1–3 and, where the history allows, a day and a week."""
    day = round(DAY / step)
    lags = [lag for lag in (1, 2, 3, day, 7 * day) if history.size >= 2 * lag + MIN_SAMPLES // 2]
    if not lags:
        return np.full(ahead, float(np.median(history[-MIN_SAMPLES:])))
    deepest = max(lags)
    rows = np.stack([history[deepest - lag : history.size - lag] for lag in lags], axis=1)
    target = history[deepest:]
    rows, target = rows[-MAX_TRAINING_ROWS:], target[-MAX_TRAINING_ROWS:]
    # One outage in the history must not bend the weights: targets are clipped at 6 robust σ.
    middle, sigma = float(np.median(target)), max(robust_scale(target), scale_floor(target))
    target = np.clip(target, middle - 6 * sigma, middle + 6 * sigma)
    center, scale = rows.mean(axis=0), rows.std(axis=0) + 1e-12
    scaled = (rows - center) / scale
    gram = scaled.T @ scaled + RIDGE_PENALTY * rows.shape[0] * np.eye(len(lags))
    weights = np.linalg.solve(gram, scaled.T @ (target - target.mean()))
    low, high = float(history.min()), float(history.max())
    margin = max(high - low, 1e-9)
    values = np.concatenate((history, np.empty(ahead)))
    for i in range(history.size, values.size):
        row = (values[[i - lag for lag in lags]] - center) / scale
        # A recursion may diverge; it never leaves twice the seen range.
        values[i] = np.clip(row @ weights + target.mean(), low - margin, high + margin)
    return values[history.size :]


def _holt_winters(history: Floats, step: float, ahead: int) -> Floats:
    """Additive Holt-Winters with a daily season; damped when the history is short."""
    import warnings

    from statsmodels.tsa.holtwinters import ExponentialSmoothing

    day = round(DAY / step)
    seasonal = history.size >= 2 * day + 10
    recent = history[-7 * day :] if seasonal else history
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # "Did not converge", log of a perfect fit: the backtest judges the result.
        warnings.simplefilter("ignore")
        model = ExponentialSmoothing(
            recent,
            trend="add",
            damped_trend=history.size < 7 * day,
            seasonal="add" if seasonal else None,
            seasonal_periods=day if seasonal else None,
            initialization_method="heuristic" if recent.size >= 10 else "estimated",
        )
        fit = model.fit(
            optimized=True, use_brute=False, minimize_kwargs={"options": {"maxiter": 40}}
        )
        return np.asarray(fit.forecast(ahead), dtype=float)


def _seasonal_naive(history: Floats, step: float, ahead: int) -> Floats:
    """The same time yesterday; without a day of history the median of the last hour."""
    day = round(DAY / step)
    if history.size < day or ahead > day:
        return np.full(ahead, float(np.median(history[-max(round(3600 / step), 1) :])))
    return history[history.size - day : history.size - day + ahead].copy()


def _prophet(history: Floats, step: float, ahead: int) -> Floats:
    """Prophet, when the `prophet` extra is installed."""
    try:
        from prophet import Prophet
    except ImportError as error:
        raise BadArgumentError(
            "forecast method 'prophet' needs the extra: pip install 'sre-agent[prophet]'"
        ) from error
    import pandas as pd

    stamps = pd.date_range("2000-01-01", periods=history.size + ahead, freq=f"{int(step)}s")
    model = Prophet(uncertainty_samples=0)
    model.fit(pd.DataFrame({"ds": stamps[: history.size], "y": history}))
    predicted = model.predict(pd.DataFrame({"ds": stamps[history.size :]}))
    return np.asarray(predicted["yhat"], dtype=float)


METHODS: Mapping[str, tuple[Extrapolate, float]] = MappingProxyType(
    {
        "ridge": (_ridge, LAG_STEP),
        "holt_winters": (_holt_winters, SMOOTHING_STEP),
        "seasonal_naive": (_seasonal_naive, LAG_STEP),
        "prophet": (_prophet, SMOOTHING_STEP),
    }
)
AUTO = ("holt_winters", "ridge", "seasonal_naive")


def forecast(series: Series, hours: int, *, method: str = "auto") -> Forecast | None:
    """Forecast 1, 3 or 6 hours ahead, or return None when the history is too short.

    Raises BadArgumentError for another horizon or an unknown method.
    """
    if hours not in HORIZON_HOURS:
        raise BadArgumentError(f"hours {hours!r} must be one of 1, 3, 6")
    if method != "auto" and method not in METHODS:
        raise BadArgumentError(f"unknown method {method!r}.{nearest(method, ['auto', *METHODS])}")
    names = AUTO if method == "auto" else (method,)
    histories = {name: _working_history(series, METHODS[name][1]) for name in names}
    usable = [name for name in names if histories[name].values.size >= MIN_SAMPLES]
    if not usable:
        return None
    tests = [_backtest(name, histories[name], hours) for name in usable]
    chosen = min(tests, key=lambda test: test.mae)
    history = histories[chosen.method]
    extrapolate, _ = METHODS[chosen.method]
    step = history.step_seconds
    ahead = max(round(hours * 3600 / step), 1)
    values = extrapolate(history.values, step, ahead)
    lower, upper = _interval(chosen, history, ahead, own_noise=_own_noise(series, history))
    at = history.times[-1] + step * np.arange(1, ahead + 1)
    last = float(series.times[~np.isnan(series.values)][-1])
    own = max(series.step_seconds, 1.0)
    times = last + own * np.arange(1, max(round(hours * 3600 / own), 1) + 1, dtype=np.float64)
    floor = 0.0 if np.nanmin(series.values) >= 0 else -np.inf  # counts and times are not negative
    return Forecast(
        metric=MetricName(series.metric),
        labels=series.labels,
        times=times,
        values=np.maximum(np.interp(times, at, values), floor),
        lower=np.maximum(np.interp(times, at, values + lower), floor),
        upper=np.maximum(np.interp(times, at, values + upper), floor),
        interval_ratio=INTERVAL_RATIO,
        method=chosen.method,
        unit=series.unit,
    )


def is_spiky(series: Series) -> bool:
    """Whether rare peaks stand so far out that a point forecast cannot see them."""
    known = series.values[~np.isnan(series.values)]
    if known.size < MIN_SAMPLES:
        return False
    sigma = max(robust_scale(known), 0.02 * float(np.median(np.abs(known))), 1e-12)
    return bool((np.quantile(known, 0.995) - np.median(known)) / sigma > SPIKY_RATIO)


def find_breach(
    predicted: Forecast, series: Series, threshold: float, direction: Direction
) -> Breach | None:
    """Return the first breach; on a spiky series the interval's bad edge may breach as well."""
    point = predicted.will_breach(threshold, direction)
    if point is not None or not is_spiky(series):
        return point
    edge = predicted.lower if direction is Direction.DOWN else predicted.upper
    risky = Forecast(
        predicted.metric,
        predicted.labels,
        predicted.times,
        edge,
        predicted.lower,
        predicted.upper,
        predicted.interval_ratio,
        predicted.method,
        predicted.unit,
    )
    return risky.will_breach(threshold, direction)


def _working_history(series: Series, step: float) -> Series:
    """Return the history at the working step without gaps, up to the last known sample."""
    known = np.flatnonzero(~np.isnan(series.values))
    if known.size == 0:
        return series
    part = slice(int(known[0]), int(known[-1]) + 1)
    trimmed = Series(
        series.metric,
        series.labels,
        series.times[part],
        series.values[part],
        series.step_seconds,
        series.unit,
    )
    coarse = resample(trimmed, step)
    filled, _ = fill_gaps(coarse.values, coarse.values.size)
    # Nothing is known of a bucket that lies before the first or after the last sample.
    inside = ~np.isnan(filled)
    return Series(
        series.metric,
        series.labels,
        coarse.times[inside],
        filled[inside],
        coarse.step_seconds,
        series.unit,
    )


def _backtest(name: str, history: Series, hours: int) -> Backtest:
    """Forecast from origins inside the last day (or the last third of a short history)."""
    extrapolate, _ = METHODS[name]
    step, values = history.step_seconds, history.values
    ahead = max(round(hours * 3600 / step), 1)
    span = min(round(DAY / step), values.size // 3)
    origins = sorted(
        {
            int(values.size - ahead - offset)
            for offset in np.linspace(0, max(span - ahead, 0), BACKTEST_ORIGINS)
        }
    )
    rows = [
        values[origin : origin + ahead] - extrapolate(values[:origin], step, ahead)
        for origin in origins
        if origin >= MIN_SAMPLES
    ]
    return Backtest(name, np.array(rows) if rows else np.full((1, ahead), np.nan))


def _own_noise(series: Series, history: Series) -> float:
    """Return σ of the samples around the working history: what coarse medians have lost."""
    if history.step_seconds <= series.step_seconds:
        return 0.0
    middles = history.times + history.step_seconds / 2
    return robust_scale(series.values - np.interp(series.times, middles, history.values))


def _interval(
    test: Backtest, history: Series, ahead: int, *, own_noise: float
) -> tuple[Floats, Floats]:
    """Return offsets of the 10 % and 90 % quantile: backtest errors, smoothed over the horizon."""
    errors = test.errors
    tail = (1 - INTERVAL_RATIO) / 2
    lower, upper = np.empty(ahead), np.empty(ahead)
    noise = max(robust_scale(np.diff(history.values)) / np.sqrt(2), scale_floor(history.values))
    reach = max(ahead // 6, 1)
    for i in range(ahead):
        near = errors[:, max(i - reach, 0) : i + reach + 1]
        near = near[~np.isnan(near)]
        if near.size == 0:
            near = np.array([-2 * noise, 2 * noise])
        lower[i] = min(float(np.quantile(near, tail)), -noise)
        upper[i] = max(float(np.quantile(near, 1 - tail)), noise)
    widening = 1.2816 * own_noise  # 90 % quantile of a normal distribution
    return -np.hypot(lower, widening), np.hypot(upper, widening)
