"""`python -m bench throughput`: what a cycle costs at 100,000 series, and what it rests on.

    generated series ─> table ─(cycle by cycle: take, screen, judge)─> verdicts
           └─ a part of them, one by one ─> the same verdicts, and what that costs

The cycle's own functions are measured, in CPU seconds of one core, workers in the same process.
Reading from a store is measured apart: `--stage store` starts a real VictoriaMetrics.
"""

from __future__ import annotations

from pathlib import Path

from bench.report import Aim, Report
from bench.throughput.measuring import Measured, measured_apart
from bench.throughput.real_store import SERIES as STORED
from bench.throughput.real_store import run_store

SERIES = 100_000
SMALL = 1_000  # what flatness compares with
AIMS = {
    "seconds_per_cycle": Aim(most=5.0),
    "bytes_per_series": Aim(most=8_192),
    "cold_start_seconds": Aim(most=60.0),
    "flatness": Aim(most=1.3),
    "baseline_minutes": Aim(most=10.0),
    "verdicts_differing": Aim.exactly(0),
}


def run(_data: Path | None = None, series: int | None = None, stage: str = "cycle") -> Report:
    """Measure cycles, a cold start and learning; with `stage` store, a real metrics store."""
    if stage == "store":
        return run_store(series or STORED)
    series = series or SERIES
    small, large = measured_apart(SMALL, check=0), measured_apart(series, check=2_000)
    each_small = small.seconds_per_cycle / small.series
    each_large = large.seconds_per_cycle / large.series
    ours = {
        "series": large.series,
        "seconds_per_cycle": large.seconds_per_cycle,
        "floor_ratio": large.seconds_per_cycle / large.floor_seconds,
        "bytes_per_series": large.bytes_per_series,
        "cold_start_seconds": large.cold_start_seconds,
        "flatness": each_large / each_small,
        "baseline_minutes": large.baseline_minutes,
        "peak_mb": large.peak_mb,
        "verdicts_differing": large.differing,
    }
    one_by_one = {
        "series": large.series,
        "seconds_per_cycle": large.one_by_one_ms * large.series / 1e3,
        "floor_ratio": large.one_by_one_ms * large.series / 1e3 / large.floor_seconds,
    }
    return Report(
        bench="throughput",
        data=f"generated, {large.series:,} series of ten shapes by the minute",
        ours=ours,
        peers={"one by one": one_by_one, "floor": {"seconds_per_cycle": large.floor_seconds}},
        aims=AIMS,
        details={f"{each.series:,} series": _row(each) for each in (small, large)},
        notes=(
            f"one by one: {large.one_by_one_ms:.2f} ms a series, on {large.checked:,} of them",
            f"compared: {large.compared:,} verdicts, {large.abnormal:,} of them abnormal",
            "floor: Z-scores of series × 1,440 float32 in one pass of numpy",
            f"learning: {large.learn_ms:.0f} ms a series of 28 days by the quarter of an hour",
        ),
    )


def _row(measured: Measured) -> dict[str, float]:
    return {
        "first cycle": measured.first_cycle_seconds,
        "take": measured.take_seconds,
        "judge": measured.judge_seconds,
        "worst cycle": measured.worst_cycle_seconds,
        "candidates": measured.candidates,
        "snapshot save": measured.save_seconds,
        "disk bytes a series": measured.disk_bytes_per_series,
    }
