"""Every series that is watched: which row of which block it has, and what a cycle brings for it.

answers of one source (a metric of one instance) ──take──> rows: known, new, late, missing
forget ──> rows of series that had no sample for as long as anything is kept
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tools.analysis.state.block import SIZE, Block
from tools.analysis.state.recent import Rows, SlotGrid
from tools.world import Baseline, Labels, MetricName, MetricSpec, Series, ServiceName

FORGET_SECONDS = 86_400.0  # silence that is an anomaly is told so long
Key = tuple[str, Labels]  # metric of the catalogue, labels
Row = int  # of all blocks: number of the block × SIZE + row within it


@dataclass(frozen=True, slots=True)
class Source:
    """Where series come from: a metric of the catalogue, as one instance answers it."""

    instance: str  # empty: the only one
    metric: MetricName


@dataclass(slots=True)
class Counts:
    """What a cycle's answers brought, in series and samples."""

    series: int = 0  # in the answers
    new: int = 0  # series that were not known
    missing: int = 0  # known series without a sample in the newest slot
    gone: int = 0  # series that were forgotten: nothing for as long as anything is kept
    late: int = 0  # samples that came after their slot had been asked for
    corrected: int = 0  # samples that changed after they had been read

    def add(self, other: Counts) -> None:
        """Add what another answer brought."""
        self.series += other.series
        self.new += other.new
        self.missing += other.missing
        self.gone += other.gone
        self.late += other.late
        self.corrected += other.corrected


@dataclass(slots=True)
class SourceReach:
    """How far one source was read."""

    number: int
    spec: MetricSpec
    read_to: int | None = None  # the newest slot that was asked for and answered


@dataclass(slots=True)
class SeriesTable:
    """All rows. One writer at a time: whoever runs the cycle."""

    grid: SlotGrid
    newest: int = 0
    blocks: list[Block] = field(default_factory=list)
    rows: dict[Key, Row] = field(default_factory=dict)
    keys: dict[Row, Key] = field(default_factory=dict)
    services: dict[ServiceName, dict[Row, None]] = field(default_factory=dict)
    sources: dict[Source, SourceReach] = field(default_factory=dict)
    block_size: int = SIZE
    fresh: list[Key] = field(default_factory=list)  # taken in since `advance`
    _numbered: dict[int, SourceReach] = field(default_factory=dict)
    _free: list[Row] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays; the names of the series come on top."""
        return sum(block.nbytes for block in self.blocks)

    def advance(self, newest: int) -> None:
        """Append the columns of a new cycle; nothing counts as read in it yet."""
        self.newest = max(self.newest, newest)
        self.fresh.clear()
        for block in self.blocks:
            block.recent.advance(self.newest)
            block.watched[:] = False

    def reach(self, source: Source, spec: MetricSpec) -> SourceReach:
        """Return how far a source was read; one whose query changed begins anew."""
        known = self.sources.get(source)
        if known is not None and known.spec.query != spec.query:
            self.drop(source)
            known = None
        if known is None:
            number = 1 + max(self._numbered, default=-1)
            known = self.sources[source] = self._numbered[number] = SourceReach(number, spec)
        elif known.spec != spec:
            self._describe(known, spec)
        return known

    def keep_only(self, sources: Iterable[Source]) -> None:
        """Drop what the catalogue no longer names."""
        for source in set(self.sources) - set(sources):
            self.drop(source)

    def drop(self, source: Source) -> None:
        """Forget a source and all its series."""
        number = self.sources.pop(source).number
        for block_number, block in enumerate(self.blocks):
            for row in np.flatnonzero(block.source == number).tolist():
                self._forget(block_number * self.block_size + row)
        del self._numbered[number]

    def first_unread(self, source: Source, overlap: int) -> int:
        """Return the oldest slot to ask for: what is new, and `overlap` slots again."""
        oldest = self.newest - self.grid.kept + 1
        read_to = self.sources[source].read_to
        return oldest if read_to is None else max(oldest, read_to + 1 - overlap)

    def take(self, source: Source, answer: Sequence[Series], upto: int) -> Counts:
        """Write what a source answered for the slots up to `upto`.

        Call it after `advance` and `reach`; a series that holds nothing at all is not taken in.
        """
        reach = self.sources[source]
        counts = Counts(series=len(answer))
        asked_to = -1 if reach.read_to is None else reach.read_to
        parts: dict[tuple[int, int, int], tuple[list[int], list[np.ndarray]]] = {}
        for series in answer:
            key = (reach.spec.name, series.labels)
            row = self.rows.get(key)
            if row is None:
                if np.isnan(series.values).all():
                    continue
                row = self._take_row(key, reach)
                self.fresh.append(key)
                counts.new += 1
            first = self.grid.slot_at(float(series.times[0]) + self.grid.step_seconds / 2)
            number, within = divmod(row, self.block_size)
            chosen, values = parts.setdefault((number, first, series.values.size), ([], []))
            chosen.append(within)
            values.append(series.values)
        for (number, first, _), (chosen, values) in parts.items():
            block, rows, columns = self.blocks[number], np.array(chosen), np.stack(values)
            written = block.recent.write(rows, first, columns, asked_to)
            known = ~np.isnan(columns)
            last = first + columns.shape[1] - 1 - np.argmax(known[:, ::-1], axis=1)
            block.seen[rows] = np.maximum(block.seen[rows], np.where(known.any(axis=1), last, -1))
            counts.late += written.late
            counts.corrected += written.corrected
        reach.read_to = max(upto, asked_to)
        counts.missing = self._watch(reach.number)
        return counts

    def restore(self, key: Key, source: Source) -> Row:
        """Give a row to a series of a snapshot."""
        known = self.rows.get(key)
        return self._take_row(key, self.sources[source]) if known is None else known

    def _watch(self, number: int) -> int:
        missing = 0
        for block in self.blocks:
            ours = block.source == number
            block.watched |= ours
            missing += int(np.isnan(block.recent.window[ours, -1]).sum())
        return missing

    def learn(self, baselines: Iterable[Baseline]) -> None:
        """Put baselines where their series are; those of unknown series are passed by."""
        for baseline in baselines:
            row = self.rows.get((baseline.metric, baseline.labels))
            if row is not None:
                number, within = divmod(row, self.block_size)
                self.blocks[number].profiles.put(within, baseline)

    def silent(self) -> list[Row]:
        """Return the rows whose silence the catalogue calls an anomaly, and that are silent.

        Only what was read in this cycle: a store that does not answer makes nothing silent.
        """
        found: list[Row] = []
        for reach in self._numbered.values():
            if (longest := self._silent_slots(reach.spec)) is None:
                continue
            for number, block in enumerate(self.blocks):
                quiet = self.newest - block.seen > longest
                ours = block.watched & (block.source == reach.number) & quiet
                found += (number * self.block_size + np.flatnonzero(ours)).tolist()
        return found

    def _silent_slots(self, spec: MetricSpec) -> float | None:
        if spec.silent_after is None:
            return None
        return spec.silent_after.total_seconds() / self.grid.step_seconds

    def last_seen(self, row: Row) -> float:
        """Return when a row had its newest sample, in epoch seconds."""
        number, within = divmod(row, self.block_size)
        return self.grid.time_of(int(self.blocks[number].seen[within]))

    def forget_silent(self) -> list[Key]:
        """Drop series that had no sample for as long as any is kept; return them.

        What is an anomaly when it is silent is remembered for a day.
        """
        gone: list[Key] = []
        patient = [r.number for r in self._numbered.values() if r.spec.silent_after is not None]
        for number, block in enumerate(self.blocks):
            age = self.newest - block.seen
            waits = np.isin(block.source, patient) & (age * self.grid.step_seconds < FORGET_SECONDS)
            empty = block.watched & (age >= self.grid.kept) & ~waits
            for within in np.flatnonzero(empty).tolist():
                row = number * self.block_size + within
                gone.append(self.keys[row])
                self._forget(row)
        return gone

    def series(self, row: Row) -> Series:
        """Return the kept points of a row; a copy."""
        number, within = divmod(row, self.block_size)
        metric, labels = self.keys[row]
        spec = self.spec(row)
        values = self.blocks[number].recent.window[within].copy()
        times = self.grid.times(self.newest)
        return Series(metric, labels, times, values, self.grid.step_seconds, spec.unit)

    def is_learned(self, row: Row) -> bool:
        """Say whether anything was learned of a row."""
        number, within = divmod(row, self.block_size)
        return bool(self.blocks[number].profiles.season[within] > 0)

    def baseline(self, row: Row) -> Baseline | None:
        """Return what was learned of a row."""
        number, within = divmod(row, self.block_size)
        return self.blocks[number].profiles.baseline(within, *self.keys[row])

    def spec(self, row: Row) -> MetricSpec:
        """Return what the catalogue says of a row."""
        number, within = divmod(row, self.block_size)
        return self._numbered[int(self.blocks[number].source[within])].spec

    def service_of(self, row: Row) -> ServiceName:
        """Return whose series it is."""
        return self.spec(row).service_of(self.keys[row][1])

    def mates(self, row: Row) -> list[Row]:
        """Return the rows of the same service that were read in this cycle, this one included."""
        found = self.services.get(self.service_of(row), {})
        return [each for each in found if self.is_watched(each)]

    def is_watched(self, row: Row) -> bool:
        """Say whether a row was read in this cycle."""
        number, within = divmod(row, self.block_size)
        return bool(self.blocks[number].watched[within])

    def place(self, rows: Sequence[Row]) -> Mapping[int, Rows]:
        """Return rows by block."""
        found: dict[int, list[int]] = {}
        for row in rows:
            number, within = divmod(row, self.block_size)
            found.setdefault(number, []).append(within)
        return {number: np.array(each, dtype=np.int64) for number, each in found.items()}

    def _describe(self, reach: SourceReach, spec: MetricSpec) -> None:
        """Take over what the catalogue says now: limit, direction, whose series they are."""
        before, reach.spec = reach.spec, spec
        for number, block in enumerate(self.blocks):
            for within in np.flatnonzero(block.source == reach.number).tolist():
                row = number * self.block_size + within
                labels = self.keys[row][1]
                del self.services[before.service_of(labels)][row]
                self.services.setdefault(spec.service_of(labels), {})[row] = None
                block.describe(within, spec)

    def _take_row(self, key: Key, reach: SourceReach) -> Row:
        if not self._free:
            start = len(self.blocks) * self.block_size
            self.blocks.append(Block(self.grid, self.newest, self.block_size))
            self._free = list(range(start + self.block_size - 1, start - 1, -1))
        row = self._free.pop()
        number, within = divmod(row, self.block_size)
        self.blocks[number].take(within, reach.spec, reach.number)
        self.rows[key], self.keys[row] = row, key
        self.services.setdefault(reach.spec.service_of(key[1]), {})[row] = None
        return row

    def _forget(self, row: Row) -> None:
        number, within = divmod(row, self.block_size)
        service = self.service_of(row)
        del self.rows[self.keys.pop(row)]
        mates = self.services[service]
        del mates[row]
        if not mates:
            del self.services[service]
        self.blocks[number].free(within)
        self._free.append(row)
