"""All series of one metric in one matrix, so that a hundred cost little more than one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.world import Direction, Floats, Labels, MetricSpec, Series

Mask = npt.NDArray[np.bool_]
MOST_SAMPLES = 20_000  # of one grid: one stray time stamp must not eat the memory


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """Series of one metric on one grid: `values[i, t]` is series i at `times[t]`, NaN unknown."""

    spec: MetricSpec
    labels: tuple[Labels, ...]
    times: Floats  # epoch seconds, rising by `step_seconds`
    values: Floats  # (series, times)
    step_seconds: float

    @classmethod
    def of(cls, spec: MetricSpec, series: Sequence[Series]) -> Readings:
        """Put series on the finest of their grids; those without a sample are left out."""
        known = [each for each in series if each.times.size]
        if not known:
            return cls(spec, (), np.empty(0), np.empty((0, 0)), 60.0)
        step = min(each.step_seconds for each in known) or 60.0
        first = min(float(each.times[0]) for each in known)
        last = max(float(each.times[-1]) for each in known)
        size = min(round((last - first) / step) + 1, MOST_SAMPLES)
        first = max(first, last - (size - 1) * step)
        values = np.full((len(known), size), np.nan)
        for row, each in enumerate(known):
            place = np.rint((each.times - first) / step).astype(np.int64)
            inside = (place >= 0) & (place < size)
            values[row, place[inside]] = each.values[inside]
        values[~np.isfinite(values)] = np.nan
        times = first + step * np.arange(size, dtype=np.float64)
        return cls(spec, tuple(each.labels for each in known), times, values, step)

    @property
    def ceiling(self) -> float | None:
        """Where a share that should be high ends: 1 or 100. None: bad is up, or there is no end."""
        if self.spec.bad_direction is not Direction.DOWN:
            return None
        return {"ratio": 1.0, "percent": 100.0, "%": 100.0}.get(self.spec.unit)

    @property
    def badness(self) -> Floats:
        """The values turned so that bad is up.

        Of a share that should be high what is missing is looked at: from 99.9 % to 99 % ten times
        as much fails. Anything else that should be high is negated.
        """
        if self.spec.bad_direction is not Direction.DOWN:
            return self.values
        if self.ceiling is None:
            return -self.values
        missing: Floats = self.ceiling - self.values
        return missing

    def limit(self) -> float | None:
        """The catalogue's limit, turned as `badness` is."""
        limit = self.spec.threshold
        if limit is None or self.spec.bad_direction is not Direction.DOWN:
            return limit
        return -limit if self.ceiling is None else self.ceiling - limit

    def back(self, value: float) -> float:
        """Return a value of `badness` as the metric has it."""
        if self.spec.bad_direction is not Direction.DOWN:
            return value
        return -value if self.ceiling is None else self.ceiling - value


def median_of(values: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the median of each row's known values (NaN where none is) and how many are known."""
    count = (~np.isnan(values)).sum(axis=1).astype(np.int64)
    if values.shape[1] == 0:
        return np.full(values.shape[0], np.nan), count
    ordered = np.sort(values, axis=1)  # NaN goes to the end
    rows = np.arange(values.shape[0])
    low = np.maximum((count - 1) // 2, 0)
    high = np.minimum(count // 2, values.shape[1] - 1)
    middle: Floats = (ordered[rows, low] + ordered[rows, high]) / 2
    return np.where(count > 0, middle, np.nan), count
