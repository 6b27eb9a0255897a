"""A clock that moves when a test moves it."""

from datetime import UTC, datetime, timedelta


class ManualClock:
    """World and wall time; `pass_` moves both, `speed` is world seconds per wall second."""

    def __init__(self, at: datetime = datetime(2026, 11, 20, 14, tzinfo=UTC), speed: float = 1.0):
        self.world, self.real, self.speed = at, at, speed

    def now(self) -> datetime:
        return self.world

    def wall(self) -> datetime:
        return self.real

    def monotonic(self) -> float:
        return self.real.timestamp()

    def pass_(self, **duration: float) -> None:
        """Let wall time pass, and world time `speed` times as much."""
        passed = timedelta(**duration)
        self.real += passed
        self.world += passed * self.speed
