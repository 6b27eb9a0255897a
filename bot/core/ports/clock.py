"""World and wall time, as the use cases ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """World and wall time (see bot.clock)."""

    def now(self) -> datetime:
        """Return world time."""
        ...

    def wall(self) -> datetime:
        """Return wall time."""
        ...

    def monotonic(self) -> float:
        """Return seconds for durations."""
        ...
