"""Recorded production series for tests: Numenta's benchmark when it is at hand, else generated.

    $BENCH_DATA/nab/data/<category>/<name>.csv   the series        (default: ../shared/bench)
    $BENCH_DATA/nab/labels/combined_windows.json what people labelled as anomalous

Without the recordings the same tests run on generated series with one planted anomaly each, so
that nothing is skipped. Recordings are read where they lie and never copied into the repository.
"""

from __future__ import annotations

import csv
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from tests.architecture.source import ROOT

GENERATED_START = datetime(2014, 3, 1, 0, 3, tzinfo=UTC)
STEP = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Recording:
    """One series of one service with the anomaly a question is about, and a quiet window."""

    metric: str
    service: str
    unit: str
    description: str
    samples: tuple[tuple[float, float], ...]  # (epoch seconds, value), five minutes apart
    labelled: tuple[datetime, datetime]  # holds an anomaly, by people's judgement
    quiet: tuple[datetime, datetime]  # lies outside of every labelled window
    source: str  # "recorded" | "generated"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a series measures, where it is recorded, and which of its windows are asked about."""

    file: str
    metric: str
    service: str
    unit: str
    description: str
    window: int  # index into the file's labelled windows
    quiet: tuple[str, str]
    level: float  # of the generated stand-in
    shape: str  # of the generated anomaly: spike | shift | drop


KINDS = (
    _Kind(
        "realKnownCause/ec2_request_latency_system_failure.csv", "request_latency", "checkout",
        "ms", "Latency of a request to an EC2 instance before it failed",
        0, ("2014-03-11T00:00", "2014-03-11T12:00"), 45.0, "spike",
    ),
    _Kind(
        "realAWSCloudwatch/rds_cpu_utilization_e47b3b.csv", "database_cpu", "orders-db",
        "percent", "Processor use of a database instance",
        0, ("2014-04-16T00:00", "2014-04-16T12:00"), 18.0, "shift",
    ),
    _Kind(
        "realAWSCloudwatch/ec2_network_in_257a54.csv", "network_received", "ingest",
        "bytes", "Bytes received by an EC2 instance in five minutes",
        0, ("2014-04-19T00:00", "2014-04-19T12:00"), 250_000.0, "spike",
    ),
    _Kind(
        "realAWSCloudwatch/elb_request_count_8c0756.csv", "balancer_requests", "storefront",
        "requests", "Requests a load balancer passed on in five minutes",
        1, ("2014-04-17T00:00", "2014-04-17T12:00"), 60.0, "shift",
    ),
)  # fmt: skip


def bench_folder() -> Path | None:
    """Return the folder of recorded series, or None when this machine has none."""
    named = os.environ.get("BENCH_DATA", "")
    folder = Path(named) if named else ROOT.parent / "shared" / "bench"
    return folder if (folder / "nab" / "labels" / "combined_windows.json").is_file() else None


def recordings() -> tuple[Recording, ...]:
    """Return one series of each kind, recorded where it can be, generated where it must be."""
    folder = bench_folder()
    found = []
    for number, kind in enumerate(KINDS):
        path = folder / "nab" / "data" / kind.file if folder else None
        recorded = path is not None and path.is_file()
        found.append(_read(kind, folder / "nab") if folder and recorded else generate(kind, number))
    return tuple(found)


def _read(kind: _Kind, nab: Path) -> Recording:
    with (nab / "data" / kind.file).open(encoding="utf-8", newline="") as lines:
        rows = {_utc(row["timestamp"]).timestamp(): float(row["value"])
                for row in csv.DictReader(lines)}  # fmt: skip
    labels = json.loads((nab / "labels" / "combined_windows.json").read_text("utf-8"))
    start, end = labels[kind.file][kind.window]
    quiet = (_utc(kind.quiet[0]), _utc(kind.quiet[1]))
    for other_start, other_end in labels[kind.file]:
        assert quiet[1] < _utc(other_start) or _utc(other_end) < quiet[0], kind.file
    return _recording(
        kind, tuple(sorted(rows.items())), (_utc(start), _utc(end)), quiet, "recorded"
    )


def generate(kind: _Kind, number: int) -> Recording:
    """Return ten days of daily rhythm with noise, one planted anomaly and one quiet day."""
    rng = np.random.default_rng(20140301 + number)
    begin = GENERATED_START + timedelta(days=12 * number)  # no two windows share their days
    count = timedelta(days=10) // STEP
    times = begin.timestamp() + np.arange(count) * STEP.total_seconds()
    day = np.sin(2 * np.pi * times / 86400.0)
    values = kind.level * (1 + 0.15 * day + 0.02 * rng.standard_normal(count))
    first = begin + timedelta(days=7, hours=9)
    last = first + timedelta(minutes=50)
    inside = (times >= first.timestamp()) & (times <= last.timestamp())
    values[inside] *= {"spike": 2.6, "shift": 1.9, "drop": 0.2}[kind.shape]
    labelled = (first - timedelta(hours=3), last + timedelta(hours=3))
    quiet = (begin + timedelta(days=5), begin + timedelta(days=5, hours=12))
    samples = tuple(zip(times.tolist(), values.round(3).tolist(), strict=True))
    return _recording(kind, samples, labelled, quiet, "generated")


def _recording(
    kind: _Kind,
    samples: tuple[tuple[float, float], ...],
    labelled: tuple[datetime, datetime],
    quiet: tuple[datetime, datetime],
    source: str,
) -> Recording:
    return Recording(
        kind.metric, kind.service, kind.unit, kind.description, samples, labelled, quiet, source
    )


def openmetrics(series: tuple[Recording, ...]) -> str:
    """Return the series in OpenMetrics text, as `promtool tsdb create-blocks-from` reads it."""
    lines = []
    for each in series:
        lines.append(f"# TYPE {each.metric} gauge")
        lines += [
            f'{each.metric}{{service="{each.service}"}} {value!r} {at:.3f}'
            for at, value in each.samples
        ]
    return "\n".join([*lines, "# EOF", ""])


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
