"""One measurement in a process of its own, so that its memory is its own."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bot.core.detection.judging import Group, Judged, Judging, score_groups
from bot.store.detection.snapshots import FileSnapshots
from tests.fakes.workers import InlineWorkers
from tests.fixtures.many_series import (
    SPECS,
    STEP,
    VARIANTS,
    Platform,
    history_of,
    platform,
    template,
)
from tools.analysis import forest
from tools.analysis.baseline import learn
from tools.analysis.state.detector import Classic, Observed
from tools.analysis.state.frozen import (
    freeze_points,
    freeze_profiles,
    thaw_points,
    thaw_profiles,
)
from tools.analysis.state.recent import KEPT, SlotGrid
from tools.analysis.state.table import SeriesTable, Source
from tools.world import Baseline, MetricName, Verdict

CYCLES = 12
OVERLAP = 2
LEARNED = 40  # series that learning is timed on
BASELINES = 10_000  # what `baseline_minutes` speaks of
FLOOR_POINTS = 1_440
CHILD = "from bench.throughput.measuring import print_measured; print_measured()"


@dataclass(frozen=True, slots=True)
class Measured:
    """What one size costs; seconds are of CPU, of one core."""

    series: int
    seconds_per_cycle: float  # median of the cycles after the first
    worst_cycle_seconds: float
    first_cycle_seconds: float
    take_seconds: float
    judge_seconds: float
    candidates: float  # series looked at closely in a cycle
    bytes_per_series: float  # of memory, names and index included
    disk_bytes_per_series: float
    save_seconds: float
    cold_start_seconds: float
    floor_seconds: float
    baseline_minutes: float
    learn_ms: float
    one_by_one_ms: float
    checked: int
    compared: int
    abnormal: int
    differing: int
    peak_mb: float


def measured_apart(series: int, check: int) -> Measured:
    """Measure in a new process, one thread of each numeric library."""
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(series), str(check)],
        stdout=subprocess.PIPE, text=True, check=True, cwd=Path(__file__).parents[2],
        env={**os.environ, **dict.fromkeys(threads, "1")},
    )  # fmt: skip
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


async def measure(count: int, check: int) -> Measured:
    """Measure one size; `check` series are judged one by one as well."""
    world = platform(count, KEPT + CYCLES)
    answers = [_of_metric(world, metric) for metric in SPECS]
    for shape in SPECS:  # what is loaded and learned once is no series' memory
        for variant in range(VARIANTS):
            template(shape, variant)
    before = _resident()
    table = SeriesTable(SlotGrid(STEP, float(world.times[0] % STEP)))
    judging = Judging(InlineWorkers(), Classic())
    takes, judges, candidates = [], [], []
    first = grown = 0.0
    judged = Judged()
    for number in range(CYCLES + 1):
        end = KEPT + number
        begin = 0 if number == 0 else end - 1 - OVERLAP
        taken = _timed(lambda e=end, b=begin: _take(table, world, answers, b, e))
        if number == 0:
            _learn(table, world)
            grown = max(float(table.nbytes), _resident() - before)
        since = time.process_time()
        judged = await judging.judge(table, ())
        spent = time.process_time() - since
        if number == 0:
            first = taken + spent
            continue
        takes.append(taken)
        judges.append(spent)
        candidates.append(len(judged.series))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    cycles = [a + b for a, b in zip(takes, judges, strict=True)]
    compared = _compared(world, judged, check)
    save, cold, disk = await _cold_start(table)
    learning = _timed(_learn_some) / LEARNED
    return Measured(
        series=count,
        seconds_per_cycle=float(np.median(cycles)),
        worst_cycle_seconds=max(cycles),
        first_cycle_seconds=first,
        take_seconds=float(np.median(takes)),
        judge_seconds=float(np.median(judges)),
        candidates=float(np.median(candidates)),
        bytes_per_series=grown / count,
        disk_bytes_per_series=disk / count,
        save_seconds=save,
        cold_start_seconds=cold,
        floor_seconds=floor_seconds(count),
        baseline_minutes=learning * BASELINES / 60,
        learn_ms=learning * 1e3,
        peak_mb=peak,
        **compared,  # type: ignore[arg-type]
    )


def _of_metric(world: Platform, metric: str) -> tuple[str, list[int]]:
    return metric, [row for row, name in enumerate(world.metrics) if name == metric]


def _take(
    table: SeriesTable,
    world: Platform,
    answers: Sequence[tuple[str, list[int]]],
    begin: int,
    end: int,
) -> float:
    """Write an answer per metric, as a store gives it; return the CPU seconds of the writing."""
    newest = table.grid.slot_at(float(world.times[end - 1]))
    spent = 0.0
    since = time.process_time()
    table.advance(newest)
    spent += time.process_time() - since
    for metric, rows in answers:
        answer = [world.series(row, begin, end) for row in rows]  # the store's own work
        since = time.process_time()
        source = Source("", MetricName(metric))
        table.reach(source, SPECS[metric])
        table.take(source, answer, newest)
        table.forget_silent()
        spent += time.process_time() - since
    return spent


def _timed(function: object) -> float:
    """Return the seconds that a function says it took, or else those it took."""
    since = time.process_time()
    said = function()  # type: ignore[operator]
    return float(said) if isinstance(said, float) else time.process_time() - since


def _learn(table: SeriesTable, world: Platform) -> None:
    for row in range(len(world.metrics)):
        if (baseline := world.baseline(row)) is not None:
            table.learn([baseline])


def _learn_some() -> None:
    for number in range(LEARNED):
        shape = list(SPECS)[number % len(SPECS)]
        learn(history_of(shape, 100 + number))


def _compared(world: Platform, judged: Judged, check: int) -> dict[str, float]:
    """Judge whole services one by one, time it, and compare what both ways found."""
    rows = range(min(check, len(world.metrics)))
    if not rows:
        return dict.fromkeys(("one_by_one_ms", "checked", "compared", "abnormal", "differing"), 0)
    services: dict[str, list[Observed]] = {}
    for row in rows:
        baseline: Baseline | None = world.baseline(row)
        series, spec = world.series(row, CYCLES, KEPT + CYCLES), world.spec(row)
        services.setdefault(spec.service_of(series.labels), []).append((series, baseline, spec))
    forest.forget()
    since = time.process_time()
    groups = {name: Group(each, len(each)) for name, each in services.items()}
    alone = score_groups(groups, Classic()).verdicts
    spent = time.process_time() - since
    found = {(v.metric, v.labels): v for v in judged.verdicts if v.anomalous}
    differing = sum(not _same(found.get((v.metric, v.labels)), v) for v in alone)
    return {
        "one_by_one_ms": spent * 1e3 / len(rows),
        "checked": len(rows),
        "compared": len(alone),
        "abnormal": sum(v.anomalous for v in alone),
        "differing": differing,
    }


def _same(found: Verdict | None, alone: Verdict) -> bool:
    """Say whether both ways agree: quiet for both, or the same verdict to the last bit."""
    return (found is None) if not alone.anomalous else repr(found) == repr(alone)


async def _cold_start(table: SeriesTable) -> tuple[float, float, float]:
    """Return CPU seconds of saving and of loading, and bytes on the disk."""
    with tempfile.TemporaryDirectory() as name:
        snapshots = FileSnapshots(Path(name))
        since = time.process_time()
        await snapshots.save("points", freeze_points(table))
        await snapshots.save("profiles", freeze_profiles(table, 1))
        saved = time.process_time() - since
        size = await asyncio.to_thread(_size_of, Path(name))
        since = time.process_time()
        points, profiles = await snapshots.load("points"), await snapshots.load("profiles")
        if points is None or profiles is None:
            raise ValueError("what was just saved cannot be read")
        back = thaw_points(points, {spec.name: spec for spec in SPECS.values()})
        thaw_profiles(profiles, back)
        loaded = time.process_time() - since
        if back.rows.keys() != table.rows.keys():
            raise ValueError("not every series came back")
    return saved, loaded, float(size)


def _size_of(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


def floor_seconds(count: int) -> float:
    """Return the CPU seconds of Z-scores over count × 1,440 single-precision values."""
    rng = np.random.default_rng(1)
    values = rng.random((count, FLOOR_POINTS), dtype=np.float32)
    since = time.process_time()
    scores = np.empty(count, dtype=np.float32)
    for begin in range(0, count, 64):  # a part that fits the cache, so that it is read once
        part = values[begin : begin + 64]
        mean = part.mean(axis=1)
        square = np.einsum("ij,ij->i", part, part) / FLOOR_POINTS
        scores[begin : begin + 64] = (part[:, -1] - mean) / np.sqrt(square - mean**2)
    return time.process_time() - since


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * resource.getpagesize())


def print_measured() -> None:
    """Measure what the arguments say, as the child process."""
    measured = asyncio.run(measure(int(sys.argv[1]), int(sys.argv[2])))
    sys.stdout.write(json.dumps(asdict(measured)) + "\n")
