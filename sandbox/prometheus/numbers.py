"""Numbers written the way Prometheus does: shortest, never with an exponent."""

from collections.abc import Iterable

import numpy as np

_WORDS = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}


def text(value: float) -> str:
    """Write one number."""
    return texts([float(value)])[0]


def texts(values: Iterable[float]) -> list[str]:
    """Write Python floats; a query has hundreds of thousands."""
    return [
        written[:-2]
        if written[-2:] == ".0"
        else written
        if "e" not in written and "n" not in written
        else _rare(written)
        for written in map(repr, values)
    ]


def _rare(written: str) -> str:
    if written in _WORDS:
        return _WORDS[written]
    return np.format_float_positional(float(written), trim="-").removesuffix(".0")
