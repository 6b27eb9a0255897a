"""Tool ports that the store itself can serve: learned baselines and told changes."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.ports import Store
from tools.world import Baseline, Change, Labels, MetricName, Window


class StoredBaselines:
    """The Baselines port over the store."""

    def __init__(self, store: Store) -> None:
        """Read and write through transactions of their own."""
        self._store = store

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        """Return the newest baseline of a series, or None."""
        async with self._store.begin() as tx:
            return await tx.baselines.find(metric, labels)

    async def save(self, baselines: Sequence[Baseline]) -> None:
        """Replace the baselines of the same series."""
        async with self._store.begin() as tx:
            await tx.baselines.save(baselines)

    async def all(self) -> list[Baseline]:
        """Return every baseline."""
        async with self._store.begin() as tx:
            return await tx.baselines.all()


class StoredChanges:
    """The feed of changes told by webhook and of the bot's own actions."""

    def __init__(self, store: Store) -> None:
        """Read through transactions of its own."""
        self._store = store

    async def __call__(self, window: Window) -> Sequence[Change]:
        """Return the changes in a window, newest first."""
        async with self._store.begin() as tx:
            return await tx.changes.recent(window)
