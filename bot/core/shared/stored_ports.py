"""Tool ports that the store itself can serve: baselines, alerts, changes, config map versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.core.ports import Store
from bot.domain.secrets.redaction import Redactor
from tools.kubernetes_objects import config_hash
from tools.ports import ConfigVersion
from tools.world import Baseline, Change, FiringAlert, Labels, MetricName, Window, WorkloadRef
from tools.world.conclusions import LearnedBatch


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

    async def after(self, revision: int) -> LearnedBatch | None:
        """Return what the first save after a revision left, None when there was none."""
        async with self._store.begin() as tx:
            return await tx.baselines.after(revision)


class StoredAlerts:
    """The AlertFeed port over the store."""

    def __init__(self, store: Store) -> None:
        """Read through transactions of its own."""
        self._store = store

    async def firing(self) -> list[FiringAlert]:
        """Return the alerts that fire now, the gravest first, then the oldest."""
        async with self._store.begin() as tx:
            active = await tx.alerts.active()
        return [
            FiringAlert(
                name=each.name,
                service=each.service,
                subject=each.subject,
                severity=each.severity,
                since=each.started_at,
                summary=each.summary,
                description=each.description,
                runbook=each.runbook,
            )
            for each in sorted(active, key=lambda a: (-a.severity.rank, a.started_at))
        ]


class StoredChanges:
    """The feed of changes told by webhook and of the bot's own actions."""

    def __init__(self, store: Store) -> None:
        """Read through transactions of its own."""
        self._store = store

    async def __call__(self, window: Window) -> Sequence[Change]:
        """Return the changes in a window, newest first."""
        async with self._store.begin() as tx:
            return await tx.changes.recent(window)


HOLDS_SECRETS = "it holds secrets"
HOLDS_BINARY = "it holds binary data"


class StoredConfigHistory:
    """The ConfigHistory port over the store; secrets never get there."""

    def __init__(self, store: Store, redactor: Redactor) -> None:
        """What `redactor` would change is not stored."""
        self._store, self._redactor = store, redactor

    async def save(self, ref: WorkloadRef, item: Mapping[str, Any], at: datetime) -> bool:
        """Keep what a config map holds now; False when that is the newest version already."""
        values = {str(name): str(value) for name, value in (item.get("data") or {}).items()}
        withheld = ""
        if item.get("binaryData"):
            withheld = HOLDS_BINARY
        elif self._redactor.json(values) != values:
            withheld = HOLDS_SECRETS
        uid = str((item.get("metadata") or {}).get("uid", ""))
        version = ConfigVersion(
            ref=WorkloadRef(ref.cluster, ref.namespace, "ConfigMap", ref.name, uid),
            at=at,
            sha256=config_hash(item),
            data=None if withheld else values,
            withheld=withheld,
        )
        async with self._store.begin() as tx:
            return await tx.config_versions.add(version)

    async def versions_of(self, ref: WorkloadRef, limit: int = 20) -> list[ConfigVersion]:
        """Return the kept versions of a map, newest first."""
        async with self._store.begin() as tx:
            return await tx.config_versions.versions(ref, limit)
