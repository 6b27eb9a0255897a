"""Noise as a pure function of (seed, name, step): counter-based hashing, no generator state.

uniform   independent, in [0, 1)
white     independent, about normal, never beyond 3.5 sigma
drift     about normal and autocorrelated: smooth curves through knots hours and minutes apart
"""

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]
STEP_SECONDS = 15
_KNOTS = ((960, 0.65), (160, 0.55), (24, 0.4))  # steps between knots, weight: 4 h, 40 min, 6 min
_BLENDS = {  # how far a curve has come from one knot to the next, at each step between
    distance: (share := np.arange(distance) / distance) * share * (3.0 - 2.0 * share)
    for distance, _ in _KNOTS
}
_DRIFT_SCALE = 1.0 / 0.815  # brings the standard deviation of the weighted curves to 1


_MIXES = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)


def key_of(*parts: object) -> int:
    """Return a stable 64-bit key for a name."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def bits(key: int, steps: Steps) -> NDArray[np.uint64]:
    """Return 64 well-mixed bits per step (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = steps.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed += np.uint64(key)
        for shift, factor in _MIXES:
            mixed ^= mixed >> shift
            mixed *= factor
    mixed ^= mixed >> np.uint64(31)
    return mixed


def uniform(key: int, steps: Steps) -> Floats:
    """Independent numbers in [0, 1)."""
    drawn: Floats = (bits(key, steps) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn


def white(key: int, steps: Steps) -> Floats:
    """Independent numbers of mean 0 and standard deviation 1: four uniforms summed."""
    quarters = bits(key, steps).view(np.uint16).reshape(*steps.shape, 4)
    total = quarters[..., 0].astype(np.uint32)
    for column in (1, 2, 3):
        total += quarters[..., column]
    normal: Floats = (total / 65536.0 - 2.0 + 2.0 / 65536.0) * math.sqrt(3.0)
    return normal


def drift(key: int, steps: Steps) -> Floats:
    """Autocorrelated numbers of mean 0 and standard deviation about 1."""
    total = np.zeros(steps.shape)
    if not steps.size:
        return total
    regular = _are_consecutive(steps)
    for index, (distance, weight) in enumerate(_KNOTS):
        first, last = int(steps.min()) // distance, int(steps.max()) // distance
        known = np.arange(first, last + 2, dtype=np.int64)
        heights = white((key + index) & 0xFFFFFFFFFFFFFFFF, known)
        rises = heights[1:] - heights[:-1]
        if regular:
            begin = int(steps[0]) - first * distance
            cut = slice(begin, begin + len(steps))
            curve = np.multiply.outer(rises, _BLENDS[distance])
            curve += heights[:-1, None]
            curve = curve.ravel()[cut]
        else:
            knot, rest = np.divmod(steps, distance)
            curve = heights[knot - first] + rises[knot - first] * _BLENDS[distance][rest]
        total += weight * curve
    return total * _DRIFT_SCALE


def _are_consecutive(steps: Steps) -> bool:
    return steps.ndim == 1 and bool((steps[1:] - steps[:-1] == 1).all())
