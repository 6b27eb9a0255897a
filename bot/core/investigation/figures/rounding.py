"""Whether a figure is an honest rounding of a value.

648.6 ms    "650 ms", "about 650 ms", "0.65 s", "nearly 650 ms"    yes
            "about 700 ms", "640 ms"                               no
"""

from __future__ import annotations

import math

from bot.core.investigation.figures.quantities import Dimension, Hedge, Quantity

BARE = 0.015  # how far a number whose last digits are zeros may be off without a word about it
HEDGED = 0.05  # with one
ALWAYS = 0.002  # cut off instead of rounded
NEAR = 0.1  # what "nearly" and "more than" may leave out
ROUGH = 0.1  # what a figure of one digit may be off
FACTOR = 0.12  # of a ratio told as a whole number


def fits(quantity: Quantity, value: float) -> bool:
    """Say whether a value, in the unit of the figure's kind, may be told so."""
    if not math.isfinite(value):
        return False
    shown, value = abs(quantity.value), abs(value)
    off = abs(shown - value)
    if quantity.kind is Dimension.FACTOR or (quantity.is_word and quantity.kind is Dimension.SHARE):
        return _fits_ratio(quantity, value)
    half = 0.5001 * quantity.place
    if quantity.hedge is Hedge.NEARLY:
        return shown * (1 - NEAR) <= value <= shown + min(half, ALWAYS * shown)
    if quantity.hedge is Hedge.OVER:
        most = max(shown * (1 + 2.5 * NEAR), shown + quantity.place)
        return shown - min(half, ALWAYS * shown) <= value <= most
    if (off <= half and (off <= ROUGH * shown or value == int(value))) or (
        off <= ALWAYS * shown and shown >= 100 * quantity.place
    ):
        return True
    hedged = quantity.hedge is Hedge.ABOUT
    allowed = (HEDGED if hedged else BARE) * shown
    by_zeros = 0.5001 * quantity.place * 10**quantity.zeros
    return off <= min(by_zeros, allowed) or (hedged and off <= 0.02 * shown)


def _fits_ratio(quantity: Quantity, value: float) -> bool:
    shown = abs(quantity.value)
    if quantity.hedge is Hedge.NEARLY:
        return shown * (1 - 1.5 * NEAR) <= value < shown
    if quantity.hedge is Hedge.OVER:
        return shown * 0.995 <= value <= shown * 1.35
    whole = quantity.is_word or quantity.place >= 1
    return abs(shown - value) <= (FACTOR * shown if whole else 0.5001 * quantity.place)


def fits_time(quantity: Quantity, seconds: float) -> bool:
    """Say whether a clock time may be told so; both in seconds since midnight."""
    off = (seconds - quantity.value + 43_200) % 86_400 - 43_200
    if quantity.hedge in {Hedge.ABOUT, Hedge.NEARLY}:
        return abs(off) <= 330
    if quantity.place == 1:
        return abs(off) <= 1
    return -30 <= off < 60
