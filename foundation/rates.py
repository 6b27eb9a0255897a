"""How often something may be done: so many times in any minute, counted by key.

limit = RateLimit(most=60)                    now: monotonic seconds, which nobody sets back
limit.wait(key, now)  ──> 0.0: it is within the limit, and counted
                      ──> seconds until it would be; not counted
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable

WINDOW_SECONDS = 60.0
MOST_KEYS = 10_000  # remembered at once; the one that came longest ago is forgotten first


class RateLimit:
    """Counts in memory, of this process alone."""

    def __init__(self, most: int) -> None:
        """`most` times in any 60 s."""
        self._most = most
        self._seen: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def wait(self, key: Hashable, now: float) -> float:
        """Count one, unless it is above the limit: then return after how many seconds it is not."""
        times = self._seen.setdefault(key, deque())
        self._seen.move_to_end(key)
        while times and now - times[0] >= WINDOW_SECONDS:
            times.popleft()
        if len(times) >= self._most:
            return WINDOW_SECONDS - (now - times[0])
        times.append(now)
        if len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)
        return 0.0
