"""Changes from memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tools.world import Change, Window


class FakeChanges:
    """Implements `tools.ports.Changes`."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self.changes = list(changes)

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        found = [
            change
            for change in self.changes
            if window.start <= change.at <= window.end
            and (not services or change.service in services)
        ]
        return sorted(found, key=lambda change: change.at, reverse=True)
