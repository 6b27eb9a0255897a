"""One sentence back to a person, where core has nothing of its own to return."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Said:
    """How something ended."""

    ok: bool
    message: str
