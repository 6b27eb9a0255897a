"""Deployments told by pipelines: kept once, without secrets, as causes to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, Store
from bot.domain.audit import Event
from bot.domain.ids import UserId
from bot.domain.secrets.redaction import Redactor
from foundation.nearest import nearest
from tools.errors import BadArgumentError
from tools.world import Catalogue, Change

FUTURE = timedelta(minutes=5)  # how far a pipeline's clock may run ahead
DEDUPE = timedelta(minutes=10)  # without an id, the same version again within this is a repeat


@dataclass(frozen=True, slots=True)
class Deployments:
    """Takes deployments in."""

    store: Store
    clock: Clock
    catalogue: Callable[[], Catalogue]
    redactor: Redactor  # for what machines tell us

    async def take(self, told: Change, by: UserId, told_id: str = "") -> bool:
        """Keep a deployment; False when it was told before. Raises BadArgumentError.

        `told_id` is the pipeline's own name for it, when it has one.
        """
        services = self.catalogue().services
        if told.service not in services:
            hint = nearest(told.service, services)
            raise BadArgumentError(f"service: unknown service {told.service!r}.{hint}")
        now = self.clock.now()
        if told.at > now + FUTURE:
            raise BadArgumentError(
                f"at: {told.at.isoformat()!r} lies in the future (now {now:%H:%M:%S})"
            )
        change = self.redactor.change(told)
        key = told_id or f"{told.after}@{int(told.at.timestamp() // DEDUPE.total_seconds())}"
        facts = {"version": change.after, "kind": change.kind.value, "at": told.at.isoformat()}
        async with self.store.begin() as tx:
            stored = await tx.changes.add(change, f"deployment:{told.service}:{key}")
            if stored:
                await tx.audit.append(Event("change.told", now, by, told.service, facts=facts))
        return stored
