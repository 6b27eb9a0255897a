"""True extremes of a window that was read with fewer samples than there are.

A week comes as one sample per ten minutes: a spike of two minutes between them is in none. So the
store itself is asked for the least and the most of each step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from tools.errors import BackendError
from tools.observe.asking import stamp
from tools.observe.figures import Figures
from tools.ports import Metrics
from tools.world import Labels, Series, Window

FINE_SECONDS = 60.0  # a step up to this is as fine as scrapes are
LOOKS_PER_STEP = 10  # evaluations inside a step
LEAST_SECONDS = 15.0

Extreme = tuple[float, str]  # a value and when it was


@dataclass(frozen=True, slots=True)
class Extremes:
    """The least and the most of each series; `note` says when they are not known."""

    low: Mapping[Labels, Extreme]
    high: Mapping[Labels, Extreme]
    note: str = ""

    def of(self, figures: Figures, series: Series) -> Figures:
        """Return figures with the true extremes."""
        return figures.reaching(self.low.get(series.labels), self.high.get(series.labels))


async def extremes(
    metrics: Metrics, expression: str, window: Window, read: Sequence[Series]
) -> Extremes:
    """Ask for the extremes of what was read; a store that refuses costs only them."""
    step = read[0].step_seconds if read else 0.0
    if step <= FINE_SECONDS:
        return Extremes({}, {})
    inside = max(LEAST_SECONDS, math.ceil(step / LOOKS_PER_STEP))
    width, reach = timedelta(seconds=step), f"[{step:g}s:{inside:g}s]"
    try:  # one after the other: of each answer only a pair per series is kept
        low = await metrics.query_range(f"min_over_time(({expression}){reach})", window, width)
        lowest = _furthest(low, -1)
        del low
        high = await metrics.query_range(f"max_over_time(({expression}){reach})", window, width)
    except BackendError as error:
        note = f"min and max are of one sample per {step:g} s; what lies between is not known"
        return Extremes({}, {}, f"{note} ({error})")
    return Extremes(lowest, _furthest(high, 1))


def _furthest(answer: Sequence[Series], sign: int) -> dict[Labels, Extreme]:
    found: dict[Labels, Extreme] = {}
    for series in answer:
        known = np.flatnonzero(np.isfinite(series.values))
        if known.size:
            index = int(known[(sign * series.values[known]).argmax()])
            found[series.labels] = (float(series.values[index]), stamp(series.at(index)))
    return found
