"""The port `Baselines` over one world: what a bot that has been there for two weeks has learned.

A world's days are alike but for its accidents, so one day of it, without the hours in which a fault
was there, tells what two weeks would: an expected value per hour and how far it strays. Some bots
came today; some series are young.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from bench.incidents.ports import Served
from tools.world import Baseline, Floats, Labels, MetricName, MetricSpec, Series, Window
from tools.world.conclusions import LearnedBatch

CAME_TODAY = 0.1  # of bots
YOUNG = 0.05  # of series
LEFT_OUT = timedelta(hours=3)  # before the question: what is learned is older
STEP = timedelta(minutes=5)
SLOT_SECONDS = 3600.0
DAY_SLOTS = 24
STRETCH = 1.3  # fourteen days stray further than one
AFTER_SECONDS = 900.0  # a fault's ranges and caches linger


class WorldBaselines:
    """Learns a metric when it is first asked for."""

    def __init__(self, served: Served) -> None:
        """Take what is served."""
        self.served, self.incident = served, served.incident
        self.random = np.random.default_rng([self.incident.seed, 59])
        self.came_today = bool(self.random.random() < CAME_TODAY)
        self.entries = {e.name: e for e in served.entries}
        self._learned: dict[str, dict[Labels, Baseline]] = {}

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        """Return what was learned of a series."""
        if self.came_today or metric not in self.entries:
            return None
        return (await self._of(self.entries[metric])).get(labels)

    async def save(self, baselines: Sequence[Baseline]) -> None:
        """Keep nothing: a question learns nothing."""

    async def all(self) -> list[Baseline]:
        """Return everything that was learned."""
        if self.came_today:
            return []
        learned = [await self._of(each) for each in self.entries.values()]
        return [each for some in learned for each in some.values()]

    async def after(self, revision: int) -> LearnedBatch | None:  # noqa: ARG002 - the port's
        """Return nothing: no later save."""
        return None

    async def _of(self, spec: MetricSpec) -> dict[Labels, Baseline]:
        if spec.name not in self._learned:
            window = Window.ending(self.incident.now - LEFT_OUT, timedelta(hours=23))
            found = await self.served.metrics.query_range(spec.query, window, STEP)
            kept = {each.labels: self._baseline(spec, each) for each in found}
            self._learned[spec.name] = {
                labels: each
                for labels, each in kept.items()
                if each is not None and self.random.random() > YOUNG
            }
        return self._learned[spec.name]

    def _baseline(self, spec: MetricSpec, series: Series) -> Baseline | None:
        since = self.incident.start.timestamp()
        good = ~np.isnan(series.values)
        for fault in self.incident.past:
            seconds = series.times - since
            good &= (seconds < fault.began) | (seconds > fault.ended + AFTER_SECONDS)
        if good.sum() < DAY_SLOTS:
            return None
        values, times = series.values[good], series.times[good]
        slots = (times % 86400.0 // SLOT_SECONDS).astype(int)
        profile: Floats = np.full(DAY_SLOTS, np.nan)
        for slot in np.unique(slots):
            profile[slot] = np.median(values[slots == slot])
        known = np.flatnonzero(~np.isnan(profile))
        profile = np.interp(np.arange(DAY_SLOTS), known, profile[known], period=DAY_SLOTS)
        rest = values - profile[slots]
        spread = 1.4826 * float(np.median(np.abs(rest))) * STRETCH
        spread = max(spread, 0.01 * abs(float(np.median(values))), 1e-9)
        median = float(np.median(values))
        return Baseline(
            metric=spec.name,
            labels=series.labels,
            learned_at=self.incident.now - LEFT_OUT,
            history=timedelta(days=14),
            samples=14 * len(values),
            slot_seconds=SLOT_SECONDS,
            profile=profile,
            spread=np.full(DAY_SLOTS, spread),
            mean=float(values.mean()),
            std=float(values.std()),
            median=median,
            mad=float(np.median(np.abs(values - median))),
            trend_per_day=0.0,
            quality=0.8,
            unit=spec.unit,
        )
