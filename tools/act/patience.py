"""How long a step may watch its own effect: wall time, ended before the step's timeout is."""

from __future__ import annotations

import asyncio

MARGIN_RATIO = 0.1  # of a step's timeout, kept for the last request and its answer
LARGEST_MARGIN_SECONDS = 5.0


class Patience:
    """The Pauses port of `tools.act.contract` over the event loop's clock."""

    def __init__(self, timeout_seconds: float) -> None:
        """Begin to count; must be made on a running event loop."""
        margin = min(timeout_seconds * MARGIN_RATIO, LARGEST_MARGIN_SECONDS)
        self._until = asyncio.get_running_loop().time() + timeout_seconds - margin

    async def pause(self, seconds: float) -> bool:
        """Wait that long; False at once when the step's time would be over by then."""
        if asyncio.get_running_loop().time() + seconds > self._until:
            return False
        await asyncio.sleep(seconds)
        return True
