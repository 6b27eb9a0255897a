"""The kill switch as a file: the gate looks at the file itself, here its coming and going is noted.

    touch var/halt ──gate: no further step──┐        rm var/halt
                   └─tick: setting.changed ─┘ audit  └─tick: setting.changed

Every process notes what it sees, because each may have a file of its own. One that starts beside
a file that is there already notes that too; one that starts without a file has nothing to say.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

from bot.core.ports import Clock, Store
from bot.core.remediation.gate import HALT
from bot.domain.audit import BOT, Event

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class HaltFile:
    """Notes in the audit when the file comes and goes."""

    store: Store
    clock: Clock
    path: Path
    owner: str  # this process
    _there: bool = False

    async def tick(self) -> bool:
        """Look once; returns whether there was something to note."""
        there = await asyncio.to_thread(self.path.exists)
        if there is self._there:
            return False
        seen = {"before": self._there, "after": there}
        facts = {**seen, "file": str(self.path), "seen_by": self.owner}
        async with self.store.begin() as tx:
            now = self.clock.now()
            await tx.audit.append(Event("setting.changed", now, BOT, HALT, "file", facts=facts))
        self._there = there
        log.warning("halt.file_changed", halted=there, file=str(self.path))
        return True
