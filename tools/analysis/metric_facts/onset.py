"""When it began and whether it is still there.

The change point is the sample that splits best into "as usual" and "other" around where the series
went beyond. It may be wrong by a step, half the range that the query looks back on, and a scrape.

`increase(…[30m])` repeats old trouble for half an hour: it rises while trouble lasts, stands while
its window holds all of it, then falls. Where such a series stands still before its range is over,
what it tells of has ended.
"""

from __future__ import annotations

import re

import numpy as np

from tools.analysis.metric_facts.readings import Mask, Readings
from tools.world import Floats

SCRAPE = 30.0  # seconds between a moment and its sample, at most of usual settings
LOOK_BACK = 12  # samples before the first one beyond that may be the change point
STILL = 2  # steps that must show it for it to be present
LONG_RANGE = 4  # steps of a range from which on it smears
_RANGE = re.compile(r"\[(\d{1,4})(ms|[smhd])[\]:]")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def range_of(query: str) -> float:
    """Return the longest range in seconds that a PromQL expression looks back on; 0: none."""
    return max((int(n) * _SECONDS[unit] for n, unit in _RANGE.findall(query)), default=0.0)


def tolerance_of(readings: Readings) -> float:
    """Return by how many seconds an onset may be wrong."""
    return readings.step_seconds + range_of(readings.spec.query) / 2 + SCRAPE


def begin_of(values: Floats, first: int, usual: float, scale: float) -> int:
    """Return the change point at or before `first`, the first sample beyond what is usual."""
    low = max(first - LOOK_BACK, 0)
    part = values[low : first + 3]
    part = np.where(np.isnan(part), usual, part)
    level = float(np.median(part[first - low :]))
    best, least = first, np.inf
    for split in range(first - low + 1):
        before = float(((part[:split] - usual) ** 2).sum())
        after = float(((part[split:] - level) ** 2).sum())
        if before + after < least - scale**2 * 1e-6:
            best, least = low + split, before + after
    return best


def ended_at(
    readings: Readings,
    row: int,
    badness: Floats,
    beyond: Mask,
    began: int,
    last: int,
    usual: float,
) -> float | None:
    """Return when it ended in epoch seconds; None while the last two steps still show it."""
    known = np.flatnonzero(~np.isnan(readings.values[row]))
    newest = known[-STILL:]
    now = readings.times.size - 1
    stale = int(known[-1]) < now - 5
    if stale or not beyond[newest].all():
        hits = np.flatnonzero(beyond[: last + 1])
        return float(readings.times[int(hits[-1]) if hits.size else last])
    reach = range_of(readings.spec.query) / readings.step_seconds
    if "increase(" not in readings.spec.query or reach < LONG_RANGE:
        return None
    risen = badness[began:] - usual
    top = float(np.nanmax(risen))
    rising = np.flatnonzero(np.diff(risen) > 0.02 * top)
    stopped = began + (int(rising[-1]) + 1 if rising.size else 0)
    over = now - stopped >= STILL and now - began < reach
    return float(readings.times[stopped]) if over else None
