"""What is usual for a series now: the baseline ladder, the best rung that has something to say.

learned profile         7–30 days, by hour of the day or week
lately                  the last hours before what is asked about
  and yesterday         the same hours a day ago: what they show as well is no news
twins                   the other replicas, of a series too young for any of these
limit                   the catalogue's, where nothing shows what is usual
young                   nothing: only limit, growth and composition speak
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from tools.analysis.baseline import (
    DAY,
    MAD_TO_SIGMA,
    SCALE_FLOOR_LEVEL,
    SCALE_FLOOR_STD,
    expected,
)
from tools.analysis.metric_facts.readings import Mask, Readings, median_of
from tools.world import Baseline, Direction, Floats

LEAST_SAMPLES = 10  # of the past before it shows what is usual
LONGEST_PAST = DAY  # seconds looked back on for "lately"
AROUND = 1800.0  # seconds of slack around yesterday's same hours
TINY = 1e-9


class Rung(StrEnum):
    """What the usual was taken from."""

    PROFILE = "profile"
    LATELY = "lately"
    TWINS = "twins"
    LIMIT = "limit"
    YOUNG = "young"


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What is usual for every series of some readings, in their `badness`."""

    rungs: tuple[Rung, ...]
    center: Floats  # (series, times)
    scale: Floats  # (series, times), one robust σ, > 0
    samples: npt.NDArray[np.int64]  # of the past that it rests on, by series


def usual_of(
    readings: Readings,
    since: float,
    profiles: Mapping[int, Baseline] | None = None,
) -> Usual:
    """Return what is usual from `since` (epoch seconds) on; `profiles` by the series' index."""
    badness = readings.badness
    past = (readings.times < since) & (readings.times >= since - LONGEST_PAST)
    center, scale, count = _lately(badness[:, past])
    rungs = [Rung.LATELY if n >= LEAST_SAMPLES else Rung.YOUNG for n in count.tolist()]
    wide = np.repeat(center[:, None], readings.times.size, axis=1)
    spread = np.repeat(scale[:, None], readings.times.size, axis=1)
    for row, baseline in (profiles or {}).items():
        at, sigma = expected(baseline, readings.times)
        wide[row] = _turned(readings, at)
        spread[row] = np.maximum(sigma, TINY)
        rungs[row] = Rung.PROFILE
        count[row] = baseline.samples
    return Usual(tuple(rungs), wide, spread, count)


def _turned(readings: Readings, values: Floats) -> Floats:
    if readings.spec.bad_direction is not Direction.DOWN:
        return values
    return -values if readings.ceiling is None else readings.ceiling - values


def _lately(past: Floats) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Return centre, scale and count of each row of the past."""
    center, count = median_of(past)
    away = np.abs(past - center[:, None])
    mad, _ = median_of(away)
    # Half of a clipped deviation keeps σ meaningful where most samples are equal.
    known = np.isfinite(past)
    clipped = np.where(known, np.minimum(away, 6 * np.maximum(mad, TINY)[:, None]), 0.0)
    spread = np.sqrt((clipped**2).sum(axis=1) / np.maximum(count, 1))
    scale = np.maximum(MAD_TO_SIGMA * mad, SCALE_FLOOR_STD * spread)
    scale = np.maximum(scale, SCALE_FLOOR_LEVEL * np.abs(center))
    return center, np.where(count > 0, np.maximum(scale, TINY), np.nan), count


def same_hours_yesterday(
    past: Readings, row: int, first: float, last: float
) -> tuple[float, float] | None:
    """Return centre and scale a day before `first` … `last`, or None when too little is known.

    `past` is a coarser reading of the same metric; `row` is the series' place in it.
    """
    inside: Mask = (past.times >= first - DAY - AROUND) & (past.times <= last - DAY + AROUND)
    center, scale, count = _lately(past.badness[row : row + 1, inside])
    return (float(center[0]), float(scale[0])) if int(count[0]) >= LEAST_SAMPLES // 2 else None
