"""A week of 200 series from a real Prometheus into arrays, by our client and by another.

    generated samples ──promtool──> prometheus ──> ours:   query_range + normalise
                                             └───> theirs: custom_query_range + numpy

Each run is a process of its own, alternating, so that neither warms up the other and each one's
peak memory is its own. Needs the programs prometheus and promtool (Debian: prometheus).
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.report import Aim, Report
from tests.fixtures.real_prometheus import backfill, running

SERIES = 200
STEP_SECONDS = 300
POINTS = 7 * 24 * 3600 // STEP_SECONDS
START = 1_780_272_000  # Monday, midnight UTC
METRIC = "bench_requests"
RUNS = 5  # of each, after one that does not count
SIDES = ("ours", "prometheus-api-client", "prometheus-api-client uncompressed")


def run(data: Path | None) -> Report:
    """Measure both clients; recorded data has no part in it, a Prometheus needs its own."""
    del data
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    if missing:
        raise SystemExit(f"{missing[0]} is not installed; on Debian: apt install prometheus")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backfill(folder, samples())
        with running(folder) as url:
            found = _alternate(url)
    ours, theirs = found[SIDES[0]], found[SIDES[1]]
    ours["ratio"] = ours["seconds"] / theirs["seconds"]
    return Report(
        bench="perception",
        data=f"generated: {SERIES} series, {POINTS} points each, from a real Prometheus",
        ours=ours,
        peers={side: found[side] for side in SIDES[1:]},
        aims={"ratio": Aim(most=0.7)},
        notes=(
            f"median of {RUNS} alternating runs, each in a process of its own",
            "ratio: ours to prometheus-api-client as it comes, which asks for a gzipped answer",
        ),
    )


def _alternate(url: str) -> dict[str, dict[str, float]]:
    taken: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    for _ in range(RUNS + 1):
        for side in SIDES:
            done = subprocess.run(
                [sys.executable, "-m", "bench.perception_run", side, url],
                check=True,
                capture_output=True,
                text=True,
                timeout=120,
            )
            taken[side].append(json.loads(done.stdout))
    if len({row["sum"] for rows in taken.values() for row in rows}) > 1:
        raise SystemExit("the clients did not read the same values")
    return {
        side: {
            name: statistics.median(row[name] for row in rows[1:])
            for name in ("seconds", "cpu_seconds", "peak_mb", "grown_mb")
        }
        for side, rows in taken.items()
    }


def samples() -> Iterator[str]:
    """Return the lines of an OpenMetrics text: daily waves with noise, seeded."""
    random = np.random.default_rng(4)
    times = START + STEP_SECONDS * np.arange(POINTS)
    yield f"# TYPE {METRIC} gauge\n"
    for number in range(SERIES):
        wave = np.sin((times % 86400) / 86400 * 2 * np.pi + number)
        values = 100 + number + 20 * wave + random.normal(0, 3, POINTS)
        labels = f'service="service-{number % 20:02d}",pod="pod-{number:03d}",region="north"'
        for at, value in zip(times.tolist(), values.tolist(), strict=True):
            yield f"{METRIC}{{{labels}}} {value!r} {at}\n"
    yield "# EOF\n"
