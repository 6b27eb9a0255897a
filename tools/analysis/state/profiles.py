"""What was learned of many series, as single-precision arrays, and what it expects at a time.

A profile has a value per quarter of an hour of a day (96) or a week (672), its spread one per
quarter of a day. `at` and `over` say the same as `tools.analysis.baseline.expected`, to the bit,
for a baseline that `fits`; one of another shape (brought from elsewhere) is kept as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from tools.analysis.baseline import PER_DAY, PER_WEEK, SLOT, expected
from tools.analysis.state.recent import Rows
from tools.world import Baseline, Floats, Labels, MetricName

Singles = npt.NDArray[np.float32]
LEARNED_NOTHING = datetime.fromtimestamp(0, tz=UTC)


def fits(baseline: Baseline) -> bool:
    """Say whether a baseline's spread repeats every day and its slots are the usual ones."""
    sizes = baseline.profile.size in {PER_DAY, PER_WEEK}
    if not sizes or baseline.slot_seconds != SLOT or baseline.spread.size != baseline.profile.size:
        return False
    days = baseline.spread.reshape(-1, PER_DAY)
    return bool((days == days[0]).all())


class Profiles:
    """The profiles of a fixed number of rows; `season` is 0 where nothing was learned."""

    def __init__(self, rows: int) -> None:
        """Nothing is learned yet."""
        self.profile: Singles = np.zeros((rows, PER_WEEK), dtype=np.float32)
        self.spread: Singles = np.ones((rows, PER_DAY), dtype=np.float32)
        self.season = np.zeros(rows, dtype=np.int16)
        self.odd: dict[int, Baseline] = {}

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        odd = sum(each.profile.nbytes + each.spread.nbytes for each in self.odd.values())
        return self.profile.nbytes + self.spread.nbytes + self.season.nbytes + odd

    @property
    def learned(self) -> npt.NDArray[np.bool_]:
        """Whether anything was learned, per row."""
        return self.season > 0

    def put(self, row: int, baseline: Baseline | None) -> None:
        """Replace what was learned of a row."""
        self.odd.pop(row, None)
        if baseline is None:
            self.season[row] = 0
            return
        if not fits(baseline):
            self.odd[row], self.season[row] = baseline, 1
            return
        size = baseline.profile.size
        self.season[row] = size
        self.profile[row, :size] = baseline.profile
        self.spread[row] = baseline.spread[:PER_DAY]

    def baseline(self, row: int, metric: str, labels: Labels) -> Baseline | None:
        """Return a row's baseline as the one-by-one detector takes it: profile and spread alone."""
        if row in self.odd:
            return self.odd[row]
        size = int(self.season[row])
        if size == 0:
            return None
        return Baseline(
            metric=MetricName(metric),
            labels=labels,
            learned_at=LEARNED_NOTHING,
            history=timedelta(0),
            samples=0,
            slot_seconds=SLOT,
            profile=self.profile[row, :size].astype(np.float64),
            spread=np.tile(self.spread[row].astype(np.float64), size // PER_DAY),
            mean=0.0,
            std=0.0,
            median=0.0,
            mad=0.0,
            trend_per_day=0.0,
            quality=0.0,
        )

    def at(self, rows: Rows, times: Floats) -> tuple[Floats, Floats]:
        """Return (center, scale) of each row at its own time; NaN, 1 where nothing was learned."""
        season = self.season[rows].astype(np.int64)
        usual = np.maximum(season, PER_DAY)
        center = _interpolated(self.profile, rows, usual, times)
        scale = _interpolated(self.spread, rows, np.full(rows.size, PER_DAY), times)
        center[season == 0] = np.nan
        scale[season == 0] = 1.0
        for position in np.flatnonzero(season == 1).tolist():
            middle, sigma = expected(self.odd[int(rows[position])], times[position : position + 1])
            center[position], scale[position] = middle[0], sigma[0]
        return center, scale


def _interpolated(table: Singles, rows: Rows, size: npt.NDArray[np.int64], at: Floats) -> Floats:
    """Read cyclic tables as `np.interp(at mod season, middles, table, period=season)` does."""
    within = np.mod(at, size * SLOT)
    left = np.floor(within / SLOT - 0.5).astype(np.int64)
    # The middle of a slot is exact, so a time on it belongs to the interval that begins there.
    begin = (left + 0.5) * SLOT
    low = table[rows, left % size].astype(np.float64)
    high = table[rows, (left + 1) % size].astype(np.float64)
    slope = (high - low) / ((left + 1.5) * SLOT - begin)
    value: Floats = slope * (within - begin) + low
    return value
