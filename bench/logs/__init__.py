"""Log lines into templates: grouping accuracy with one configuration over all systems, and speed.

    truth       line -> event, from the `…_structured.csv` beside each log
    message     the Content column;  raw: the whole line, header included
    left out    each system once more, by rules chosen without it

Lines are fed once, in order. Beside the recorded systems stand public formats of programs, some of
which nobody looked into while the grouping was worked on. Without `--data` they stand alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Hashable, Sequence
from pathlib import Path

from bench.logs.grouping import (
    Grouping,
    System,
    mean_fga,
    mean_ga,
    recorded,
    scores,
)
from bench.logs.left_out import left_out
from bench.logs.public_formats import DEVELOPED, SYSTEMS, generate
from bench.report import Aim, Report
from tools.analysis.patterns import PatternMiner
from tools.world import LogLine

GENERATED_LINES = 2_000  # of each public format, as in the recorded sets
CHOOSING_LINES = 400  # of each, where rules are chosen
AIMS = {
    "message_ga": Aim(least=0.90),
    "message_ga_left_out": Aim(least=0.90),
    "raw_ga_left_out": Aim(least=0.85),
    "lines_per_second": Aim(least=20_000),
}


def run(data: Path | None) -> Report:
    """Measure ours and, when installed, drain3 with its defaults."""
    formats = list(_generated(GENERATED_LINES))
    systems = list(recorded(data)) if data else formats
    if not systems:
        raise SystemExit(f"{data} holds no <System>/<System>_2k.log_structured.csv")
    details: dict[str, dict[str, float]] = {}
    ours = _measure("ours", systems, group, details)
    few = list(_generated(CHOOSING_LINES))
    messages, raw, differing = left_out(systems if data else few, few if data else [])
    ours |= {"message_ga_left_out": mean_ga(messages), "raw_ga_left_out": mean_ga(raw)}
    for name in messages:
        details[name] |= {"left out message": messages[name].ga, "left out raw": raw[name].ga}
    notes = ["one core, CPU time; message and raw lines together"]
    notes += [f"left out {name}: {knobs} chosen otherwise" for name, knobs in differing.items()]
    peers, drain = {}, _drain()
    if drain is None:
        notes.append("drain3 is not installed, so ours stands alone: pip install 'drain3>=0.9.11'")
    else:
        peers["drain3"] = _measure("drain3", systems, drain, details)
    if data:
        _add_formats(formats, details, group, drain)
    return Report(
        bench="logs",
        data=str(data) if data else f"public formats: {len(systems)} programs",
        ours=ours,
        peers=peers,
        aims=AIMS,
        details=details,
        notes=tuple(notes),
    )


def group(lines: Sequence[LogLine]) -> Sequence[Hashable]:
    """Group lines by the shipped miner."""
    return PatternMiner().group(lines)


def _measure(
    whose: str, systems: Sequence[System], grouping: Grouping, details: dict[str, dict[str, float]]
) -> dict[str, float]:
    began = time.process_time()
    found = {
        kind: scores(systems, grouping, raw=kind == "raw") for kind in ("message", "raw")
    }  # scoring costs a few per cent of it
    seconds = time.process_time() - began
    figures: dict[str, float] = {}
    for kind, by_system in found.items():
        figures |= {f"{kind}_ga": mean_ga(by_system), f"{kind}_fga": mean_fga(by_system)}
        for name, each in by_system.items():
            details.setdefault(name, {})[f"{whose} {kind}"] = each.ga
    lines = 2 * sum(len(system.events) for system in systems)
    return figures | {"lines_per_second": lines / seconds}


def _add_formats(
    formats: Sequence[System],
    details: dict[str, dict[str, float]],
    ours: Grouping,
    drain: Grouping | None,
) -> None:
    """Add the public formats to the details, those that were looked into apart from the others."""
    parts = {
        "formats, looked into": [f for f in formats if f.name in DEVELOPED],
        "formats, held out": [f for f in formats if f.name not in DEVELOPED],
    }
    for title, part in parts.items():
        row = details[title] = {}
        for whose, grouping in (("ours", ours), ("drain3", drain)):
            if grouping is None:
                continue
            for kind in ("message", "raw"):
                row[f"{whose} {kind}"] = mean_ga(scores(part, grouping, raw=kind == "raw"))


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


def _generated(count: int) -> list[System]:
    found = []
    for name in SYSTEMS:
        lines = list(generate(name, count, random.Random(name)))
        messages, raw, events = zip(*lines, strict=True)
        found.append(System(name, messages, raw, events))
    return found
