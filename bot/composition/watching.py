"""The leader watches the clusters; another replica takes over where it left off."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.composition.parts import Parts
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.core.shared.stored_ports import StoredConfigHistory
from bot.core.upkeep.cluster_watch import WATCHED, ClusterWatch, essence_of
from bot.scheduler import Every, Job
from tools.backends.kubernetes.reader import KubernetesReader
from tools.fleet import members_of

TEN_SECONDS = timedelta(seconds=10)


class Watchers:
    """Background tasks, one per cluster, kind and namespace, while this process leads."""

    def __init__(self, parts: Parts, leading: Callable[[], bool]) -> None:
        """Start nothing yet."""
        self._parts, self._leading = parts, leading
        self._tasks: KeyedTasks[str] = KeyedTasks("watch")
        self._begun: set[str] = set()  # since this process leads

    def jobs(self) -> list[Job]:
        """Return the job that keeps the watches; every replica asks whether it leads."""
        if self._parts.cluster is None:
            return []
        return [Job("cluster.watch", Every(TEN_SECONDS, on="wall"), self.tick, leader_only=False)]

    async def tick(self, _slot: datetime | None = None) -> None:
        """Start what should run and does not, stop everything when another process leads."""
        if not self._leading():
            await self.close()
            return
        if not self._tasks or self._begun.difference(self._tasks):  # none yet, or some crashed
            self._start()

    async def close(self) -> None:
        """Stop watching."""
        self._begun.clear()
        await self._tasks.drain()

    def _start(self) -> None:
        parts = self._parts
        history = StoredConfigHistory(parts.store, parts.settings.redactor)
        clusters = members_of(parts.cluster) if parts.cluster is not None else {}
        for reader in clusters.values():
            if not isinstance(reader, KubernetesReader):
                continue
            watch = ClusterWatch(
                reader.name, parts.store, parts.clock, parts.live_files.catalogue, history
            )
            watches = [w for kind in WATCHED for w in reader.watch(kind, essence_of, watch.seen)]
            for each in (*watches, *reader.remember_events()):
                name = f"{reader.name}/{each.kind}/{each.namespace}"
                self._begun.add(name)
                self._tasks.spawn(name, each.run())
