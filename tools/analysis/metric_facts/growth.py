"""Growth: what only ever rises needs no baseline to be noticed.

At least 10 samples, 85 % of their steps do not fall, and the last lies 5 % or more above the first:
a queue, a lag, a disk, memory that leaks. What rises by less than its own noise does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.unusual import OF_THE_WAY, OWN_PAST
from tools.world import Floats

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
    """Return the series whose badness grows to now, to somewhere it was not before.

    The rise may have begun before `since` (epoch seconds); it must not lie wholly there. With a
    limit it must have gone a quarter of the way there: memory that fills and is freed, and what
    ebbs and flows, rises now and then.
    """
    found = []
    badness, limit = readings.badness, readings.limit()
    asked = int(np.searchsorted(readings.times, since))
    for row in range(badness.shape[0]):
        known = np.flatnonzero(~np.isnan(badness[row]))
        if known.size < LEAST_SAMPLES or known[-1] < readings.times.size - 3:
            continue
        within = known[known >= min(asked, int(known[-LEAST_SAMPLES]))]
        for part in (known, within):
            rise = part[_begin(badness[row, part]) :]
            values = badness[row, rise]
            before = badness[row, known[known < rise[0]]]
            if values.size >= LEAST_SAMPLES and _grows(values) and _is_new(values, before, limit):
                found.append(_growth(readings, row, rise))
                break
    return found


def _growth(readings: Readings, row: int, rise: npt.NDArray[np.int64]) -> Growth:
    first, last = (float(readings.badness[row, at]) for at in (rise[0], rise[-1]))
    begin, end = (float(readings.times[at]) for at in (rise[0], rise[-1]))
    return Growth(
        row=row,
        since=begin,
        first=readings.back(first),
        last=readings.back(last),
        per_hour=(last - first) / max((end - begin) / 3600, 1e-9),
    )


def _is_new(values: Floats, before: Floats, limit: float | None) -> bool:
    """Say whether a rise leads beyond what was there before, and far enough towards a limit."""
    first, last = float(values[0]), float(values[-1])
    if before.size >= LEAST_SAMPLES and last <= float(np.quantile(before, OWN_PAST)):
        return False
    return limit is None or limit <= first or last - first >= OF_THE_WAY * (limit - first)


def _begin(values: Floats) -> int:
    """Return where the last rise begins: the last place at its lowest level."""
    low = float(values.min())
    slack = 0.02 * (float(values[-1]) - low)
    return int(np.flatnonzero(values <= low + max(slack, 0.0))[-1])


def _grows(values: Floats) -> bool:
    steps = np.diff(values)
    rise = float(values[-1] - values[0])
    base = max(abs(float(values[0])), 1e-9)
    if rise < LEAST_RISE * base or (steps >= 0).mean() < NOT_FALLING:
        return False
    return float(steps.max()) <= (1 - STEADY + 0.1) * rise or (steps > 0).sum() >= LEAST_SAMPLES
