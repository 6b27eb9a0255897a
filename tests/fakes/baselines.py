"""Baselines from memory."""

from __future__ import annotations

from collections.abc import Sequence

from tools.world import Baseline, Labels, MetricName
from tools.world.conclusions import LearnedBatch


class FakeBaselines:
    """Implements `tools.ports.Baselines`; at first nothing has been learned."""

    def __init__(self) -> None:
        self.learned: dict[tuple[MetricName, Labels], Baseline] = {}
        self.saved: dict[tuple[MetricName, Labels], int] = {}
        self.revision = 0

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        return self.learned.get((metric, labels))

    async def save(self, baselines: Sequence[Baseline]) -> None:
        self.revision += 1
        self.learned.update({(each.metric, each.labels): each for each in baselines})
        self.saved.update({(each.metric, each.labels): self.revision for each in baselines})

    async def all(self) -> list[Baseline]:
        return list(self.learned.values())

    async def after(self, revision: int) -> LearnedBatch | None:
        found = min((each for each in self.saved.values() if each > revision), default=None)
        if found is None:
            return None
        ours = tuple(self.learned[key] for key, each in self.saved.items() if each == found)
        return LearnedBatch(found, ours)
