"""Which faults are open since when: the only state metrics and logs depend on.

    open(fault, at)    the serving pods began to carry the fault
    close(fault, at)   they no longer do; the effect then decays with the scenario's time constant

Metrics and logs are pure functions of (seed, series, time, intervals): no sample is stored.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Interval:
    """One stretch of world time during which a fault was open."""

    opened_at: float  # seconds since 1970 UTC
    closed_at: float | None = None  # None: still open

    @property
    def end(self) -> float:
        """Closing time, or infinity while open."""
        return math.inf if self.closed_at is None else self.closed_at


class FaultLog:
    """The intervals of every fault, kept in a JSON file when `path` is given."""

    def __init__(self, path: Path | None = None) -> None:
        """Load what `path` holds, if it exists."""
        self._path = path
        self._intervals: dict[str, tuple[Interval, ...]] = {}
        self._version = 0
        if path is not None and path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            self._intervals = {
                fault: tuple(Interval(opened, closed) for opened, closed in rows)
                for fault, rows in stored.items()
            }

    @property
    def version(self) -> int:
        """Changes with every open, close or clear, so that caches know when they are stale."""
        return self._version

    def intervals(self, fault_id: str) -> tuple[Interval, ...]:
        """Return the intervals of one fault, oldest first; none for a fault that never opened."""
        return self._intervals.get(fault_id, ())

    def is_open(self, fault_id: str) -> bool:
        """Whether the fault is open now."""
        rows = self.intervals(fault_id)
        return bool(rows) and rows[-1].closed_at is None

    def open(self, fault_id: str, at: float) -> None:
        """Record that the fault began at `at`; opening an open fault changes nothing."""
        if self.is_open(fault_id):
            return
        self._replace(fault_id, (*self.intervals(fault_id), Interval(at)))

    def close(self, fault_id: str, at: float) -> None:
        """Record that the fault ended at `at`; closing a closed fault changes nothing."""
        if not self.is_open(fault_id):
            return
        *earlier, last = self.intervals(fault_id)
        closed = Interval(last.opened_at, max(at, last.opened_at))
        self._replace(fault_id, (*earlier, closed))

    def _replace(self, fault_id: str, rows: tuple[Interval, ...]) -> None:
        self._intervals[fault_id] = rows
        self._version += 1
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        stored = {
            fault: [[row.opened_at, row.closed_at] for row in intervals]
            for fault, intervals in self._intervals.items()
        }
        draft = self._path.with_suffix(".tmp")
        draft.write_text(json.dumps(stored, indent=1), encoding="utf-8")
        draft.replace(self._path)
