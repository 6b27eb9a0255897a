"""Baselines are relearned from history, each metric every 24 h and when it is first seen.

    catalogue ─due─> history (7–30 days, 15 min) ─less what was no ordinary day─> series
        ─learn (workers, a hundred at a time)─> baselines ─> store

Every portion is saved when it is learned, so a bot that is killed goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import structlog

from bot.core.detection.exceptions import Exceptions, exceptions_in
from bot.core.ports import Clock, Store
from bot.core.shared.isolation import isolated
from bot.domain.audit import BOT, Event
from bot.domain.secrets.redaction import Redactor
from tools.analysis.baseline import learn
from tools.analysis.known_bad import without
from tools.background import in_background
from tools.errors import AnswerTooLargeError
from tools.fleet import Gathered, ask_each
from tools.ports import Metrics, ReadsInParts, Workers
from tools.world import Baseline, Catalogue, MetricName, MetricSpec, Series, Window

log = structlog.get_logger(__name__)

STEP = timedelta(minutes=15)
AT_ONCE = 100  # series that one task learns: seconds of a worker
AGAIN_AFTER = timedelta(hours=1)  # a metric of which nothing could be learned is tried again


@dataclass(frozen=True, slots=True)
class LearningConfig:
    """How much history is wanted, in days, and when what was learned is old."""

    min_history_days: float = 7.0  # with less, static thresholds serve
    optimal_history_days: float = 30.0
    every: timedelta = timedelta(hours=24)  # world time
    holidays: tuple[date, ...] = ()  # days that no baseline is learned from
    timezone: str = "UTC"  # of the holidays


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
        self._tried: dict[MetricName, datetime] = {}

    async def run_due(self) -> LearningReport | None:
        """Relearn the metrics whose baselines are old or missing; None: there is none."""
        now = self._clock.now()
        async with self._store.begin() as tx:
            learned = await tx.baselines.learned()
        due = [
            name
            for name in self._catalogue().metrics
            if name not in learned or now - learned[name].newest >= self._config.every
            if name not in self._tried or now - self._tried[name] >= AGAIN_AFTER
        ]
        return await self.run(due) if due else None

    async def run(self, metrics: Collection[MetricName] | None = None) -> LearningReport:
        """Relearn these metrics, all where none is named; one bad metric stops no other."""
        now = self._clock.now()
        window = Window.ending(now, timedelta(days=self._config.optimal_history_days))
        failed: list[str] = []
        dead: dict[str, str] = {}
        known = await isolated("exceptions", self._exceptions(window), dead, Exceptions())
        failed += [f"{name}: {why}" for name, why in dead.items()]
        learned = short = 0
        for spec in self._catalogue().metrics.values():
            if metrics is None or spec.name in metrics:
                self._tried[spec.name] = now
                some, few = await self._learn(spec, window, known, failed)
                learned, short = learned + some, short + few
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

    async def _exceptions(self, window: Window) -> Exceptions:
        async with self._store.begin() as tx:
            return await exceptions_in(tx, window, self._config.holidays, self._config.timezone)

    async def _read(self, spec: MetricSpec, window: Window) -> Gathered[Sequence[Series]]:
        async def read(metrics: Metrics) -> Sequence[Series]:
            try:
                return await metrics.query_range(spec.query, window, STEP)
            except AnswerTooLargeError:
                if not isinstance(metrics, ReadsInParts):
                    raise
            return await metrics.query_range_in_parts(spec.query, spec.group_by, window, STEP)

        with in_background():  # a person's question goes first
            return await ask_each(self._metrics, read)

    async def _learn(
        self, spec: MetricSpec, window: Window, known: Exceptions, failed: list[str]
    ) -> tuple[int, int]:
        """Learn one metric; return how many series taught something, and how many were short."""
        dead: dict[str, str] = {}
        nothing: Gathered[Sequence[Series]] = Gathered({}, {})
        answers = await isolated(spec.name, self._read(spec, window), dead, nothing)
        failed += [
            f"{instance}/{spec.name}: {error}" if instance else f"{spec.name}: {error}"
            for instance, error in answers.failed.items()
        ]
        learned = short = 0
        for part in _portions([s for found in answers.answers.values() for s in found]):
            named = [
                without(
                    replace(series, metric=spec.name, unit=spec.unit),
                    known.of(spec.name, series.labels, spec.service_of(series.labels)),
                )
                for series in part
            ]
            learning = self._workers.run(
                learn_all, named, window.end, self._config.min_history_days
            )
            found = await isolated(spec.name, learning, dead, None)
            if found is None:
                break  # over the next portion workers would die as well
            kept = [each for each in found if each is not None]
            async with self._store.begin() as tx:
                await tx.baselines.save(kept)
            learned, short = learned + len(kept), short + len(found) - len(kept)
        failed += [f"{name}: {why}" for name, why in dead.items()]
        if learned:
            log.info("baseline.learned", metric=spec.name, series=learned)
        return learned, short


def _portions(series: Sequence[Series]) -> Iterator[Sequence[Series]]:
    for begin in range(0, len(series), AT_ONCE):
        yield series[begin : begin + AT_ONCE]
