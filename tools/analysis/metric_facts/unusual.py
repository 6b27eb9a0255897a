"""Which series are unusual, since when, until when, and by how much.

A series is unusual while 3 of its last 4 samples (2 of 3 where a step takes four minutes or more)
lie beyond max(4 robust σ, 20 % of what is usual; 30 % where both ways are bad), at least a quarter
of the way from usual to the limit, and beyond what its own past shows one time in fifty.

They are ordered by log-ratio: a clipped σ ties everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.analysis.metric_facts.onset import begin_of, ended_at, tolerance_of
from tools.analysis.metric_facts.readings import Mask, Readings
from tools.analysis.metric_facts.usual import Rung, Usual
from tools.world import Direction, Floats, Labels

SIGMAS = 4.0
SHARE, SHARE_BOTH = 0.2, 0.3  # of what is usual
OF_THE_WAY = 0.25  # from usual to the limit
LEAST_SHARE = 0.005  # of a whole (a ratio, a percentage): a single failed request is none
OWN_PAST = 0.98  # quantile of the past's own stretches
MORE = 1.25  # times that: the next of many spikes is no news
WHOLES = {"ratio": 1.0, "percent": 100.0, "%": 100.0}  # what a share is a share of, by unit
TINY_SCALE = 1e-9
FROM_NOTHING = 0.05  # of a value stands in for nothing
HOLE = 4  # samples: what is unusual again after fewer is one stretch
COARSE = 240.0  # seconds of a step from which on fewer samples suffice


@dataclass(frozen=True, slots=True)
class Stretch:
    """One unusual stretch of one series."""

    row: int  # of the readings
    labels: Labels
    since: float  # epoch seconds: the change point
    tolerance: float  # seconds by which `since` may be wrong
    until: float | None  # None: now
    value: float  # median of its worse half, as the metric has it
    usual: float  # as the metric has it; of a young series the limit
    log_ratio: float  # natural, of badness against usual; > 0; what it is ordered by
    excess: float  # badness above usual, in the unit of the metric
    rung: Rung
    past: int  # samples that the usual rests on


def unusual(readings: Readings, usual: Usual, since: float) -> list[Stretch]:
    """Return the last unusual stretch at or after `since` of each series, most unusual first."""
    if readings.values.size == 0:
        return []
    badness = readings.badness
    away = _away(readings, badness, usual)
    bar = _bar(readings, usual)
    beyond = away > bar
    level = _held(np.where(np.isnan(away), -np.inf, away), readings.step_seconds)
    past = readings.times < since
    news = level > np.maximum(bar, _own_past(level, level > bar, past)[:, None])
    by_limit = _beyond_limit(readings, badness)
    for row, rung in enumerate(usual.rungs):
        if rung is Rung.YOUNG:
            beyond[row] = by_limit[row]
            held = np.where(by_limit[row : row + 1], 1.0, 0.0)
            news[row] = _held(held, readings.step_seconds)[0] > 0.5
    asked = news & (readings.times >= since)
    found = [
        _stretch(readings, usual, row, beyond[row], news[row], badness[row])
        for row in np.flatnonzero(asked.any(axis=1)).tolist()
    ]
    return sorted(found, key=lambda each: (-each.log_ratio, each.labels))


def crossed_for_long(readings: Readings, usual: Usual) -> Iterator[tuple[int, float]]:
    """Yield the series beyond their limit now for which that is usual, with their last value."""
    by_limit = _beyond_limit(readings, readings.badness)
    limit = readings.limit()
    for row, rung in enumerate(usual.rungs):
        if limit is None or rung is Rung.YOUNG or usual.center[row, -1] <= limit:
            continue
        known = np.flatnonzero(~np.isnan(readings.values[row]))
        if known.size and by_limit[row, known[-2:]].all():
            yield row, float(readings.values[row, known[-1]])


def _away(readings: Readings, badness: Floats, usual: Usual) -> Floats:
    away: Floats = badness - usual.center
    return np.abs(away) if readings.spec.bad_direction is Direction.BOTH else away


def _bar(readings: Readings, usual: Usual) -> Floats:
    """Return how far beyond usual a sample must lie."""
    both = readings.spec.bad_direction is Direction.BOTH
    bar = np.maximum(SIGMAS * usual.scale, (SHARE_BOTH if both else SHARE) * np.abs(usual.center))
    whole = WHOLES.get(readings.spec.unit)
    if whole is not None:
        bar = np.maximum(bar, LEAST_SHARE * whole)
    limit = readings.limit()
    if limit is not None and not both:
        bar = np.maximum(bar, OF_THE_WAY * (limit - usual.center))
    return bar


def _held(away: Floats, step: float) -> Floats:
    """Return the level that 3 of the last 4 samples exceed (of coarse steps 2 of 3)."""
    width, skip = (3, 1) if step >= COARSE else (4, 1)
    padded = np.concatenate((np.full((away.shape[0], width - 1), -np.inf), away), axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    level: Floats = np.partition(windows, skip, axis=2)[:, :, skip]
    return level


def _own_past(level: Floats, held: Mask, past: Mask) -> Floats:
    """Return the level that the past itself exceeds one time in fifty.

    What lasts from before to the window's begin is no past: it is the trouble.
    """
    if not past.any():
        return np.full(level.shape[0], -np.inf)
    lasting = np.cumprod(held[:, past][:, ::-1], axis=1)[:, ::-1].astype(bool)
    before = np.sort(np.where(lasting, np.nan, level[:, past]), axis=1)
    count = (~np.isnan(before)).sum(axis=1)
    place = np.maximum(np.minimum(np.ceil(OWN_PAST * count).astype(np.int64), count - 1), 0)
    at = before[np.arange(before.shape[0]), place]
    at = np.where(np.isnan(at), -np.inf, at)
    return np.where(at > 0, MORE * at, at)


def _beyond_limit(readings: Readings, badness: Floats) -> Mask:
    limit = readings.limit()
    if limit is None:
        return np.zeros(badness.shape, dtype=bool)
    both = readings.spec.bad_direction is Direction.BOTH
    beyond: Mask = (np.abs(badness) if both else badness) > limit
    return beyond


def _stretch(
    readings: Readings, usual: Usual, row: int, beyond: Mask, news: Mask, badness: Floats
) -> Stretch:
    hits = np.flatnonzero(news)
    last = int(hits[-1])
    first = start = _first_of(hits, HOLE)
    while first > max(start - HOLE, 0) and beyond[first - 1]:
        first -= 1
    center = usual.center[row]
    young = usual.rungs[row] is Rung.YOUNG
    limit = readings.limit()
    zero = (limit or 0.0) if young else float(center[first])
    scale = abs(zero) * 0.05 + TINY_SCALE if young else float(usual.scale[row, first])
    scale = max(scale, LEAST_SHARE * WHOLES.get(readings.spec.unit, 0.0))
    began = begin_of(badness, first, zero, scale)
    end = ended_at(readings, row, badness, beyond, began, last, zero)
    inside = badness[first : last + 1]
    known = inside[~np.isnan(inside)]
    worst = np.sort(known)[known.size // 2 :]
    value = float(np.median(worst)) if worst.size else zero
    return Stretch(
        row=row,
        labels=readings.labels[row],
        since=float(readings.times[began]),
        tolerance=tolerance_of(readings),
        until=end,
        value=readings.back(value),
        usual=readings.back(zero),
        log_ratio=log_ratio(value, zero, scale, negated=_negated(readings)),
        excess=abs(value - zero),
        rung=Rung.LIMIT if young else usual.rungs[row],
        past=int(usual.samples[row]),
    )


def _negated(readings: Readings) -> bool:
    return readings.spec.bad_direction is Direction.DOWN and readings.ceiling is None


def log_ratio(value: float, usual: float, scale: float, *, negated: bool = False) -> float:
    """Return ln of how many times as bad as usual a value is, ≥ 0.

    One σ stands in for what is usual, and where that is nothing at least a twentieth of the value:
    from nothing to something is no endless trouble. Of what fell, the fall counts.
    """
    if negated:  # a fall to nothing is no endless trouble either
        value, usual = -usual, -value
    if abs(usual) < 2 * scale:
        scale = max(scale, FROM_NOTHING * abs(value))
    return abs(math.log((abs(value) + scale) / (abs(usual) + scale)))


def _first_of(hits: npt.NDArray[np.int64], gap: int) -> int:
    """Return where the last run of hits begins; holes up to `gap` samples are none."""
    holes = np.flatnonzero(np.diff(hits) > gap)
    return int(hits[holes[-1] + 1]) if holes.size else int(hits[0])
