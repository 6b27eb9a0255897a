"""What the document says, as arguments of the dataclass that owns the default.

A section holds None for each key nobody wrote. Such a key is not handed over, so the default in
the dataclass applies: no default stands in this package.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")


def configured(**values: Any) -> dict[str, Any]:
    """Return the arguments that have a value: only they are passed on."""
    return {name: value for name, value in values.items() if value is not None}


def converted(convert: Callable[[A], B], value: A | None) -> B | None:
    """Return the value in the unit of its dataclass; None stays None: unset."""
    return None if value is None else convert(value)


def hours(number: float) -> timedelta:
    """Return so many hours."""
    return timedelta(hours=number)


def minutes(number: float) -> timedelta:
    """Return so many minutes."""
    return timedelta(minutes=number)


def seconds(number: float) -> timedelta:
    """Return so many seconds."""
    return timedelta(seconds=number)


def usd_micros(usd: float) -> int:
    """Return dollars as the store counts them: in millionths."""
    return round(usd * 1e6)
