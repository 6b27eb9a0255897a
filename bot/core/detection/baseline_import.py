"""Baselines brought from elsewhere take the place of those of the same series."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.core.ports import Clock, Store
from bot.domain.audit import Event
from bot.domain.ids import UserId
from foundation.nearest import nearest
from tools.errors import BadArgumentError
from tools.world import Baseline, Catalogue


@dataclass(frozen=True, slots=True)
class BaselineImport:
    """Takes baselines in."""

    store: Store
    clock: Clock
    catalogue: Callable[[], Catalogue]

    async def take(self, baselines: Sequence[Baseline], by: UserId) -> None:
        """Replace the baselines of these series. Raises BadArgumentError for an unknown metric."""
        known = self.catalogue().metrics
        for index, each in enumerate(baselines):
            if each.metric not in known:
                hint = nearest(each.metric, known)
                raise BadArgumentError(f"{index}.metric: unknown metric {each.metric!r}.{hint}")
        metrics = sorted({each.metric for each in baselines})
        facts = {"count": len(baselines), "metrics": metrics}
        async with self.store.begin() as tx:
            await tx.baselines.save(baselines)
            await tx.audit.append(
                Event("baselines.imported", self.clock.now(), by, "baselines", facts=facts)
            )
