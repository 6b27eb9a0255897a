"""When failed work is tried again, and when it is given up: one rule, figures by whoever uses it.

    failures in a row     1       2         3         …            n ≥ give_up_after
    next try after      first  first · 2  first · 4   … ≤ longest  none: parked, for a person

Pure: it reads no clock, sleeps nowhere and draws no chance of its own, so that tests are exact. It
is for work that waits: a row taken again later, a connection made again. One call that is repeated
at once, while somebody waits for its answer, is stamina's (tools/backends/transport.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

_MOST_DOUBLINGS = 30  # far beyond any `longest`, far below what a timedelta holds


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How patient somebody is."""

    first: timedelta  # the wait after the first failure; doubles with each further one
    longest: timedelta  # no wait is longer, but for the jitter
    give_up_after: int | None = None  # failures; None: never
    jitter_ratio: float = 0.0  # of a wait that is added at most, so that not all come back at once

    def __post_init__(self) -> None:
        """Refuse a policy that would spin, shrink or never try."""
        if not timedelta(0) < self.first <= self.longest:
            raise ValueError(
                f"a first wait must be positive and no longer than the longest, got "
                f"{self.first} … {self.longest}"
            )
        if self.give_up_after is not None and self.give_up_after < 1:
            raise ValueError(f"give_up_after must be at least 1, got {self.give_up_after!r}")
        if not 0.0 <= self.jitter_ratio <= 1.0:
            raise ValueError(f"jitter_ratio must lie in [0, 1], got {self.jitter_ratio!r}")

    def wait_after(self, failures: int, chance: float = 0.0) -> timedelta:
        """Return the wait before the next try.

        `failures` is how many there were in a row, the last one included; `chance` in [0, 1] says
        how much of the jitter is added: `random.random()` of whoever wants any.
        """
        if failures < 1:
            raise ValueError(f"there is no wait before a failure, got {failures!r}")
        doubled = self.first * (1 << min(failures - 1, _MOST_DOUBLINGS))
        return min(doubled, self.longest) * (1 + self.jitter_ratio * chance)

    def gives_up(self, failures: int) -> bool:
        """Say whether that many failures are enough."""
        return self.give_up_after is not None and failures >= self.give_up_after

    def next_try(self, failures: int, now: datetime) -> datetime | None:
        """Return when it is tried again, or None when it is given up."""
        return None if self.gives_up(failures) else now + self.wait_after(failures)
