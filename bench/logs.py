"""Log lines into templates: grouping accuracy with one configuration over all systems, and speed.

    truth       line -> event, from the `…_structured.csv` beside each log
    accuracy    share of the lines whose group holds exactly the lines of their event
    message     the Content column;  raw: the whole line, header included

Lines are fed once, in order. Without `--data` five small systems with known events are generated.
"""

from __future__ import annotations

import csv
import random
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from bench.generated_logs import SYSTEMS, generate
from bench.report import Aim, Report
from tools.analysis.patterns import PatternMiner
from tools.world import LogLine

AT = datetime(2026, 1, 1, tzinfo=UTC)
GENERATED_LINES = 2_000  # of each system, as in the recorded sets
AIMS = {
    "message_ga": Aim(least=0.88),
    "raw_ga": Aim(least=0.75),
    "lines_per_second": Aim(least=20_000),
}
Grouping = Callable[[Sequence[LogLine]], Sequence[Hashable]]


@dataclass(frozen=True, slots=True)
class System:
    """One system's log with the event of each line."""

    name: str
    messages: tuple[str, ...]
    raw: tuple[str, ...]
    events: tuple[str, ...]


def run(data: Path | None) -> Report:
    """Measure ours and, when installed, drain3 with its defaults."""
    systems = list(_recorded(data) if data else _generated())
    if not systems:
        raise SystemExit(f"{data} holds no <System>/<System>_2k.log_structured.csv")
    ours, by_system = _measure(systems, group)
    details = {name: {f"ours {k}": v for k, v in row.items()} for name, row in by_system.items()}
    peers, notes = {}, ["one core, CPU time; message and raw lines together"]
    drain = _drain()
    if drain is None:
        notes.append("drain3 is not installed, so ours stands alone: pip install 'drain3>=0.9.11'")
    else:
        peers["drain3"], theirs = _measure(systems, drain)
        for name, row in theirs.items():
            details[name].update({f"drain3 {k}": v for k, v in row.items()})
    return Report(
        bench="logs",
        data=str(data) if data else f"generated: {len(systems)} systems",
        ours=ours,
        peers=peers,
        aims=AIMS,
        details=details,
        notes=tuple(notes),
    )


def group(lines: Sequence[LogLine]) -> Sequence[Hashable]:
    """Group lines by the shipped miner."""
    return PatternMiner().group(lines)


def grouping_accuracy(events: Sequence[Hashable], groups: Sequence[Hashable]) -> float:
    """Return the share of lines whose group holds exactly the lines of their event.

    >>> grouping_accuracy("aabb", [1, 1, 2, 3])
    0.5
    """
    truth = {tuple(rows) for rows in _rows(events)}
    return sum(len(rows) for rows in _rows(groups) if tuple(rows) in truth) / len(events)


def _rows(names: Sequence[Hashable]) -> list[list[int]]:
    found: dict[Hashable, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        found[name].append(row)
    return list(found.values())


def _measure(
    systems: Sequence[System], grouping: Grouping
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    rows: dict[str, dict[str, float]] = {}
    seconds, lines = 0.0, 0
    for system in systems:
        row = rows[system.name] = {}
        for kind, texts in (("message", system.messages), ("raw", system.raw)):
            given = [LogLine(AT, "", text) for text in texts]  # as a backend hands them over
            began = time.process_time()
            groups = grouping(given)
            seconds += time.process_time() - began
            lines += len(texts)
            row[kind] = grouping_accuracy(system.events, groups)
    return {
        "message_ga": mean(row["message"] for row in rows.values()),
        "raw_ga": mean(row["raw"] for row in rows.values()),
        "lines_per_second": lines / seconds,
    }, rows


def _drain() -> Grouping | None:
    try:
        from drain3 import TemplateMiner
        from drain3.template_miner_config import TemplateMinerConfig
    except ImportError:
        return None

    def grouping(lines: Sequence[LogLine]) -> list[Hashable]:
        miner = TemplateMiner(None, TemplateMinerConfig())
        return [miner.add_log_message(line.text)["cluster_id"] for line in lines]

    return grouping


def _recorded(data: Path) -> Iterator[System]:
    folder = data / "logs" if (data / "logs").is_dir() else data
    for table in sorted(folder.glob("*/*.log_structured.csv")):
        with table.open(encoding="utf-8", errors="replace", newline="") as file:
            rows = list(csv.DictReader(file))
        text = table.with_name(table.name.removesuffix("_structured.csv"))
        lines = [
            line.rstrip("\r")
            for line in text.read_text("utf-8", errors="replace").split("\n")
            if line.strip()
        ]
        yield System(
            table.parent.name,
            tuple(row["Content"] for row in rows),
            tuple(lines[int(row["LineId"]) - 1] for row in rows),
            tuple(row["EventId"] for row in rows),
        )


def _generated() -> Iterator[System]:
    for name in SYSTEMS:
        lines = list(generate(name, GENERATED_LINES, random.Random(name)))
        messages, raw, events = zip(*lines, strict=True)
        yield System(name, messages, raw, events)
