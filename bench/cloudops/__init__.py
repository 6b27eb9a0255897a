"""Recorded incidents of one Kubernetes application: are object and cause named?

    case ──own process──> ClusterState ──examine, causes──┐
                     └──> series ──metric facts──starts───┴> first cause ──kinds──> right | wrong

`--data` is a folder that holds `benchmark/boutique/<category>/<id>/` or the archive of it. Ids
that three divides are never looked at while rules are written: they are printed apart.
"""

from __future__ import annotations

import json
import multiprocessing
import tarfile
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.cloudops.case import Case
from bench.cloudops.kinds import is_right
from bench.cloudops.metrics import starts_of
from bench.report import Aim, Report
from tools.analysis.blame import count_blamed
from tools.doctor import examine
from tools.doctor.causes import causes

HOLD_OUT = 3  # every id that it divides
SLOW = "latency-unexplained"  # right as far as metrics go: see kinds.py
MOST_LINES = 2_000  # newest log lines per service, as the log tools read
PUBLISHED = {
    "DeepSeek-V3.2": {"a1": 0.73},
    "GPT-5": {"a1": 0.67},
    "Claude-4-Sonnet": {"a1": 0.50},
}
AIMS = {"a1": Aim(least=0.93), "a1_own_holdout": Aim(least=0.90), "seconds_per_case": Aim(most=0.5)}


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of one case."""

    category: str
    held_out: bool
    named: tuple[tuple[str, bool], ...]  # causes in order: analyser, and whether it is right
    fired: tuple[str, ...]  # analysers with a present sign that may be a cause
    seconds: float

    @property
    def first(self) -> bool | None:
        """Whether the first cause is right; None: none was named."""
        return self.named[0][1] if self.named else None


def run(data: Path | None) -> Report:
    """Judge every case of a folder, each in a process of its own."""
    if data is None:
        raise SystemExit("cloudops needs --data: a folder with the recorded cases")
    with tempfile.TemporaryDirectory() as spare:
        folders = list(cases_of(data, Path(spare)))
        if not folders:
            raise SystemExit(f"{data} holds no case (benchmark/boutique/<category>/<id>)")
        context = multiprocessing.get_context("fork")
        with context.Pool(2, maxtasksperchild=1) as pool:
            judged = pool.map(judge, folders, chunksize=1)
    return _report(judged, str(data))


def judge(folder: Path) -> Judged:
    """Judge one case."""
    told = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    cache = json.loads((folder / "tool_cache.json").read_text(encoding="utf-8"))
    logs_file = folder / "raw_data" / "logs.json"
    logs = json.loads(logs_file.read_text(encoding="utf-8")) if logs_file.is_file() else {}
    state = Case(cache, told["namespace"], logs).state()
    began = time.perf_counter()
    found = examine(state)
    blamed = count_blamed(line for lines in logs.values() for line in lines[-MOST_LINES:])
    named = [
        (each.found.by.name, each.found.sign.subject.name)
        for each in causes(state, found, blamed) if each.is_cause
    ]  # fmt: skip
    # What an object's own state says is surer than what a metric shows.
    starts = starts_of(folder, cache, state)
    named += [(each.predicate, each.subject.name) for each in starts]
    seconds = time.perf_counter() - began
    wanted = told["result"]
    return Judged(
        folder.parent.name,
        int(folder.name) % HOLD_OUT == 0,
        tuple(
            (kind, is_right(kind, subject, wanted["fault_object"], wanted["root_cause"]))
            for kind, subject in named
        ),
        tuple(
            sorted({each.by.name for each in found if each.starts} | {s.predicate for s in starts})
        ),
        seconds,
    )


def cases_of(data: Path, spare: Path) -> Iterator[Path]:
    """Yield the folders of the cases; an archive is unpacked into `spare`."""
    root = data
    archives = sorted(data.rglob("boutique*.tar.xz"))
    if not list(data.rglob("tool_cache.json")) and archives:
        with tarfile.open(archives[0]) as archive:
            archive.extractall(spare, filter="data")
        root = spare
    yield from sorted(each.parent for each in root.rglob("tool_cache.json"))


def _report(judged: list[Judged], data: str) -> Report:
    developed = [each for each in judged if not each.held_out]
    held = [each for each in judged if each.held_out]
    seconds = sorted(each.seconds for each in judged)
    ours = {
        **_figures(judged),
        "a1_developed": _figures(developed)["a1"],
        "a1_own_holdout": _figures(held)["a1"],
        "a1_by_slowness_alone": sum(
            each.first is True and each.named[0][0] == SLOW for each in judged
        )
        / max(len(judged), 1),
        "seconds_per_case": seconds[len(seconds) // 2],
        "slowest_seconds": seconds[-1],
    }
    by_category: dict[str, list[Judged]] = defaultdict(list)
    for each in judged:
        by_category[each.category].append(each)
    return Report(
        bench="cloudops",
        data=f"{data}, {len(judged)} cases, {len(held)} of them held out",
        ours=ours,
        peers=PUBLISHED,
        aims=AIMS,
        details={name: {"cases": len(c), **_figures(c)} for name, c in sorted(by_category.items())},
        notes=tuple(_by_analyser(judged)),
    )


def _figures(judged: list[Judged]) -> dict[str, float]:
    count = max(len(judged), 1)
    return {
        "a1": sum(each.first is True for each in judged) / count,
        "a3": sum(any(right for _, right in each.named[:3]) for each in judged) / count,
        "abstained": sum(each.first is None for each in judged) / count,
        "wrong": sum(each.first is False for each in judged) / count,
    }


def _by_analyser(judged: list[Judged]) -> Iterator[str]:
    """Yield how often each analyser fired, and how often it was the first cause, right or wrong."""
    fired = Counter(name for each in judged for name in each.fired)
    first = Counter(each.named[0] for each in judged if each.named)
    for name, count in sorted(fired.items()):
        right, wrong = first[name, True], first[name, False]
        yield f"{name}: fired {count}, first cause {right} right, {wrong} wrong"
