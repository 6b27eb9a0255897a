"""Baselines from memory."""

from __future__ import annotations

from collections.abc import Sequence

from tools.world import Baseline, Labels, MetricName


class FakeBaselines:
    """Implements `tools.ports.Baselines`; at first nothing has been learned."""

    def __init__(self) -> None:
        self.learned: dict[tuple[MetricName, Labels], Baseline] = {}

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        return self.learned.get((metric, labels))

    async def save(self, baselines: Sequence[Baseline]) -> None:
        self.learned.update({(each.metric, each.labels): each for each in baselines})

    async def all(self) -> list[Baseline]:
        return list(self.learned.values())
