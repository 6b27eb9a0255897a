"""How a value is told to people in its unit: 0.412 s is `412 ms`, a ratio of 0.05 is `5 %`."""

from __future__ import annotations

import math


def format_value(value: float, unit: str) -> str:
    """Return a value as people read it in its unit: 0.412 s is 412 ms, 0.05 ratio is 5 %."""
    if not math.isfinite(value):
        return "–"
    if unit in {"s", "seconds"}:
        if abs(value) < 1:
            return f"{_short(value * 1000)} ms"
        return f"{_short(value)} s" if abs(value) < 120 else f"{_short(value / 60)} min"
    if unit in {"ms", "milliseconds"}:
        return f"{_short(value)} ms" if abs(value) < 1000 else f"{_short(value / 1000)} s"
    if unit in {"ratio", "percentunit"}:
        return f"{_short(value * 100)} %"
    if unit in {"percent", "%"}:
        return f"{_short(value)} %"
    if unit in {"bytes", "B"}:
        return _bytes(value)
    return f"{_scaled(value)} {unit}".rstrip()


def _short(value: float) -> str:
    if value == 0:
        return "0"
    digits = 3 if abs(value) < 1000 else 4
    text = f"{value:.{digits}g}"
    return f"{float(text):,.10g}" if abs(value) >= 1e-4 else text


def _scaled(value: float) -> str:
    for limit, suffix in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(value) >= limit:
            return _short(value / (limit if suffix != " k" else 1e3)) + suffix
    return _short(value)


def _bytes(value: float) -> str:
    for power, suffix in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{_short(value / 1024**power)} {suffix}"
    return f"{_short(value)} B"
