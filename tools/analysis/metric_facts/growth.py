"""Growth: what only ever rises needs no baseline to be noticed.

At least 10 samples, 85 % of their steps do not fall, and the last lies 5 % or more above the first:
a queue, a lag, a disk, memory that leaks. What rises by less than its own noise does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tools.analysis.metric_facts.readings import Readings

LEAST_SAMPLES = 10
NOT_FALLING = 0.85
LEAST_RISE = 0.05
STEADY = 0.6  # of the rise must lie outside its largest step: a jump is no growth


@dataclass(frozen=True, slots=True)
class Growth:
    """A series that grows to the end of the window."""

    row: int
    since: float  # epoch seconds: when it began to rise
    first: float  # as the metric has it
    last: float
    per_hour: float  # in the unit of the metric


def growing(readings: Readings, since: float) -> list[Growth]:
    """Return the series whose badness grows from `since` (epoch seconds) to now."""
    found = []
    inside = np.flatnonzero(readings.times >= since)
    if inside.size < LEAST_SAMPLES:
        inside = np.arange(max(readings.times.size - LEAST_SAMPLES, 0), readings.times.size)
    badness = readings.badness
    for row in range(badness.shape[0]):
        known = inside[~np.isnan(badness[row, inside])]
        if known.size < LEAST_SAMPLES or known[-1] < readings.times.size - 3:
            continue
        begin = _begin(badness[row, known])
        part, at = badness[row, known[begin:]], readings.times[known[begin:]]
        if part.size >= LEAST_SAMPLES and _grows(part):
            hours = float(at[-1] - at[0]) / 3600
            found.append(
                Growth(
                    row=row,
                    since=float(at[0]),
                    first=readings.back(float(part[0])),
                    last=readings.back(float(part[-1])),
                    per_hour=float(part[-1] - part[0]) / hours if hours > 0 else 0.0,
                )
            )
    return found


def _begin(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> int:
    """Return where the last rise begins: the last place at its lowest level."""
    low = float(values.min())
    slack = 0.02 * (float(values[-1]) - low)
    return int(np.flatnonzero(values <= low + max(slack, 0.0))[-1])


def _grows(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    steps = np.diff(values)
    rise = float(values[-1] - values[0])
    base = max(abs(float(values[0])), 1e-9)
    if rise < LEAST_RISE * base or (steps >= 0).mean() < NOT_FALLING:
        return False
    return float(steps.max()) <= (1 - STEADY + 0.1) * rise or (steps > 0).sum() >= LEAST_SAMPLES
