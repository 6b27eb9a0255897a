"""A sign of life that goes out: a monitor elsewhere notices when it no longer comes.

    every minute ──the leader posts──> {"status": "up" | "degraded", "failing": [...]}

Only a bot that runs its schedule and can ask its database posts; nothing else proves that it would
tell an incident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.core.ports import VERSION, Clock, Store


class Monitor(Protocol):
    """Where signs of life go. Raises BackendError when one could not be sent."""

    async def post(self, body: Mapping[str, Any], key: str) -> None:
        """Post one."""
        ...


@dataclass(frozen=True, slots=True)
class HeartbeatSender:
    """Posts signs of life. `failing` names the jobs that fail now, and why."""

    store: Store
    clock: Clock
    monitor: Monitor
    failing: Callable[[], Mapping[str, str]]

    async def tick(self) -> None:
        """Post one."""
        async with self.store.begin() as tx:
            open_ones = await tx.incidents.open()
        failing = sorted(name for name in self.failing() if name != "heartbeat.send")
        at = self.clock.wall().isoformat()
        body = {
            "kind": "heartbeat",
            "at": at,
            "status": "degraded" if failing else "up",
            "failing": failing,
            "open_incidents": len(open_ones),
            "version": VERSION,
        }
        await self.monitor.post(body, f"heartbeat-{at}")
