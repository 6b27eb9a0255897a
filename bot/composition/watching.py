"""The leader watches the clusters; another replica takes over where it left off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from bot.composition.parts import Parts
from bot.core.shared.stored_ports import StoredConfigHistory
from bot.core.upkeep.cluster_watch import WATCHED, ClusterWatch, essence_of
from bot.scheduler import Every, Job
from tools.backends.kubernetes.reader import KubernetesReader
from tools.fleet import members_of

TEN_SECONDS = timedelta(seconds=10)
log = structlog.get_logger(__name__)


class Watchers:
    """Background tasks, one per cluster, kind and namespace, while this process leads."""

    def __init__(self, parts: Parts, leading: Callable[[], bool]) -> None:
        """Start nothing yet."""
        self._parts, self._leading = parts, leading
        self._tasks: dict[str, asyncio.Task[None]] = {}

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
        ended = [name for name, task in self._tasks.items() if task.done()]
        for name in ended:
            task = self._tasks.pop(name)
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("watch.crashed", watch=name, exc_info=error)
        if ended or not self._tasks:
            self._start()

    async def close(self) -> None:
        """Stop watching."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self) -> None:
        parts = self._parts
        history = StoredConfigHistory(parts.store, parts.settings.redactor.json)
        clusters = members_of(parts.cluster) if parts.cluster is not None else {}
        for reader in clusters.values():
            if not isinstance(reader, KubernetesReader):
                continue
            watch = ClusterWatch(
                reader.name, parts.store, parts.clock, parts.shelf.catalogue, history
            )
            watches = [w for kind in WATCHED for w in reader.watch(kind, essence_of, watch.seen)]
            for each in (*watches, *reader.remember_events()):
                name = f"{reader.name}/{each.kind}/{each.namespace}"
                if name not in self._tasks:
                    self._tasks[name] = asyncio.create_task(each.run(), name=f"watch {name}")
