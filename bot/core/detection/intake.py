"""Reading what is new: a short range per metric and instance, into the table of all series.

    first time, or a gap of four hours    the whole window
    after a restart or a gap              from where reading stopped
    every cycle                           the newest slot, and two again for what came late

Each answer is written as it comes, off the event loop, so that no two large ones are held at once.
What cannot be read is named, keeps its place, and is read from there by the cycle that can.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from bot.core.detection.remembering import Remembering
from bot.core.ports import Clock
from bot.core.shared.isolation import isolated, unexpected
from tools.analysis.state.recent import SlotGrid
from tools.analysis.state.table import Counts, SeriesTable, Source
from tools.background import in_background
from tools.errors import AnswerTooLargeError, BackendError, ToolError
from tools.fleet import ask_each, members_of
from tools.ports import Baselines, Metrics, ReadsInParts
from tools.world import Catalogue, Labels, MetricName, MetricSpec, Series, Window

log = structlog.get_logger(__name__)

STEP = timedelta(seconds=60)
OVERLAP = 2  # slots that are read again each time: what came late, or was corrected
FEW = 50  # series that are new in a cycle: their baselines are looked up one by one


@dataclass(slots=True)
class Read:
    """What one cycle read.

    `failed` maps a metric, or an instance, to why it was not; `crashed` what went wrong besides.
    """

    counts: Counts = field(default_factory=Counts)
    failed: dict[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    queries: int = 0

    def was_read(self, metric: str, labels: Labels) -> bool:
        """Say whether the store answered for a series' metric."""
        instance = dict(labels).get("prometheus", "")
        return not {metric, instance, f"{instance}/{metric}"} & set(self.failed)


class Intake:
    """Keeps the table; used by one cycle at a time."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        baselines: Baselines,
        remembering: Remembering,
    ) -> None:
        """`remembering` is where the table outlives the process."""
        self._metrics, self._clock, self._baselines = metrics, clock, baselines
        self._remembering = remembering
        self._table: SeriesTable | None = None
        self._revision = -1  # of the baselines that are in the table
        self._in_parts: set[Source] = set()  # too large for one answer
        # One thread, so that no two answers are written at once, and the last one ends last.
        self._thread = ThreadPoolExecutor(1, "detection-intake")

    @property
    def table(self) -> SeriesTable:
        """The table; `read` makes it."""
        if self._table is None:
            raise RuntimeError("nothing was read yet")
        return self._table

    async def read(self, catalogue: Catalogue) -> Read:
        """Bring the table up to the newest slot."""
        table = await self._opened(catalogue)
        read = Read()
        newest = table.grid.slot_at(self._clock.now().timestamp())
        if newest < table.newest - OVERLAP:  # what is kept lies ahead, and would be asked for
            log.warning("detection.clock_set_back", minutes=table.newest - newest)
            self._table, self._revision = self._empty(), -1
            table = self._table
        instances = list(members_of(self._metrics))
        wanted = [Source(i, spec.name) for i in instances for spec in catalogue.metrics.values()]
        table.keep_only(wanted)
        table.advance(newest)
        for source in wanted:
            table.reach(source, catalogue.metrics[source.metric])
        await self._ask(catalogue, read)
        read.counts.gone = len(table.forget_silent())
        await isolated("baselines", self._learn(table), read.crashed, None)
        return read

    async def remember(self, *, at_once: bool = False) -> None:
        """Save the table where that is due."""
        if self._table is not None:
            await self._remembering.save(self._table, self._revision, at_once=at_once)

    async def _opened(self, catalogue: Catalogue) -> SeriesTable:
        if self._table is None:
            now = self._clock.now().timestamp()
            found = await self._remembering.load(catalogue.metrics, now)
            if found is not None:
                self._table, self._revision = found
            else:
                self._table = self._empty()
        return self._table

    def _empty(self) -> SeriesTable:
        """Return a table of nothing, whose slots have the phase of this very second."""
        step = STEP.total_seconds()
        return SeriesTable(SlotGrid(step, float(int(self._clock.now().timestamp()) % int(step))))

    async def _ask(self, catalogue: Catalogue, read: Read) -> None:
        """Read every metric of every instance; an instance that hangs holds up no other."""
        names = {id(each): name for name, each in members_of(self._metrics).items()}
        specs = list(catalogue.metrics.values())

        async def ask(metrics: Metrics) -> list[BaseException | None]:
            name = names.get(id(metrics), "")
            asked = (self._read_one(metrics, Source(name, s.name), s, read) for s in specs)
            with in_background():  # a person's question goes first
                answers = await asyncio.gather(*asked, return_exceptions=True)
            errors = [each for each in answers if isinstance(each, BackendError)]
            if errors and len(errors) == len(answers):
                raise errors[0]  # nothing was read: not an answer that others must keep up with
            return list(answers)

        gathered = await ask_each(self._metrics, ask)
        await self._written(_nothing)  # what an instance that was left behind still writes, too
        for instance, error in gathered.failed.items():  # of several its name says it all
            told = [instance] if instance else [s.name for s in specs]
            read.failed |= dict.fromkeys(told, str(error))
        for instance, answers in gathered.answers.items():
            for spec, answer in zip(specs, answers, strict=True):
                if answer is None:
                    continue
                if not isinstance(answer, Exception):
                    raise answer
                name = f"{instance}/{spec.name}" if instance else spec.name
                read.failed[name] = _why(name, answer)

    async def _read_one(
        self, metrics: Metrics, source: Source, spec: MetricSpec, read: Read
    ) -> None:
        table = self.table
        newest = table.newest
        first = table.first_unread(source, OVERLAP)
        window = Window(_time(table.grid.time_of(first)), _time(table.grid.time_of(newest)))
        answer = await self._answer(metrics, source, spec, window, read)

        def write() -> None:
            read.counts.add(table.take(source, answer, newest))

        await self._written(write)

    async def _answer(
        self, metrics: Metrics, source: Source, spec: MetricSpec, window: Window, read: Read
    ) -> Sequence[Series]:
        """Ask for one metric, in parts where the whole is more than a store gives at once."""
        if source not in self._in_parts or not isinstance(metrics, ReadsInParts):
            read.queries += 1
            try:
                return await metrics.query_range(spec.query, window, STEP)
            except AnswerTooLargeError:
                if not isinstance(metrics, ReadsInParts):
                    raise
        answer = await metrics.query_range_in_parts(spec.query, spec.group_by, window, STEP)
        self._in_parts.add(source)
        read.queries += answer.queries
        return answer

    async def _written(self, write: Callable[[], None]) -> None:
        """Wait until this, and all that was given before it, is written."""
        await asyncio.get_running_loop().run_in_executor(self._thread, write)

    async def _learn(self, table: SeriesTable) -> None:
        """Take what was learned since, and what was known of series that came new."""
        fresh, first = list(table.fresh), self._revision < 0
        if len(fresh) > FEW:
            self._revision = -1
        while (batch := await self._baselines.after(self._revision)) is not None:
            await asyncio.to_thread(table.learn, batch.baselines)
            self._revision = batch.revision
        if first or len(fresh) > FEW:
            return
        for metric, labels in fresh:
            known = await self._baselines.find(MetricName(metric), labels)
            if known is not None:
                table.learn([known])


def _nothing() -> None:
    """Be the last thing that is written."""


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _why(metric: str, error: Exception) -> str:
    """Return why a metric was not read; what nobody expected is reported as well."""
    if isinstance(error, ToolError):
        return str(error)
    log.error("detection.reading_crashed", metric=metric, exc_info=error)
    return unexpected(error)
