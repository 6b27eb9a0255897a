"""Functions over windows of samples: rate and its family, *_over_time, regressions.

Semantics are Prometheus 2.x: windows are closed on both sides, counters are corrected for resets,
and `rate`, `increase` and `delta` extrapolate to the window's ends as its `extrapolatedRate` does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sandbox.prometheus.samples import Floats, Mask, Series, is_stale
from sandbox.prometheus.values import Ranges

_EXTRAPOLATION_LIMIT = 1.1  # of the mean sample distance: beyond it a series begins or ends inside
_GATHER_CELLS = 2_000_000  # most cells of one gathered matrix, 16 MB
Indices = NDArray[np.int64]
Row = tuple[Floats, Mask]


@dataclass(frozen=True, eq=False)
class Windows:
    """One series cut into windows: samples `first[i]:last[i]` belong to step i."""

    times: Floats  # seconds
    values: Floats
    first: Indices
    last: Indices
    ends: Floats  # seconds, end of each window
    steps: Floats  # seconds, evaluation time of each window
    width: float  # seconds

    @property
    def count(self) -> Indices:
        """Samples per window."""
        return self.last - self.first

    def reduce(self, ufunc: np.ufunc, values: Floats | None = None) -> Floats:
        """Reduce each window with a ufunc; what empty windows give is meaningless."""
        source = self.values if values is None else values
        padded = np.append(source, source[-1:])
        pairs = np.stack([self.first, self.last], axis=1).ravel()
        reduced: Floats = ufunc.reduceat(padded, np.minimum(pairs, len(source)))[::2]
        return reduced

    def transitions(self, flags: Mask) -> Floats:
        """Count, per window, the flagged samples that have a predecessor inside it."""
        total = np.concatenate([[0], np.cumsum(flags)])
        inner = np.minimum(self.first + 1, self.last)
        counted: Floats = (total[self.last] - total[inner]).astype(np.float64)
        return counted

    def gathered(self, function: Callable[[Floats, Floats, Mask, slice], Floats]) -> Floats:
        """Call `function(times, values, mask, steps)` on padded matrices, one row per window."""
        longest = max(1, int(self.count.max()))
        chunk = max(1, _GATHER_CELLS // longest)
        result = np.full(len(self.first), np.nan)
        for begin in range(0, len(self.first), chunk):
            rows = slice(begin, begin + chunk)
            index = self.first[rows, None] + np.arange(longest)
            mask = index < self.last[rows, None]
            index = np.minimum(index, len(self.values) - 1)
            result[rows] = function(self.times[index], self.values[index], mask, rows)
        return result


def windows_of(ranges: Ranges, series: Series) -> Windows | None:
    """Cut a series into the windows of `ranges`; None if no window holds a sample."""
    times, values = series.times, series.values
    if np.isnan(values).any():
        fresh = ~is_stale(values)
        times, values = times[fresh], values[fresh]
    first = np.searchsorted(times, ranges.ends - ranges.width_ms, side="left")
    last = np.searchsorted(times, ranges.ends, side="right")
    if not (last > first).any():
        return None
    return Windows(
        times / 1000.0,
        values,
        first,
        last,
        ranges.ends / 1000.0,
        ranges.steps / 1000.0,
        ranges.width_ms / 1000.0,
    )


def _resets(values: Floats) -> Mask:
    return np.concatenate([[False], values[1:] < values[:-1]])


def _extrapolated(cut: Windows, *, counter: bool, per_second: bool) -> Row:
    enough = cut.count >= 2
    head = np.where(enough, cut.first, 0)
    tail = np.where(enough, cut.last - 1, 0)
    opening, closing = cut.values[head], cut.values[tail]
    change = closing - opening
    if counter:
        lost = np.where(_resets(cut.values), np.roll(cut.values, 1), 0.0)
        if lost.any():
            total = np.cumsum(lost)
            change = change + (total[tail] - total[head])
    to_start = cut.times[head] - (cut.ends - cut.width)
    to_end = cut.ends - cut.times[tail]
    sampled = cut.times[tail] - cut.times[head]
    mean_distance = sampled / np.maximum(cut.count - 1, 1)
    if counter:
        to_zero = sampled * (opening / change)
        shortened = (change > 0) & (opening >= 0) & (to_zero < to_start)
        to_start = np.where(shortened, to_zero, to_start)
    limit = mean_distance * _EXTRAPOLATION_LIMIT
    reach = sampled + np.where(to_start < limit, to_start, mean_distance / 2)
    reach = reach + np.where(to_end < limit, to_end, mean_distance / 2)
    factor = reach / sampled
    if per_second:
        factor = factor / cut.width
    return change * factor, enough


def rate(cut: Windows) -> Row:
    """Per-second increase of a counter."""
    return _extrapolated(cut, counter=True, per_second=True)


def increase(cut: Windows) -> Row:
    """Increase of a counter over the window."""
    return _extrapolated(cut, counter=True, per_second=False)


def delta(cut: Windows) -> Row:
    """Change of a gauge over the window."""
    return _extrapolated(cut, counter=False, per_second=False)


def _last_two(cut: Windows, *, counter: bool) -> Row:
    enough = cut.count >= 2
    tail = np.where(enough, cut.last - 1, 1 if len(cut.values) > 1 else 0)
    before = np.maximum(tail - 1, 0)
    change = cut.values[tail] - cut.values[before]
    if counter:
        change = np.where(change < 0, cut.values[tail], change)
        change = change / (cut.times[tail] - cut.times[before])
    return change, enough


def irate(cut: Windows) -> Row:
    """Per-second increase between the last two samples."""
    return _last_two(cut, counter=True)


def idelta(cut: Windows) -> Row:
    """Change between the last two samples."""
    return _last_two(cut, counter=False)


def _line(cut: Windows, intercept_at: Floats | None) -> tuple[Floats, Floats, Mask]:
    """Least squares per window: slope, value at `intercept_at` (default: the first sample)."""
    enough = cut.count >= 2
    origin = cut.times[np.minimum(cut.first, len(cut.times) - 1)]
    at = origin if intercept_at is None else intercept_at
    fits = np.full((2, len(cut.first)), np.nan)

    def fit(times: Floats, values: Floats, mask: Mask, rows: slice) -> Floats:
        n = np.maximum(mask.sum(axis=1), 1)
        x = np.where(mask, times - at[rows, None], 0.0)
        y = np.where(mask, values, 0.0)
        mean_x, mean_y = x.sum(axis=1) / n, y.sum(axis=1) / n
        dx = np.where(mask, x - mean_x[:, None], 0.0)
        dy = np.where(mask, y - mean_y[:, None], 0.0)
        slope = (dx * dy).sum(axis=1) / (dx * dx).sum(axis=1)
        flat = np.where(mask, values == values[:, :1], True).all(axis=1)
        slope = np.where(flat, 0.0, slope)
        fits[0, rows] = slope
        fits[1, rows] = np.where(flat, values[:, 0], mean_y - slope * mean_x)
        return slope

    cut.gathered(fit)
    return fits[0], fits[1], enough


def deriv(cut: Windows) -> Row:
    """Slope per second of a straight line through the window."""
    slope, _, enough = _line(cut, None)
    return slope, enough


def predict_linear(cut: Windows, seconds: Floats) -> Row:
    """Value of that line `seconds` after the evaluation time."""
    slope, intercept, enough = _line(cut, cut.steps)
    return slope * seconds + intercept, enough


def _mean(cut: Windows) -> Floats:
    return cut.reduce(np.add) / np.maximum(cut.count, 1)


def _variance(cut: Windows) -> Floats:
    mean = _mean(cut)

    def spread(_: Floats, values: Floats, mask: Mask, rows: slice) -> Floats:
        squares = np.where(mask, (values - mean[rows, None]) ** 2, 0.0)
        total: Floats = squares.sum(axis=1) / np.maximum(mask.sum(axis=1), 1)
        return total

    return cut.gathered(spread)


def quantile_over_time(cut: Windows, q: Floats) -> Row:
    """Quantile q of the window's samples, interpolated linearly."""

    def pick(_: Floats, values: Floats, mask: Mask, rows: slice) -> Floats:
        return masked_quantile(q[rows], values.T, mask.T)

    return cut.gathered(pick), cut.count > 0


def masked_quantile(q: Floats, values: Floats, mask: Mask) -> Floats:
    """Quantile down each column of the masked values, as Prometheus ranks them (NaN first)."""
    ordered = np.sort(np.where(mask, np.where(np.isnan(values), -np.inf, values), np.inf), axis=0)
    n = np.maximum(mask.sum(axis=0), 1)
    rank = np.clip(q, 0.0, 1.0) * (n - 1)
    rank = np.where(np.isnan(rank), 0.0, rank)
    lower = np.maximum(0, np.floor(rank)).astype(np.int64)
    upper = np.minimum(n - 1, lower + 1)
    columns = np.arange(ordered.shape[1])
    weight = rank - np.floor(rank)
    result = ordered[lower, columns] * (1 - weight) + ordered[upper, columns] * weight
    result = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, result))
    return np.where(np.isnan(q), np.nan, result)


def _any(function: Callable[[Windows], Floats]) -> Callable[[Windows], Row]:
    return lambda cut: (function(cut), cut.count > 0)


def _changes(cut: Windows) -> Floats:
    now, before = cut.values[1:], cut.values[:-1]
    moved = (now != before) & ~(np.isnan(now) & np.isnan(before))
    return cut.transitions(np.concatenate([[False], moved]))


def _last(cut: Windows) -> Floats:
    return cut.values[np.maximum(cut.last - 1, 0)]


FUNCTIONS: dict[str, Callable[[Windows], Row]] = {
    "rate": rate,
    "increase": increase,
    "delta": delta,
    "irate": irate,
    "idelta": idelta,
    "deriv": deriv,
    "resets": _any(lambda cut: cut.transitions(_resets(cut.values))),
    "changes": _any(_changes),
    "avg_over_time": _any(_mean),
    "sum_over_time": _any(lambda cut: cut.reduce(np.add)),
    "min_over_time": _any(lambda cut: cut.reduce(np.fmin)),
    "max_over_time": _any(lambda cut: cut.reduce(np.fmax)),
    "count_over_time": _any(lambda cut: cut.count.astype(np.float64)),
    "stddev_over_time": _any(lambda cut: np.sqrt(_variance(cut))),
    "stdvar_over_time": _any(_variance),
    "last_over_time": _any(_last),
    "present_over_time": _any(lambda cut: np.ones(len(cut.first))),
}
