"""How often Slack answers: a tier of calls a minute per method, one post a second per channel.

A method's bucket holds a minute's calls, so that a burst passes as it does in Slack. The local
Slack is one workspace with one app; Slack counts per method, workspace and app.
"""

import math
from dataclasses import dataclass, field

from sandbox.slack.chat.wire import Json

PER_MINUTE = {1: 1, 2: 20, 3: 50, 4: 100}  # tier -> calls that always pass
DISTRIBUTED = frozenset({"conversations.history", "conversations.replies"})
DISTRIBUTED_PAGE = 15  # messages of one answer to an app distributed outside the Marketplace
_POST = "chat.postMessage"  # one a second and channel; bursts are granted without a promise


@dataclass
class RateLimits:
    """Counts calls, in wall seconds.

    Attributes:
        is_distributed: history is read once a minute, as by an app outside the Marketplace.
    """

    is_distributed: bool = False
    _left: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def seconds_to_wait(self, method: str, tier: int, given: Json, now: float) -> int:
        """Return 0 and count the call, or how long the caller must wait."""
        if method == _POST:
            return self._take((method, str(given.get("channel"))), 1.0, 1.0, now)
        if self.is_distributed and method in DISTRIBUTED:
            return self._take((method, ""), 1.0, 1 / 60, now)
        if tier not in PER_MINUTE:
            return 0
        most = float(PER_MINUTE[tier])
        return self._take((method, ""), most, most / 60, now)

    def _take(self, key: tuple[str, str], most: float, per_second: float, now: float) -> int:
        left, at = self._left.get(key, (most, now))
        left = min(most, left + (now - at) * per_second)
        if left < 1:
            self._left[key] = (left, now)
            return math.ceil((1 - left) / per_second)
        self._left[key] = (left - 1, now)
        return 0
