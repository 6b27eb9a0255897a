"""Up to 2,048 series that are judged together: their points, what was learned, their limits."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tools.analysis.state.profiles import Profiles
from tools.analysis.state.recent import Recent, SlotGrid
from tools.world import Direction, MetricSpec

SIZE = 2048
UP, DOWN, BOTH = 0, 1, 2
CODES = {Direction.UP: UP, Direction.DOWN: DOWN, Direction.BOTH: BOTH}


class Block:
    """Rows of one grid. `watched` says which rows are in use and were read in this cycle."""

    def __init__(self, grid: SlotGrid, newest: int, size: int = SIZE) -> None:
        """Every row is free."""
        self.recent = Recent(size, grid, newest)
        self.profiles = Profiles(size)
        self.limit = np.full(size, np.nan)
        self.direction = np.zeros(size, dtype=np.int8)
        self.used = np.zeros(size, dtype=bool)
        self.watched = np.zeros(size, dtype=bool)
        self.source = np.full(size, -1, dtype=np.int32)
        self.seen = np.full(size, -1, dtype=np.int64)  # slot of the newest sample ever
        self.own: dict[str, npt.NDArray[Any]] = {}  # what a detector keeps of each row

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        own = [self.limit, self.direction, self.used, self.watched, self.source, self.seen]
        kept = sum(each.nbytes for each in [*own, *self.own.values()])
        return self.recent.nbytes + self.profiles.nbytes + kept

    def take(self, row: int, spec: MetricSpec, source: int) -> None:
        """Give a free row to a series."""
        self.used[row], self.source[row] = True, source
        self.describe(row, spec)

    def describe(self, row: int, spec: MetricSpec) -> None:
        """Note what the catalogue says of a row."""
        self.limit[row] = np.nan if spec.threshold is None else spec.threshold
        self.direction[row] = CODES[spec.bad_direction]

    def free(self, row: int) -> None:
        """Forget a row."""
        self.recent.clear(row)
        self.profiles.put(row, None)
        self.used[row] = self.watched[row] = False
        self.source[row] = self.seen[row] = -1
        for each in self.own.values():
            each[row] = 0
