"""The user's detector over a whole block: Z-score, MAD, limits; who needs a closer look.

    newest sample ─smooth─> badness in σ ─> zscore ─┐
    hours before ─noise (only where it decides) ─> mad ─┴─> Screened: who may be abnormal

Equal to `tools.analysis.detect` sample by sample; a property test compares them. A voter whose
answer cannot change the verdict is not asked: the MAD's score never exceeds the Z-score's, so noise
is measured only where the Z-score is beyond a threshold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tools.analysis.baseline import MAD_TO_SIGMA
from tools.analysis.detect import (
    MAD_FACTOR,
    MATERIAL_SHARE,
    NOISE_SECONDS,
    REFERENCE_GAP_SECONDS,
    SMOOTHED_STEP_SECONDS,
    DetectorSettings,
)
from tools.analysis.state.block import BOTH, DOWN, Block
from tools.analysis.state.recent import Rows
from tools.world import Floats

Marks = npt.NDArray[np.bool_]
FEWEST_DIFFERENCES = 10
MOST_OF_ZSCORE = 1.0001  # a MAD score is the Z-score times 1.00000, where the noise is small


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """What a block's newest samples look like; arrays are as long as the block.

    `candidate`: abnormal, or abnormal if the forest says so too. `at` is the column of the newest
    known sample, −1 where there is none.
    """

    at: npt.NDArray[np.int64]
    candidate: Marks
    badness: Floats


def screen(block: Block, settings: DetectorSettings) -> Screened:
    """Judge the newest known sample of every row of a block."""
    window = block.recent.window
    step = block.recent.grid.step_seconds
    known = ~np.isnan(window)
    at = _last_known(known)
    present = at >= 0
    values = _newest(window, known, at, smoothed=step <= SMOOTHED_STEP_SECONDS)
    rows: Rows = np.arange(at.size)
    times = block.recent.grid.times(block.recent.newest)
    center, scale = block.profiles.at(rows, times[np.maximum(at, 0)])
    badness = _signed(values - center, block.direction) / scale
    learned = block.profiles.learned
    material = _material(values, center, block)
    may = present & learned & (np.nan_to_num(badness, nan=-1.0) > 0) & material
    votes = np.zeros(at.size, dtype=np.int64)
    if "zscore" in settings.algorithms:
        votes += may & (badness > settings.zscore_threshold)
    if "mad" in settings.algorithms:
        near = np.flatnonzero(may & (badness * MOST_OF_ZSCORE > settings.mad_threshold))
        noise = local_noises(window[near], step)
        mad = np.maximum(scale[near], noise) / MAD_TO_SIGMA
        votes[near] += MAD_FACTOR * badness[near] * scale[near] / mad > settings.mad_threshold
    votes += "isolation_forest" in settings.algorithms  # it may yet vote: whoever grows it says
    candidate = may & (votes >= settings.ensemble_min_votes)
    candidate |= present & ~learned & _beyond(values, block)
    return Screened(at, candidate & block.watched, badness)


def _last_known(known: Marks) -> npt.NDArray[np.int64]:
    last = known.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
    return np.where(known.any(axis=1), last, -1)


def _newest(window: Floats, known: Marks, at: npt.NDArray[np.int64], *, smoothed: bool) -> Floats:
    """Return the newest known value of each row, at short steps the median of the last three."""
    values = window[np.arange(at.size), np.maximum(at, 0)].copy()
    if not smoothed:
        return values
    whole = known[:, -3:].all(axis=1)
    a, b, c = window[whole, -3], window[whole, -2], window[whole, -1]
    values[whole] = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    for row in np.flatnonzero(~whole & (at >= 0)).tolist():
        dense = window[row][known[row]]
        if dense.size > 2:
            values[row] = sorted(dense[-3:].tolist())[1]
    return values


def _signed(residual: Floats, direction: npt.NDArray[np.int8]) -> Floats:
    return np.where(
        direction == BOTH, np.abs(residual), np.where(direction == DOWN, -residual, residual)
    )


def _material(values: Floats, center: Floats, block: Block) -> Marks:
    limit = block.limit
    gap = np.where(block.direction == DOWN, center - limit, limit - center)
    with np.errstate(invalid="ignore"):
        far = np.abs(values - center) >= MATERIAL_SHARE * np.maximum(gap, 0.0)
    return np.asarray(np.isnan(limit) | far)


def _beyond(values: Floats, block: Block) -> Marks:
    size = np.where(block.direction == BOTH, np.abs(values), values)
    with np.errstate(invalid="ignore"):
        return np.where(block.direction == DOWN, values < block.limit, size > block.limit)


def local_noises(window: Floats, step: float) -> Floats:
    """Return what `detect.local_noise` says of each row."""
    age = step * np.arange(window.shape[1] - 1, -1, -1, dtype=np.float64)
    part = window[:, (age > REFERENCE_GAP_SECONDS) & (age <= NOISE_SECONDS)]
    if step <= SMOOTHED_STEP_SECONDS:
        part = _smooth(part)
    differences = np.diff(part, axis=1)
    count = np.count_nonzero(~np.isnan(differences), axis=1)
    middle = _medians(differences, count)
    spread = _medians(np.abs(differences - middle[:, None]), count)
    noise = MAD_TO_SIGMA * spread / math.sqrt(2.0)
    return np.where(count < FEWEST_DIFFERENCES, 0.0, noise)


def _smooth(part: Floats) -> Floats:
    """Return the causal median of three known samples of each row, as `detect.smooth` does."""
    absent = np.isnan(part)
    order = np.argsort(absent, axis=1, kind="stable")  # the known ones first, as they came
    dense = np.take_along_axis(part, order, axis=1)
    a, b, c = dense[:, :-2], dense[:, 1:-1], dense[:, 2:]
    middle = np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))
    dense[:, 2:] = np.where(np.isnan(c), np.nan, middle)
    result = np.empty_like(part)
    np.put_along_axis(result, order, dense, axis=1)
    return result


def _medians(values: Floats, count: npt.NDArray[np.int64]) -> Floats:
    """Return the median of the known values of each row; their `count` is given."""
    if values.shape[0] == 0:
        return np.empty(0)
    ordered = np.sort(values, axis=1)  # NaN goes last
    rows = np.arange(values.shape[0])
    low = ordered[rows, np.maximum((count - 1) // 2, 0)]
    high = ordered[rows, np.minimum(count // 2, values.shape[1] - 1)]
    return np.asarray((low + high) / 2.0)
