"""The only reader of the system time.

    world time  what metrics, schedules, cooldowns, verify windows and the audit are dated with
    wall time   what people and networks live in: approval expiry, holds, leases, timeouts

They are the same unless `SRE_AGENT_CLOCK=EPOCH,SPEED` is set, where sandbox and bot share a
faster world: world = EPOCH + (wall − EPOCH) · SPEED.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class WorldClock:
    """The real clock. `epoch` is in Unix seconds, `speed` in world seconds per wall second."""

    epoch: float = 0.0
    speed: float = 1.0

    @classmethod
    def parse(cls, text: str) -> WorldClock:
        """Read `EPOCH,SPEED`. Raises ValueError that names the value."""
        if not text:
            return cls()
        try:
            epoch, speed = (float(part) for part in text.split(","))
        except ValueError as error:
            raise ValueError(
                f"SRE_AGENT_CLOCK must be 'EPOCH,SPEED' (two numbers), got {text!r}"
            ) from error
        if speed <= 0:
            raise ValueError(f"SRE_AGENT_CLOCK's SPEED must be above 0, got {speed!r}")
        return cls(epoch, speed)

    def now(self) -> datetime:
        """Return the aware UTC world time."""
        wall = time.time()
        return datetime.fromtimestamp(self.epoch + (wall - self.epoch) * self.speed, tz=UTC)

    def wall(self) -> datetime:
        """Return the aware UTC wall time."""
        return datetime.fromtimestamp(time.time(), tz=UTC)

    def monotonic(self) -> float:
        """Return seconds that only ever rise, for durations."""
        return time.monotonic()
