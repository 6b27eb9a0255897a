"""Baselines are relearned from history, every 24 h and at the first start.

catalogue ─history (7–30 days, 15 min)─> series ─learn (workers)─> baselines ─> store
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.core.ports import Clock, Store
from bot.core.shared.isolation import isolated
from bot.domain.audit import BOT, Event
from bot.domain.secrets.redaction import Redactor
from tools.analysis.baseline import learn
from tools.background import in_background
from tools.fleet import Gathered, ask_each
from tools.ports import Metrics, Workers
from tools.world import Baseline, Catalogue, MetricSpec, Series, Window

log = structlog.get_logger(__name__)

STEP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class LearningConfig:
    """How much history is wanted, in days, and when what was learned is old."""

    min_history_days: float = 7.0  # with less, static thresholds serve
    optimal_history_days: float = 30.0
    every: timedelta = timedelta(hours=24)  # world time


@dataclass(frozen=True, slots=True)
class LearningReport:
    """How it went. `short` counts series with too little history."""

    learned: int
    short: int
    failed: tuple[str, ...]


def learn_all(
    series: Sequence[Series], at: datetime, min_history_days: float
) -> list[Baseline | None]:
    """Learn one baseline per series. Runs in a worker process."""
    return [learn(s, learned_at=at, min_history_days=min_history_days) for s in series]


class Learner:
    """Relearns baselines."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        workers: Workers,
        catalogue: Callable[[], Catalogue],
        config: LearningConfig,
        redactor: Redactor,
    ) -> None:
        """Join what learning reads and writes."""
        self._store, self._clock, self._metrics = store, clock, metrics
        self._workers, self._catalogue, self._config = workers, catalogue, config
        self._redactor = redactor

    async def _read(self, spec: MetricSpec, window: Window) -> Gathered[list[Series]]:
        with in_background():  # a person's question goes first
            return await ask_each(self._metrics, lambda m: m.query_range(spec.query, window, STEP))

    async def run(self) -> LearningReport:
        """Relearn every catalogued series, metric by metric; one bad metric stops no other."""
        now = self._clock.now()
        window = Window.ending(now, timedelta(days=self._config.optimal_history_days))
        learned = short = 0
        failed: list[str] = []
        for spec in self._catalogue().metrics.values():
            dead: dict[str, str] = {}
            answers = await isolated(spec.name, self._read(spec, window), dead, Gathered({}, {}))
            failed += [
                f"{instance}/{spec.name}: {error}" if instance else f"{spec.name}: {error}"
                for instance, error in answers.failed.items()
            ]
            named = [
                replace(s, metric=spec.name, unit=spec.unit)
                for answer in answers.answers.values()
                for s in answer
            ]
            found: list[Baseline | None] = []
            if answers.answers:
                learning = self._workers.run(learn_all, named, now, self._config.min_history_days)
                found = await isolated(spec.name, learning, dead, [])
            failed += [f"{name}: {why}" for name, why in dead.items()]
            if not answers.answers or dead:
                continue
            kept = [b for b in found if b is not None]
            learned, short = learned + len(kept), short + len(found) - len(kept)
            async with self._store.begin() as tx:
                await tx.baselines.save(kept)
            log.info("baseline.learned", metric=spec.name, series=len(kept))
        failed = [self._redactor.text(each) for each in failed]
        async with self._store.begin() as tx:
            await tx.audit.append(
                Event(
                    kind="baselines.learned",
                    at=now,
                    actor=BOT,
                    subject="baselines",
                    facts={"learned": learned, "short": short, "failed": failed},
                )
            )
        return LearningReport(learned, short, tuple(failed))
