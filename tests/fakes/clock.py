"""A clock that only the test moves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class StoppedClock:
    """Implements `bot.core.ports.Clock`; world and wall time move together."""

    def __init__(self, at: datetime = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def wall(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def advance(self, span: timedelta) -> None:
        self.at += span
