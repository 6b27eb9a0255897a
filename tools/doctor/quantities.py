"""Kubernetes' quantities as numbers: `250m`, `1.5`, `64Mi`, `1e3` (API conventions, *Quantity*)."""

from __future__ import annotations

_BINARY = {f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTPE")}
_DECIMAL = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3} | {
    letter: 1000.0 ** (power + 2) for power, letter in enumerate("MGTPE")
}


def number_of(quantity: object) -> float | None:
    """Return a quantity's value in its base unit (cores, bytes, pieces), None when it is none."""
    text = str(quantity or "").strip()
    for suffix, factor in (*_BINARY.items(), *_DECIMAL.items()):
        if text.endswith(suffix):
            return _times(text.removesuffix(suffix), factor)
    return _times(text, 1.0)


def _times(text: str, factor: float) -> float | None:
    try:
        return float(text) * factor
    except ValueError:
        return None
