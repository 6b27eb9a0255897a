"""The newest points of many series on one grid: a row per series, a column per slot.

    slot   …  newest−240  …  newest          time of a slot = phase + slot · step
    row    [ NaN 0.2 0.3 …     NaN ]         NaN: nothing is known, or not yet

Columns are appended to the right; a little slack is kept there, so that a row is moved only every
thirtieth minute. A sample that comes late finds its column as long as that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.world import Floats

Rows = npt.NDArray[np.int64]
KEPT = 241  # columns: four hours by the minute, both ends
SLACK = 30  # columns between two moves


@dataclass(frozen=True, slots=True)
class SlotGrid:
    """Where the columns stand in time."""

    step_seconds: float = 60.0
    phase_seconds: float = 0.0  # of every slot's time, within [0, step)
    kept: int = KEPT

    def slot_at(self, seconds: float) -> int:
        """Return the newest slot at or before a time."""
        return int((seconds - self.phase_seconds) // self.step_seconds)

    def time_of(self, slot: int) -> float:
        """Return a slot's time in epoch seconds."""
        return self.phase_seconds + slot * self.step_seconds

    def times(self, newest: int) -> Floats:
        """Return the times of the kept columns, oldest first."""
        slots = np.arange(newest - self.kept + 1, newest + 1, dtype=np.float64)
        return self.phase_seconds + slots * self.step_seconds


@dataclass(frozen=True, slots=True)
class Written:
    """What one answer brought for rows that were known."""

    new: int = 0  # samples of slots that nobody had asked for yet
    late: int = 0  # samples of slots that were empty when they were asked for first
    corrected: int = 0  # samples that are not what they were


class Recent:
    """The kept columns of a fixed number of rows."""

    def __init__(self, rows: int, grid: SlotGrid, newest: int) -> None:
        """Nothing is known yet; `newest` is the slot of the last column."""
        self.grid, self.newest = grid, newest
        self._room = np.full((rows, grid.kept + SLACK), np.nan)
        self._end = grid.kept  # columns in use

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._room.nbytes

    @property
    def window(self) -> Floats:
        """The kept columns, oldest first; a view."""
        return self._room[:, self._end - self.grid.kept : self._end]

    def advance(self, newest: int) -> None:
        """Append empty columns up to a slot; what leaves on the left is forgotten."""
        more = newest - self.newest
        if more <= 0:
            return
        kept = self.grid.kept
        self.newest = newest
        if more >= kept:
            self._room.fill(np.nan)
            self._end = kept
            return
        if self._end + more > self._room.shape[1]:
            stay = kept - more
            self._room[:, :stay] = self._room[:, self._end - stay : self._end].copy()
            self._room[:, stay:] = np.nan
            self._end = kept
            return
        self._room[:, self._end : self._end + more] = np.nan
        self._end += more

    def write(self, rows: Rows, first: int, values: Floats, asked_to: int) -> Written:
        """Put samples of slots `first`, `first` + 1 … into rows; NaN never overwrites a value.

        `asked_to` is the last slot that had been asked for before: what comes for it and older
        ones is late, or a correction. Slots that are not kept are passed by.
        """
        window = self.window
        column = first - (self.newest - self.grid.kept + 1)
        begin, end = max(0, -column), min(values.shape[1], self.grid.kept - column)
        if end <= begin or rows.size == 0:
            return Written()
        part = values[:, begin:end]
        target = np.s_[column + begin : column + end]
        old = window[rows, target]
        known = ~np.isnan(part)
        again = (first + np.arange(begin, end) <= asked_to)[None, :]
        absent = np.isnan(old)
        late = known & again & absent
        corrected = known & again & ~absent & (part != old)
        new = known & ~again
        window[rows, target] = np.where(known, part, old)
        return Written(int(new.sum()), int(late.sum()), int(corrected.sum()))

    def clear(self, row: int) -> None:
        """Forget a row."""
        self._room[row] = np.nan
