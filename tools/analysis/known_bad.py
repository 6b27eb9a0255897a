"""Stretches of a history that must not become normal: incidents, anomalies, deploys, holidays.

    history + spans ──without──> the same history, NaN where it is known to be bad

What is left out counts as missing, so a baseline of little more than holes is not learned at all.
More than `MOST_LEFT_OUT` of a history is no exception to it: then nothing is left out, or what
began as an incident and stayed could never become the new normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from tools.world import Series

MOST_LEFT_OUT = 0.25  # of the known samples


@dataclass(frozen=True, slots=True)
class BadSpan:
    """A closed span of world time."""

    start: datetime
    end: datetime


def without(series: Series, spans: Sequence[BadSpan]) -> Series:
    """Return the series with nothing known within the spans."""
    bad = np.zeros(series.times.size, dtype=bool)
    for span in spans:
        first = np.searchsorted(series.times, span.start.timestamp(), side="left")
        last = np.searchsorted(series.times, span.end.timestamp(), side="right")
        bad[first:last] = True
    known = ~np.isnan(series.values)
    if not (bad & known).any() or (bad & known).sum() > MOST_LEFT_OUT * known.sum():
        return series
    return replace(series, values=np.where(bad, np.nan, series.values))
