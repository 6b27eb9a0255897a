"""Work that may wait: questions of the detector stand behind those of people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_background: ContextVar[bool] = ContextVar("background", default=False)


@contextmanager
def in_background() -> Iterator[None]:
    """Mark the questions asked inside as work that may wait behind those of people."""
    before = _background.set(True)
    try:
        yield
    finally:
        _background.reset(before)


def is_background() -> bool:
    """Return whether the work under way may wait behind questions of people."""
    return _background.get()
