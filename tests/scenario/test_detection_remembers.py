"""What the detection cycle remembers: it reads what is new, and survives being killed.

A store of two services' error rates is asked cycle after cycle; the bot is killed and begun again
with what it left on the disk, with nothing, or with a damaged file.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from bot.core.detection.cycle import CycleReport, DetectionCycle
from bot.core.detection.enrichment import Enricher, Sources
from bot.core.detection.findings import FindingConfig, FindingDesk
from bot.core.detection.judging import Judging
from bot.core.detection.telling import Telling
from bot.core.ports import Arrays
from bot.core.shared.stored_ports import StoredBaselines
from bot.domain.finding import Finding
from bot.domain.ids import ChannelId
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.detection.snapshots import FileSnapshots, _replace
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workers import InlineWorkers
from tools.analysis.state.block import Block
from tools.analysis.state.detector import Classic, Detector, Screening
from tools.errors import BackendUnavailableError
from tools.fleet import Fleet
from tools.world import (
    Catalogue,
    MetricName,
    MetricSpec,
    Series,
    ServiceName,
    ServiceSpec,
    Window,
    labels_of,
)

QUERY = "errors_ratio"
SPEC = MetricSpec(MetricName("errors"), "api", QUERY, "ratio", "failed requests", threshold=0.05)
MINUTE = timedelta(minutes=1)
BEGIN = 2_880  # minutes of history


class Errors(FakeMetrics):
    """Error rates by the minute; what was sampled stays as it was."""

    def __init__(self, clock: FakeClock, *services: str) -> None:
        super().__init__()
        self.clock, self.begun = clock, clock.now().timestamp() - BEGIN * 60.0
        self.windows: list[Window] = []
        self.of = {name: [0.001] * (BEGIN + 1) for name in services}

    def minute(self, **rates: float | None) -> None:
        """Let a minute pass; None: the service says nothing."""
        self.clock.advance(MINUTE)
        for name, values in self.of.items():
            rate = rates.get(name.replace("-", "_"), 0.001)
            values.append(np.nan if rate is None else rate)

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        self.windows.append(window)
        self.series[QUERY] = [
            Series(
                "",
                labels_of({"service": name}),
                self.begun + 60.0 * np.arange(len(values), dtype=np.float64),
                np.array(values),
                60.0,
            )
            for name, values in self.of.items()
        ]
        found = await super().query_range(promql, window, step)
        return [each for each in found if not np.isnan(each.values).all()]


@dataclass
class World:
    """A bot that may be killed; its store, its disk and the metrics outlive it."""

    store: SqlStore
    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    spec: MetricSpec = SPEC
    detector: Detector = field(default_factory=Classic)
    cycle: DetectionCycle = field(init=False)

    def __post_init__(self) -> None:
        self.metrics = Errors(self.clock, "order-api", "ledger")
        self.port: Any = self.metrics
        self.begin()

    @property
    def catalogue(self) -> Catalogue:
        names = map(ServiceName, ("order-api", "ledger"))
        services = {name: ServiceSpec(name, "trading", ()) for name in names}
        return Catalogue({self.spec.name: self.spec}, services)

    def begin(self) -> None:
        """Begin a bot as after a kill: nothing is left but store and disk."""
        workers = InlineWorkers()
        sources = Sources(None, workers)
        texts = Texts("en")
        self.cycle = DetectionCycle(
            store=self.store,
            clock=self.clock,
            metrics=self.port,
            baselines=StoredBaselines(self.store),
            judging=Judging(workers, self.detector),
            catalogue=lambda: self.catalogue,
            telling=Telling(
                store=self.store,
                clock=self.clock,
                catalogue=lambda: self.catalogue,
                enricher=Enricher(self.clock, sources, tuple, texts, "UTC", Redactor()),
                desk=FindingDesk(
                    self.store, self.clock, lambda _: ChannelId("C0INC"), FindingConfig(texts)
                ),
                on_cleared=self.on_cleared,
            ),
            snapshots=FileSnapshots(self.folder / "state"),
        )

    async def on_cleared(self, _finding: Finding) -> None:
        """Nobody else is told."""

    async def minutes(self, count: int, **rates: float | None) -> list[CycleReport]:
        reports = []
        for _ in range(count):
            self.metrics.minute(**rates)
            reports.append(await self.cycle.run())
        return reports

    async def posts(self) -> list[str]:
        async with self.store.begin() as tx:
            findings = await tx.findings.list(
                self.clock.now() - timedelta(days=3), self.clock.now() + MINUTE
            )
            rows = [row for f in findings for row in await tx.outbox.of("finding", f.id)]
        return [row.ref for row in rows]

    async def active(self) -> list[str]:
        async with self.store.begin() as tx:
            return sorted(str(a.service) for a in await tx.anomalies.active())


@pytest.fixture
def world(store: SqlStore, tmp_path: Path) -> World:
    return World(store, tmp_path)


def minutes_asked(world: World) -> int:
    return round(world.metrics.windows[-1].duration / MINUTE) + 1


async def test_the_first_cycle_reads_four_hours_and_the_next_three_minutes(world: World) -> None:
    await world.minutes(1)
    assert minutes_asked(world) == 241
    (report,) = await world.minutes(1)
    assert minutes_asked(world) == 3  # the new one, and two for what came late
    assert (report.series, report.new, report.missing, report.queries) == (2, 0, 0, 1)


async def test_a_store_that_was_gone_is_read_from_where_it_stopped(world: World) -> None:
    await world.minutes(2)
    world.metrics.broken = BackendUnavailableError("prometheus", "gone")
    reports = await world.minutes(7, order_api=0.6)
    assert all(report.failed for report in reports)
    assert await world.active() == []
    world.metrics.broken = None
    (report,) = await world.minutes(1, order_api=0.6)
    assert minutes_asked(world) == 10
    assert report.opened == 1
    async with world.store.begin() as tx:
        (anomaly,) = await tx.anomalies.active()
    # As if it had been read in time; the median of three lags by a sample.
    assert (world.clock.now() - anomaly.started_at) / MINUTE == 6


async def test_a_sample_that_came_late_is_counted_and_read(world: World) -> None:
    await world.minutes(2)
    await world.minutes(1, ledger=None)
    world.metrics.of["ledger"][-1] = 0.001  # it comes when its minute had been read already
    (report,) = await world.minutes(1)
    assert report.late == 1


async def test_a_new_series_is_counted_once(world: World) -> None:
    await world.minutes(1)
    world.metrics.of["courier"] = [float("nan")] * BEGIN + [0.001] * 1
    world.metrics.of["courier"] += [0.001] * (len(world.metrics.of["ledger"]) - BEGIN - 1)
    reports = await world.minutes(2)
    assert [report.new for report in reports] == [1, 0]


async def test_a_clock_that_is_set_back_begins_anew(world: World) -> None:
    await world.minutes(30)
    world.clock.advance(timedelta(hours=-1))
    for values in world.metrics.of.values():
        del values[-60:]
    reports = await world.minutes(3, order_api=0.6)
    assert round(world.metrics.windows[-3].duration / MINUTE) + 1 == 241
    assert sum(report.opened for report in reports) == 1


# ------------------------------------------------------------------------------ killed


def broken_nothing(_file: Path) -> None:
    """Leave the file as it is."""


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def flipped(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    file.write_bytes(bytes(whole))


def foreign(file: Path) -> None:
    np.savez(file, index=np.frombuffer(b'{"version": 99}', dtype=np.uint8))


def pickled(file: Path) -> None:
    np.savez(file, allow_pickle=True, index=np.array([{"a": print}], dtype=object))


@pytest.mark.parametrize("damage", [broken_nothing, cut, flipped, foreign, pickled, Path.unlink])
async def test_a_killed_bot_loses_no_anomaly_and_doubles_no_post(world: World, damage: Any) -> None:
    await world.minutes(2)
    await world.minutes(3, order_api=0.6)
    await world.cycle.close()
    posts = await world.posts()
    assert len(posts) == 1
    damage(world.folder / "state" / "points.npz")
    world.begin()
    with capture_logs() as logs:
        reports = await world.minutes(2, order_api=0.6)
    whole = damage is broken_nothing
    assert round(world.metrics.windows[-2].duration / MINUTE) + 1 == (3 if whole else 241)
    told = {entry["event"] for entry in logs if entry["log_level"] == "warning"}
    assert bool(told & {"detection.snapshot_unusable", "detection.state_unusable"}) == (
        damage not in {broken_nothing, Path.unlink}
    )
    assert [report.opened for report in reports] == [0, 0]
    assert await world.active() == ["order-api"]
    assert await world.posts() == posts
    await world.minutes(6)
    assert await world.active() == []


async def test_a_bot_that_was_down_reads_the_gap_alone(world: World) -> None:
    await world.minutes(2)
    await world.cycle.close()
    for _ in range(45):
        world.metrics.minute(order_api=0.6)
    world.begin()
    (report,) = await world.minutes(1, order_api=0.6)
    assert minutes_asked(world) == 48
    assert report.opened == 1


async def test_a_snapshot_older_than_what_is_kept_is_left_aside(world: World) -> None:
    await world.minutes(2)
    await world.cycle.close()
    for _ in range(260):
        world.metrics.minute()
    world.begin()
    await world.minutes(1)
    assert minutes_asked(world) == 241


class FullDisk:
    """A disk on which nothing more can be written."""

    async def load(self, _name: str) -> Arrays | None:
        return None

    async def save(self, _name: str, _arrays: Arrays) -> None:
        raise BackendUnavailableError("detection state", "no space left on device")


async def test_a_full_disk_costs_the_snapshot_alone(world: World) -> None:
    world.cycle._intake._remembering._snapshots = FullDisk()
    await world.minutes(1)
    world.clock.advance(timedelta(minutes=11))
    for values in world.metrics.of.values():
        values.extend([0.001] * 11)
    reports = await world.minutes(2, order_api=0.6)
    assert [report.opened for report in reports] == [0, 1]
    assert [report.crashed for report in reports] == [{}, {}]


# ------------------------------------------------------------------------------ silence


async def test_silence_is_an_anomaly_only_where_the_catalogue_says_so(world: World) -> None:
    await world.minutes(2)
    assert not [r for r in await world.minutes(20, ledger=None) if r.opened]
    world.spec = replace(SPEC, silent_after=timedelta(minutes=30))
    reports = await world.minutes(20, ledger=None)
    assert sum(report.opened for report in reports) == 1
    async with world.store.begin() as tx:
        (anomaly,) = await tx.anomalies.active()
    assert (anomaly.service, anomaly.latest.method) == ("ledger", "silent")
    assert anomaly.severity.value == "high"
    assert len(await world.posts()) == 1
    async with world.store.begin() as tx:
        (finding,) = await tx.findings.open()
    assert finding.lines[0].startswith("errors of ledger: no sample since 14:03 UTC; last seen at")
    await world.minutes(5)
    assert await world.active() == []


async def test_a_store_that_does_not_answer_makes_nothing_silent(world: World) -> None:
    world.spec = replace(SPEC, silent_after=timedelta(minutes=5))
    await world.minutes(2)
    world.metrics.broken = BackendUnavailableError("prometheus", "gone")
    await world.minutes(10, ledger=None, order_api=None)
    assert await world.active() == []


async def test_an_anomaly_of_a_series_that_is_gone_ends_after_four_hours(world: World) -> None:
    await world.minutes(2)
    await world.minutes(2, ledger=0.6)
    assert await world.active() == ["ledger"]
    for _ in range(230):
        world.metrics.minute(ledger=None)
    await world.minutes(2, ledger=None)
    assert await world.active() == ["ledger"]
    reports = await world.minutes(15, ledger=None)
    assert await world.active() == []
    assert sum(report.vanished for report in reports) == 1
    async with world.store.begin() as tx:
        ends = [r.event for r in await tx.audit.tail(50) if r.event.kind == "anomaly.resolved"]
    assert [event.facts["why"] for event in ends] == ["vanished"]


# ------------------------------------------------------------------------------ instances


@contextmanager
def _two(world: World) -> Iterator[Errors]:
    other = Errors(world.clock, "courier")
    world.port = Fleet("prometheus", {"eu": world.metrics, "us": other}, {})
    world.begin()
    yield other


async def test_each_instance_is_read_from_where_it_stopped(world: World) -> None:
    with _two(world) as other:
        await world.minutes(2)
        other.broken = BackendUnavailableError("prometheus", "gone")
        (report,) = await world.minutes(1)
        assert set(report.failed) == {"us"}
        assert report.checked == 2  # of the instance that answers
        other.broken = None
        await world.minutes(1)
        assert minutes_asked(world) == 3
        assert round(other.windows[-1].duration / MINUTE) + 1 == 4


async def test_a_cycle_that_begins_while_another_is_at_work_does_nothing(world: World) -> None:
    await world.minutes(1)
    async with world.cycle._at_work:
        report = await world.cycle.run()
    assert report.waited
    assert len(world.metrics.windows) == 1


async def test_a_bot_killed_between_anomaly_and_finding_tells_it_once(world: World) -> None:
    await world.minutes(2)
    await world.minutes(1, order_api=0.6)

    async def killed(_seen: object) -> None:
        raise asyncio.CancelledError

    world.cycle._telling.signals = killed  # type: ignore[method-assign, assignment]
    with pytest.raises(asyncio.CancelledError):
        await world.minutes(1, order_api=0.6)
    assert await world.active() == ["order-api"]
    assert await world.posts() == []
    world.begin()
    await world.minutes(3, order_api=0.6)
    assert await world.active() == ["order-api"]
    assert len(await world.posts()) == 1


async def test_a_bot_killed_while_it_saves_keeps_the_snapshot_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.minutes(2)
    await world.cycle.close()

    def half(file: Any, **arrays: Any) -> None:
        file.write(b"PK\x03\x04 half of it")
        raise KeyboardInterrupt

    await world.minutes(3)
    with monkeypatch.context() as patched:
        patched.setattr(np, "savez", half)
        with pytest.raises(KeyboardInterrupt):
            _replace(world.folder / "state" / "points.npz", {})
    world.begin()
    await world.minutes(1)
    assert minutes_asked(world) == 6  # from where the older one ends


# ------------------------------------------------------------------------------ another detector


@dataclass(frozen=True)
class Counting(Classic):
    """Counts its cycles per series, as a detector that calibrates itself would keep more."""

    def screen(self, block: Block) -> Screening:
        seen = block.own.setdefault("cycles", np.zeros(block.used.size, dtype=np.int64))
        seen += block.watched
        return super().screen(block)


async def test_what_another_detector_keeps_of_a_series_outlives_the_bot(world: World) -> None:
    world.detector = Counting()
    world.begin()
    await world.minutes(4)
    await world.cycle.close()
    world.begin()
    await world.minutes(2)
    table = world.cycle._intake.table
    (block,) = table.blocks
    assert [int(block.own["cycles"][row]) for row in table.keys] == [6, 6]
