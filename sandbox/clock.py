"""The sandbox's clock, the only reader of the system time under `sandbox/`.

*wall* is the machine's time, *world* the time inside the simulation; both in seconds since 1970.

    world = EPOCH + (wall - EPOCH) * SPEED      EPOCH: the wall time at which both coincide

The bot computes the same line from `SRE_AGENT_CLOCK=EPOCH,SPEED`, so both processes share one time.
"""

import time


class Clock:
    """World time as a straight line over wall time."""

    def __init__(
        self, epoch: float | None = None, speed: float = 1.0, anchor_wall: float | None = None
    ) -> None:
        """Show `epoch` at the wall time `anchor_wall` (default: now) and run `speed` times faster.

        Without `epoch` the world shows the anchor itself. A world at speed 1 cannot be shifted,
        because `EPOCH,SPEED` could not express it.
        """
        if speed <= 0:
            msg = f"clock speed must be positive, got {speed!r}"
            raise ValueError(msg)
        anchor = time.time() if anchor_wall is None else anchor_wall
        shown = anchor if epoch is None else epoch
        if speed == 1.0:
            if shown != anchor:
                msg = f"a clock at speed 1 shows the wall time; it cannot show {epoch!r} instead"
                raise ValueError(msg)
            self._coincide = anchor
        else:
            self._coincide = (shown - anchor * speed) / (1.0 - speed)
        self._speed = speed

    @classmethod
    def shared(cls, value: str) -> "Clock":
        """Return the clock that `EPOCH,SPEED` describes."""
        epoch, comma, speed = value.partition(",")
        try:
            if not comma:
                raise ValueError
            coincide, factor = float(epoch), float(speed)
        except ValueError:
            msg = f"a shared clock is written EPOCH,SPEED (two numbers), got {value!r}"
            raise ValueError(msg) from None
        return cls(coincide, factor, coincide)

    @property
    def speed(self) -> float:
        """World seconds per wall second."""
        return self._speed

    def now(self) -> float:
        """World time now, in seconds since 1970 UTC."""
        return self._coincide + (time.time() - self._coincide) * self._speed

    def env(self) -> str:
        """Return the value of `SRE_AGENT_CLOCK` that gives another process this clock."""
        return f"{self._coincide!r},{self._speed:g}"


class ManualClock(Clock):
    """A clock that only `advance` moves, for tests."""

    def __init__(self, now: float) -> None:
        """Start at the world time `now`."""
        super().__init__(now, 1.0, now)
        self._now = now

    def now(self) -> float:
        """World time, as last set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the world forward by `seconds`."""
        self._now += seconds
