"""Socket Mode with a lane for the brake: few envelopes go through Bolt at once, a halt always.

    Slack ──> brake? ── yes ──────────────> Bolt ──> the front door
                 └ no: one of few places ──>

Slack's client hands over every envelope as it comes, so a crowd's would all be on their way, taking
turns, when a halt comes in behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp


class LanedSocket(AsyncSocketModeHandler):
    """Bolt's handler for Socket Mode, where the brake overtakes."""

    def __init__(
        self,
        app: AsyncApp,
        app_token: str,
        lane_of: Callable[[Mapping[str, Any]], str],
        places: int,
    ) -> None:
        """`lane_of` says which lane a payload takes; `places` is how many go at once in none."""
        super().__init__(app, app_token=app_token)
        self._lane_of, self._few = lane_of, asyncio.Semaphore(places)

    async def handle(self, client: Any, req: Any) -> None:
        """Give one envelope to Bolt when its turn comes."""
        async with nullcontext() if self._lane_of(req.payload) else self._few:
            await super().handle(client, req)
