"""Functions over windows of samples: rate and its family, *_over_time, regressions.

Semantics are Prometheus 2.x: windows are closed on both sides, counters are corrected for resets,
and `rate`, `increase` and `delta` extrapolate to the window's ends as its `extrapolatedRate` does.
Series that were sampled at the same times are worked on together, one row each.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sandbox.prometheus.errors import ExecutionError
from sandbox.prometheus.quantiles import masked_quantile
from sandbox.prometheus.samples import Floats, Mask, Series, Times, is_stale
from sandbox.prometheus.values import Ranges

_EXTRAPOLATION_LIMIT = 1.1  # of the mean sample distance: beyond it a series begins or ends inside
_GATHER_CELLS = 2_000_000  # most cells of one gathered matrix, 16 MB
_GROUP_CELLS = 4_000_000  # most samples worked on together, 32 MB
Indices = NDArray[np.int64]
Rows = tuple[Floats, Mask]  # one row of values per series; which steps have one, alike for all
Gathered = Callable[[Times, Floats, Mask, slice], Floats]


@dataclass(frozen=True, eq=False)
class Windows:
    """Series cut into windows: samples `first[i]:last[i]` belong to step i."""

    times: Times  # milliseconds
    values: Floats  # shape (series, samples)
    first: Indices
    last: Indices
    ends: Times  # milliseconds, end of each window
    steps: Times  # milliseconds, evaluation time of each window
    width_ms: int

    @property
    def count(self) -> Indices:
        """Samples per window."""
        return self.last - self.first

    def reduce(self, ufunc: np.ufunc, values: Floats | None = None, skip: int = 0) -> Floats:
        """Reduce each window but its first `skip` samples; empty ones give nothing of meaning."""
        source = self.values if values is None else values
        padded = np.concatenate([source, source[:, -1:]], axis=1)
        pairs = np.stack([self.first + skip, self.last], axis=1).ravel()
        pairs = np.minimum(pairs, source.shape[1])
        reduced: Floats = ufunc.reduceat(padded, pairs, axis=1)[:, ::2]
        return reduced

    def transitions(self, flags: Mask) -> Floats:
        """Count, per window, the flagged samples that have a predecessor inside it."""
        total: Indices = np.zeros((flags.shape[0], flags.shape[1] + 1), dtype=np.int64)
        np.cumsum(flags, axis=1, out=total[:, 1:])
        inner = np.minimum(self.first + 1, self.last)
        return (total[:, self.last] - total[:, inner]).astype(np.float64)

    def gathered(self, function: Gathered) -> Floats:
        """Call `function(times, values, mask, steps)` on matrices with one column per window.

        A window's samples stand from the top of its column down; `mask` says how far.
        """
        longest = max(1, int(self.count.max()))
        chunk = max(1, _GATHER_CELLS // longest)
        result = np.full((len(self.values), len(self.first)), np.nan)
        for begin in range(0, len(self.first), chunk):
            columns = slice(begin, begin + chunk)
            index = self.first[columns] + np.arange(longest)[:, None]
            mask = index < self.last[columns]
            index = np.minimum(index, len(self.times) - 1)
            times = self.times[index]
            for row, values in enumerate(self.values):
                result[row, columns] = function(times, values[index], mask, columns)
        return result


def alike(series: Sequence[Series]) -> list[list[tuple[int, Series]]]:
    """Group series sampled at the same times, without stale markers, each with its place."""
    groups: dict[object, list[tuple[int, Series]]] = {}
    for place, one in enumerate(series):
        kept, key = one, (id(one.times), place * len(one.times) // _GROUP_CELLS)
        if np.isnan(one.values).any():
            fresh = ~is_stale(one.values)
            if not fresh.all():
                kept = Series(one.labels, one.times[fresh], one.values[fresh])
                key = (id(kept.times), place)
        groups.setdefault(key, []).append((place, kept))
    return list(groups.values())


def windows_of(ranges: Ranges, group: Sequence[tuple[int, Series]]) -> Windows | None:
    """Cut series sampled at the same times into windows; None if no window holds a sample."""
    times = group[0][1].times
    first = np.searchsorted(times, ranges.ends - ranges.width_ms, side="left")
    last = np.searchsorted(times, ranges.ends, side="right")
    if not (last > first).any():
        return None
    values = np.stack([series.values for _, series in group])
    return Windows(times, values, first, last, ranges.ends, ranges.steps, ranges.width_ms)


def _resets(values: Floats) -> Mask:
    found = np.zeros(values.shape, dtype=bool)
    np.less(values[:, 1:], values[:, :-1], out=found[:, 1:])
    return found


def _extrapolated(cut: Windows, *, counter: bool, per_second: bool) -> Rows:
    enough = cut.count >= 2
    head = np.where(enough, cut.first, 0)
    tail = np.where(enough, cut.last - 1, 0)
    opening, closing = cut.values[:, head], cut.values[:, tail]
    change = closing - opening
    to_start = (cut.times[head] - (cut.ends - cut.width_ms)) / 1000.0
    to_end = (cut.ends - cut.times[tail]) / 1000.0
    sampled = (cut.times[tail] - cut.times[head]) / 1000.0
    mean_distance = sampled / np.maximum(cut.count - 1, 1)
    if counter:
        resets = _resets(cut.values)
        if resets.any():
            lost = np.where(resets, np.roll(cut.values, 1, axis=1), 0.0)
            change = change + np.where(enough, cut.reduce(np.add, lost, skip=1), 0.0)
        to_zero = sampled * (opening / change)
        shortened = (change > 0) & (opening >= 0) & (to_zero < to_start)
        to_start = np.where(shortened, to_zero, to_start)
    limit = mean_distance * _EXTRAPOLATION_LIMIT
    reach = sampled + np.where(to_start < limit, to_start, mean_distance / 2)
    reach = reach + np.where(to_end < limit, to_end, mean_distance / 2)
    factor = reach / sampled
    if per_second:
        factor = factor / (cut.width_ms / 1000.0)
    return change * factor, enough


def rate(cut: Windows) -> Rows:
    """Per-second increase of a counter."""
    return _extrapolated(cut, counter=True, per_second=True)


def increase(cut: Windows) -> Rows:
    """Increase of a counter over the window."""
    return _extrapolated(cut, counter=True, per_second=False)


def delta(cut: Windows) -> Rows:
    """Change of a gauge over the window."""
    return _extrapolated(cut, counter=False, per_second=False)


def _last_two(cut: Windows, *, counter: bool) -> Rows:
    enough = cut.count >= 2
    tail = np.where(enough, cut.last - 1, 1 if len(cut.times) > 1 else 0)
    before = np.maximum(tail - 1, 0)
    change = cut.values[:, tail] - cut.values[:, before]
    if counter:
        change = np.where(change < 0, cut.values[:, tail], change)
        change = change / ((cut.times[tail] - cut.times[before]) / 1000.0)
    return change, enough


def irate(cut: Windows) -> Rows:
    """Per-second increase between the last two samples."""
    return _last_two(cut, counter=True)


def idelta(cut: Windows) -> Rows:
    """Change between the last two samples."""
    return _last_two(cut, counter=False)


def _line(cut: Windows, at: Times, seconds: Floats | None) -> Rows:
    """Least squares per window: the slope, or the line's value `seconds` after the times `at`."""

    def fit(times: Times, values: Floats, mask: Mask, columns: slice) -> Floats:
        n = np.maximum(mask.sum(axis=0), 1)
        x = np.where(mask, (times - at[columns]) / 1000.0, 0.0)
        y = np.where(mask, values, 0.0)
        mean_x, mean_y = x.sum(axis=0) / n, y.sum(axis=0) / n
        dx = np.where(mask, x - mean_x, 0.0)
        dy = np.where(mask, y - mean_y, 0.0)
        slope = (dx * dy).sum(axis=0) / (dx * dx).sum(axis=0)
        flat = np.where(mask, values == values[0], True).all(axis=0)
        slope = np.where(flat, 0.0, slope)
        if seconds is None:
            return slope
        intercept = np.where(flat, values[0], mean_y - slope * mean_x)
        predicted: Floats = slope * seconds[columns] + intercept
        return predicted

    return cut.gathered(fit), cut.count >= 2


def deriv(cut: Windows) -> Rows:
    """Slope per second of a straight line through the window."""
    return _line(cut, cut.times[np.minimum(cut.first, len(cut.times) - 1)], None)


def predict_linear(cut: Windows, seconds: Floats) -> Rows:
    """Value of that line `seconds` after the evaluation time."""
    return _line(cut, cut.steps, seconds)


def holt_winters(cut: Windows, smoothing: Floats, trend: Floats) -> Rows:
    """Double exponential smoothing: the level at the window's end."""
    for name, short, factors in (("smoothing", "sf", smoothing), ("trend", "tf", trend)):
        outside = factors[(factors <= 0) | (factors >= 1)]
        if outside.size:
            msg = f"invalid {name} factor. Expected: 0 < {short} < 1, got: {outside[0]:f}"
            raise ExecutionError(msg)

    def smooth(_: Times, values: Floats, mask: Mask, columns: slice) -> Floats:
        level_share, trend_share = smoothing[columns], trend[columns]
        before: Floats = np.zeros(values.shape[1])
        level: Floats = values[0]
        slope = values[min(1, len(values) - 1)] - values[0]
        for row in range(1, len(values)):
            if row > 1:
                moved = trend_share * (level - before) + (1 - trend_share) * slope
                slope = np.where(mask[row], moved, slope)
            after = level_share * values[row] + (1 - level_share) * (level + slope)
            before = np.where(mask[row], level, before)
            level = np.where(mask[row], after, level)
        return level

    return cut.gathered(smooth), cut.count >= 2


def _added(term: Floats, total: Floats, lost: Floats) -> tuple[Floats, Floats]:
    """Add with Neumaier's correction; return the sum and what rounding lost so far."""
    after = total + term
    larger = np.abs(total) >= np.abs(term)
    return after, lost + np.where(larger, (total - after) + term, (term - after) + total)


def _sum(_: Times, values: Floats, mask: Mask, __: slice) -> Floats:
    total, lost = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for row, held in zip(values, mask, strict=True):
        total, lost = _added(np.where(held, row, 0.0), total, lost)
    return np.where(np.isinf(total), total, total + lost)


def _mean(_: Times, values: Floats, mask: Mask, __: slice) -> Floats:
    mean, lost = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for before, (row, held) in enumerate(zip(values, mask, strict=True)):
        stuck = np.isinf(mean) & (np.isfinite(row) | (row == mean))
        moved, rest = _added(row / (before + 1) - mean / (before + 1), mean, lost)
        used = held & ~stuck
        mean, lost = np.where(used, moved, mean), np.where(used, rest, lost)
    return np.where(np.isinf(mean), mean, mean + lost)


def _variance(_: Times, values: Floats, mask: Mask, __: slice) -> Floats:
    n = np.maximum(mask.sum(axis=0), 1)
    mean = np.where(mask, values, 0.0).sum(axis=0) / n
    spread: Floats = np.where(mask, (values - mean) ** 2, 0.0).sum(axis=0) / n
    return spread


def quantile_over_time(cut: Windows, q: Floats) -> Rows:
    """Quantile q of the window's samples, interpolated linearly."""

    def pick(_: Times, values: Floats, mask: Mask, columns: slice) -> Floats:
        return masked_quantile(q[columns], values, mask)

    return cut.gathered(pick), cut.count > 0


def _any(function: Callable[[Windows], Floats]) -> Callable[[Windows], Rows]:
    return lambda cut: (function(cut), cut.count > 0)


def _changes(cut: Windows) -> Floats:
    now, before = cut.values[:, 1:], cut.values[:, :-1]
    moved = np.zeros(cut.values.shape, dtype=bool)
    moved[:, 1:] = (now != before) & ~(np.isnan(now) & np.isnan(before))
    return cut.transitions(moved)


def _same(of: Callable[[Windows], Floats]) -> Callable[[Windows], Rows]:
    """Return a function whose values do not depend on the samples' values."""
    return _any(lambda cut: np.broadcast_to(of(cut), (len(cut.values), len(cut.first))))


FUNCTIONS: dict[str, Callable[..., Rows]] = {
    "rate": rate,
    "increase": increase,
    "delta": delta,
    "irate": irate,
    "idelta": idelta,
    "deriv": deriv,
    "predict_linear": predict_linear,
    "holt_winters": holt_winters,
    "quantile_over_time": quantile_over_time,
    "resets": _any(lambda cut: cut.transitions(_resets(cut.values))),
    "changes": _any(_changes),
    "avg_over_time": _any(lambda cut: cut.gathered(_mean)),
    "sum_over_time": _any(lambda cut: cut.gathered(_sum)),
    "min_over_time": _any(lambda cut: cut.reduce(np.fmin)),
    "max_over_time": _any(lambda cut: cut.reduce(np.fmax)),
    "stddev_over_time": _any(lambda cut: np.sqrt(cut.gathered(_variance))),
    "stdvar_over_time": _any(lambda cut: cut.gathered(_variance)),
    "last_over_time": _any(lambda cut: cut.values[:, np.maximum(cut.last - 1, 0)]),
    "count_over_time": _same(lambda cut: cut.count.astype(np.float64)),
    "present_over_time": _same(lambda cut: np.ones(len(cut.first))),
}
WITH_PARAMETERS = frozenset({"predict_linear", "holt_winters", "quantile_over_time"})
