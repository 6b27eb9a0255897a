"""From samples as a backend returns them to a regular grid, and what was changed on the way.

    samples (any order, duplicates, ±Inf, gaps) --normalise--> Series on a grid + Normalised counts

A *slot* is one place of the grid; times are epoch seconds, so the grid is UTC. When two samples
fall into one slot, the later in the input wins. A gap stays NaN; it is bridged by straight lines up
to `fill_limit` slots, never at the ends. Prometheus' stale marker is a NaN and ends a value here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tools.world import Floats, Labels, Series

TELL_MISSING_RATIO = 0.05  # from here on whoever reads a conclusion is told what is missing
MAX_SLOTS = 2_000_000  # a wrong step or one stray timestamp must not eat the memory


@dataclass(frozen=True, slots=True, eq=False)
class Normalised:
    """A series on a regular grid and what it took to get there."""

    series: Series
    duplicates: int  # samples that lost their slot to a later one
    infinite: int  # ±Inf values turned into NaN
    dropped: int  # samples whose time was not finite
    disordered: int  # samples that came before an earlier one
    filled: int  # slots bridged between two known values
    longest_gap_seconds: float  # longest stretch that stayed NaN

    @property
    def missing_ratio(self) -> float:
        """Share of the grid that stayed without a value, in [0, 1]."""
        return self.series.missing_ratio


def infer_step(times: npt.ArrayLike) -> float:
    """Return the median distance of consecutive times in seconds; 60 when there is none."""
    known = np.asarray(times, dtype=float)
    known = np.unique(known[np.isfinite(known)])
    return float(np.median(np.diff(known))) if known.size > 1 else 60.0


def normalise(
    times: npt.ArrayLike,
    values: npt.ArrayLike,
    *,
    step_seconds: float | None = None,
    fill_limit: int = 0,
    metric: str = "",
    labels: Labels = (),
    unit: str = "",
) -> Normalised:
    """Put samples on a regular UTC grid whose phase is that of the earliest sample.

    Raises ValueError for columns of different length, a step that is not positive, or a span
    that would need more than `MAX_SLOTS` slots.
    """
    at = np.asarray(times, dtype=float).ravel()
    raw = np.asarray(values, dtype=float).ravel().copy()
    if at.size != raw.size:
        raise ValueError(f"{at.size} times but {raw.size} values: every sample needs both")
    step = infer_step(at) if step_seconds is None else float(step_seconds)
    if not (math.isfinite(step) and step > 0):
        raise ValueError(f"step_seconds must be a positive number, got {step_seconds!r}")
    keep = np.isfinite(at)
    dropped = int((~keep).sum())
    at, raw = at[keep], raw[keep]
    infinite = int(np.isinf(raw).sum())
    raw[np.isinf(raw)] = np.nan
    if at.size == 0:
        empty = Series(metric, labels, np.empty(0), np.empty(0), step, unit)
        return Normalised(empty, 0, infinite, dropped, 0, 0, 0.0)
    disordered = int((np.diff(at) < 0).sum())
    first = float(at.min())
    slots = (at.max() - first) / step + 1
    if slots > MAX_SLOTS:
        raise ValueError(f"{slots:.0f} slots of {step:g} s: use a longer step or a shorter window")
    index = np.rint((at - first) / step).astype(np.int64)
    grid = np.full(int(index.max()) + 1, np.nan)
    duplicates = 0
    if not (np.diff(index) > 0).all():  # of those that share a slot, keep the last in input order
        _, newest = np.unique(index[::-1], return_index=True)
        keep_last = index.size - 1 - newest
        duplicates = int(index.size - keep_last.size)
        index, raw = index[keep_last], raw[keep_last]
    grid[index] = raw
    grid, filled = fill_gaps(grid, fill_limit)
    series = Series(
        metric, labels, first + step * np.arange(grid.size, dtype=np.float64), grid, step, unit
    )
    gap = longest_gap(grid) * step
    return Normalised(series, duplicates, infinite, dropped, disordered, filled, gap)


def normalise_series(
    series: Series, *, step_seconds: float | None = None, fill_limit: int = 0
) -> Normalised:
    """Normalise a series a backend built; keeps its step unless another is given."""
    return normalise(
        series.times,
        series.values,
        step_seconds=step_seconds or series.step_seconds or None,
        fill_limit=fill_limit,
        metric=series.metric,
        labels=series.labels,
        unit=series.unit,
    )


def _gaps(values: Floats) -> list[tuple[int, int]]:
    """Return [start, end) of every run of NaN."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.isnan(values).view(np.int8), [0]))))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def longest_gap(values: Floats) -> int:
    """Return the length of the longest run of NaN."""
    return max((b - a for a, b in _gaps(values)), default=0)


def fill_gaps(values: Floats, limit: int) -> tuple[Floats, int]:
    """Bridge inner gaps of at most `limit` slots by straight lines; return values and count."""
    result = values.copy()
    filled = 0
    for start, end in _gaps(values):
        if end - start > limit or start == 0 or end == values.size:
            continue
        left, right = values[start - 1], values[end]
        share = np.arange(1, end - start + 1) / (end - start + 1)
        result[start:end] = left * (1 - share) + right * share
        filled += end - start
    return result, filled


def counter_resets(values: Floats) -> int:
    """Return how often a counter fell, which it does only when its process began anew."""
    known = values[~np.isnan(values)]
    return int((np.diff(known) < 0).sum())


def resample(series: Series, step_seconds: float) -> Series:
    """Return medians on a coarser grid aligned to the epoch; a finer step changes nothing."""
    if step_seconds <= series.step_seconds or series.values.size == 0:
        return series
    import pandas as pd

    samples = pd.Series(series.values, index=pd.to_datetime(series.times, unit="s"))
    medians = samples.resample(pd.Timedelta(seconds=step_seconds), origin="epoch").median()
    first = np.floor(series.times[0] / step_seconds)
    times = (first + np.arange(medians.size, dtype=np.float64)) * step_seconds
    values: Floats = np.asarray(medians, dtype=np.float64)
    return replace(series, times=times, values=values, step_seconds=float(step_seconds))
