"""What is normal for one series, learned from its history.

    history --resample 15 min--> clip outliers --STL(daily)--> trend + daily shape
            --(≥ 14 days) hour-of-week correction--> profile per slot of a day or a week
            --residuals at the original step--> spread per slot (1.4826·MAD, floored)

The profile stands at the level of the last days, so a drifting metric is judged against today.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from tools.analysis.normalise import fill_gaps, resample
from tools.world import Baseline, Floats, MetricName, Series

Slots = npt.NDArray[np.int64]
DAY = 86_400.0
WEEK = 7 * DAY
SLOT = 900.0
PER_DAY = int(DAY / SLOT)
PER_WEEK = int(WEEK / SLOT)
MAD_TO_SIGMA = 1.4826  # of a normal distribution
MIN_HISTORY_DAYS = 7.0
WEEKLY_DAYS = 14.0
SCALE_FLOOR_STD = 0.1  # of the standard deviation: flat series would alarm on nothing
SCALE_FLOOR_LEVEL = 0.01  # of the median's size
MAX_MISSING_FOR_STL = 0.3
TAIL_LIMIT = 2.0  # heavy tails widen the spread at most this much


def robust_scale(values: Floats) -> float:
    """Return 1.4826·MAD of the known values, 0 when there are none."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return 0.0
    return float(MAD_TO_SIGMA * np.median(np.abs(known - np.median(known))))


def scale_floor(values: Floats) -> float:
    """Return the smallest scale a series of these values may have; never 0."""
    known = values[~np.isnan(values)]
    if known.size == 0:
        return 1e-9
    level = float(np.median(np.abs(known)))
    # The standard deviation of what is not an outlier, or one incident would hide the next.
    low, high = np.quantile(known, [0.01, 0.99])
    spread = float(np.std(np.clip(known, low, high)))
    return max(SCALE_FLOOR_STD * spread, SCALE_FLOOR_LEVEL * level, 1e-9)


def learn(
    series: Series,
    *,
    learned_at: datetime | None = None,
    min_history_days: float = MIN_HISTORY_DAYS,
) -> Baseline | None:
    """Learn a baseline from 7–30 days of history, or return None when that is too little.

    `learned_at` defaults to the time of the last sample.
    """
    known = ~np.isnan(series.values)
    if not known.any():
        return None
    days = (float(series.times[known][-1] - series.times[known][0]) + series.step_seconds) / DAY
    enough = known.mean() * series.values.size * series.step_seconds >= 0.5 * days * DAY
    if days < min_history_days or not enough:
        return None
    coarse = resample(series, SLOT)
    if coarse.step_seconds > SLOT:
        coarse = _spread_out(coarse)
    weekly = days >= WEEKLY_DAYS
    trend, daily = _decompose(coarse, weekly=weekly)
    slope = _slope_per_day(coarse.times, trend)
    profile = daily
    if weekly:
        profile = np.tile(daily, 7) + _weekly_shape(coarse, trend, daily)
    level = _recent_level(coarse, profile, slope, days=7.0 if weekly else 2.0)
    fitted = np.interp(series.times, coarse.times, trend) + _at(profile, series.times)
    residual = series.values - fitted
    floor = scale_floor(series.values)
    values = series.values[known]
    variance = float(np.var(_clipped(values)))
    share = float(np.var(_clipped(residual[known]))) / variance if variance > floor**2 else 0.0
    return Baseline(
        metric=MetricName(series.metric),
        labels=series.labels,
        learned_at=learned_at or datetime.fromtimestamp(float(series.times[-1]), tz=UTC),
        history=timedelta(days=days),
        samples=int(known.sum()),
        slot_seconds=SLOT,
        profile=_single(profile + level),
        spread=_single(_spread(series, residual, profile.size, floor)),
        mean=float(values.mean()),
        std=float(values.std()),
        median=float(np.median(values)),
        mad=float(np.median(np.abs(values - np.median(values)))),
        trend_per_day=slope,
        quality=float(np.clip((1 - share) * known.mean(), 0.0, 1.0)),
        unit=series.unit,
    )


def _single(values: Floats) -> Floats:
    """Return values that single precision holds as they are: so they are kept for every series."""
    return values.astype(np.float32).astype(np.float64)


def expected(baseline: Baseline, times: Floats) -> tuple[Floats, Floats]:
    """Return (center, scale) at epoch seconds, interpolated between the middles of slots."""
    at = np.asarray(times, dtype=float)
    return _at(baseline.profile, at), _at(baseline.spread, at)


def _at(profile: Floats, times: Floats) -> Floats:
    """Read a cyclic profile (day or week, by its length) at the given times."""
    within = np.mod(times, profile.size * SLOT)
    left = np.floor(within / SLOT - 0.5)
    begin = (left + 0.5) * SLOT
    slot = left.astype(np.int64)
    low, high = profile[slot % profile.size], profile[(slot + 1) % profile.size]
    # As `np.interp` with a period has it, which sorts the profile each time.
    at: Floats = (high - low) / ((left + 1.5) * SLOT - begin) * (within - begin) + low
    return at


def _slots(times: Floats, count: int) -> Slots:
    slots: Slots = np.floor(times / SLOT).astype(np.int64) % count
    return slots


def _clipped(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.01, 0.99])
    return np.clip(values, low, high)


def _spread_out(series: Series) -> Series:
    """Put a series coarser than one slot on the 15-minute grid by straight lines."""
    known = ~np.isnan(series.values)
    times = np.arange(series.times[0], series.times[-1] + 1, SLOT)
    values = np.interp(times, series.times[known], series.values[known])
    return Series(series.metric, series.labels, times, values, SLOT, series.unit)


def _group_medians(values: Floats, groups: Slots, count: int) -> Floats:
    """Return the median of the known values of each group, NaN where a group has none."""
    there = ~np.isnan(values)
    known, group = values[there], groups[there]
    ordered = known[np.lexsort((known, group))]
    sizes = np.bincount(group, minlength=count)
    first = np.cumsum(sizes) - sizes
    result = np.full(count, np.nan)
    some = sizes > 0
    low = ordered[(first + (sizes - 1) // 2)[some]]
    result[some] = (low + ordered[(first + sizes // 2)[some]]) / 2.0
    return result


def _slot_medians(values: Floats, slots: Slots, count: int) -> Floats:
    """Return the median per slot; slots without a value are bridged from their neighbours."""
    result = _group_medians(values, slots, count)
    known = ~np.isnan(result)
    if not known.any():
        return np.zeros(count)
    bridged: Floats = np.interp(
        np.arange(count), np.flatnonzero(known), result[known], period=count
    )
    return bridged


def _decompose(coarse: Series, *, weekly: bool) -> tuple[Floats, Floats]:
    """Return the trend on the grid and the daily shape around it.

    With a weekly shape to come the trend is smoothed over a week, or it would take the weekend.
    """
    slots = _slots(coarse.times, PER_DAY)
    rough = _slot_medians(coarse.values, slots, PER_DAY)
    residual = coarse.values - rough[slots]
    limit = 5 * max(robust_scale(residual), scale_floor(coarse.values))
    centre = float(np.nanmedian(residual))
    clipped = rough[slots] + np.clip(residual, centre - limit, centre + limit)
    bridged, _ = fill_gaps(clipped, PER_DAY)
    holes = np.isnan(bridged)
    bridged[holes] = rough[slots[holes]]
    if coarse.missing_ratio > MAX_MISSING_FOR_STL:
        level = np.full(bridged.size, float(np.median(rough)))
        return level, rough - level[0]
    from statsmodels.tsa.seasonal import STL

    jump = PER_DAY // 8
    fit = STL(
        bridged,
        period=PER_DAY,
        seasonal=7,
        trend=(PER_WEEK if weekly else 2 * PER_DAY) + 1,
        seasonal_jump=1,
        trend_jump=jump,
        low_pass_jump=jump,
    ).fit()
    trend = np.asarray(fit.trend, dtype=float)
    daily = _slot_medians(bridged - trend, slots, PER_DAY)
    return trend, _smooth(daily, 3)


def _smooth(cyclic: Floats, width: int) -> Floats:
    """Return the centred moving mean of a cyclic profile."""
    padded = np.concatenate((cyclic[-(width // 2) :], cyclic, cyclic[: width // 2]))
    return np.convolve(padded, np.ones(width) / width, mode="valid")


def _weekly_shape(coarse: Series, trend: Floats, daily: Floats) -> Floats:
    """Return what each hour of the week adds to the daily shape.

    One week proves no weekly habit: with two the smaller of both counts where they agree in sign,
    with more the median of the weeks. So a single outage never becomes Tuesday's normal.
    """
    left = coarse.values - trend - daily[_slots(coarse.times, PER_DAY)]
    hours = np.floor(coarse.times / 3600).astype(np.int64)
    # Weeks are counted back from the end, so that a shorter first week holds the oldest hours.
    age = (hours[-1] - hours) // 168
    weeks = int(age.max()) + 1
    weekly = _group_medians(left, age * 168 + hours % 168, weeks * 168).reshape(weeks, 168)
    hourly = _agreed(weekly)
    middles = (np.arange(168) + 0.5) * 3600
    at = (np.arange(PER_WEEK) + 0.5) * SLOT
    shape: Floats = np.interp(at, middles, hourly, period=WEEK)
    return shape


def _agreed(weekly: Floats) -> Floats:
    """Return for each hour (a column) what its weeks (rows) agree on; NaN is a week without it."""
    count = np.count_nonzero(~np.isnan(weekly), axis=0)
    ordered = np.sort(weekly, axis=0)  # NaN goes last
    columns = np.arange(weekly.shape[1])
    low = ordered[np.maximum(count - 1, 0) // 2, columns]
    middle = (low + ordered[np.minimum(count // 2, weekly.shape[0] - 1), columns]) / 2.0
    one, other = ordered[0], ordered[min(1, weekly.shape[0] - 1)]
    smaller = np.where(np.abs(one) <= np.abs(other), one, other)
    with np.errstate(invalid="ignore"):
        two = np.where(one * other > 0, smaller, 0.0)
    return np.where(count >= 3, middle, np.where(count == 2, two, 0.0))


def _recent_level(coarse: Series, profile: Floats, slope: float, days: float) -> float:
    """Return how high the end of the history stands above the profile, the slope accounted for.

    A week is looked back on where the profile is weekly: whole weeks cancel what it misses.
    """
    known = np.flatnonzero(~np.isnan(coarse.values))
    end = float(coarse.times[-1])
    recent = known[coarse.times[known] >= end - days * DAY]
    if recent.size < PER_DAY // 4:
        recent = known[-PER_DAY:]
    at = coarse.times[recent]
    above = coarse.values[recent] - _at(profile, at)
    return float(np.median(above - slope * (at - end) / DAY))


def _slope_per_day(times: Floats, trend: Floats) -> float:
    """Return the slope of the trend per day by least squares."""
    days = (times - times[0]) / DAY
    return float(np.polyfit(days, trend, 1)[0]) if days[-1] > 0 else 0.0


def _spread(series: Series, residual: Floats, count: int, floor: float) -> Floats:
    """Return the scale per slot: MAD by hour of day, half pooled, widened for heavy tails."""
    centred = residual - np.nanmedian(residual)
    pooled = max(robust_scale(centred), floor)
    hours = (np.floor(series.times / 3600).astype(np.int64)) % 24
    by_hour = np.array([robust_scale(centred[hours == hour]) or pooled for hour in range(24)])
    blended = np.sqrt((by_hour**2 + pooled**2) / 2)
    known = ~np.isnan(centred)
    far = np.quantile(np.abs(centred[known]) / blended[hours[known]], 0.99) / 2.576
    tail = float(np.clip(far, 1.0, TAIL_LIMIT))
    middles = (np.arange(24) + 0.5) * 3600
    at = (np.arange(count) + 0.5) * SLOT
    spread: Floats = np.interp(np.mod(at, DAY), middles, blended, period=DAY) * tail
    return np.maximum(spread, floor)
