"""Which label of a log store names services, and which the level of a line: by their values.

labels with values + names of services ──> the label that names most of them
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

_LEVELS = frozenset(
    {
        "trace", "debug", "info", "information", "notice", "warn", "warning", "error", "err",
        "crit", "critical", "fatal", "alert", "panic", "emerg", "emergency", "unknown",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LogLabels:
    """How a log store labels its streams."""

    service: str  # the label that names services, empty: none does
    named: int  # services of the catalogue that it names
    level: str  # the label that tells levels, empty: none does


def log_labels(values: Mapping[str, Collection[str]], services: Collection[str]) -> LogLabels:
    """Return which labels name services and levels.

    Of two that name as many services the one with fewer other values does it, then the first name.
    """
    known = {name.lower() for name in services}

    def rank(label: str) -> tuple[int, int, str]:
        return (-_named(values[label], known), len(values[label]), label)

    best = min(values, key=rank, default="")
    count = _named(values[best], known) if best else 0
    levels = sorted(name for name, told in values.items() if told and _are_levels(told))
    return LogLabels(best if count else "", count, levels[0] if levels else "")


def _named(told: Collection[str], known: Collection[str]) -> int:
    return len({value.lower() for value in told} & set(known))


def _are_levels(told: Collection[str]) -> bool:
    return all(value.lower() in _LEVELS for value in told)
