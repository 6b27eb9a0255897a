"""Systems whose truth is known, and how well a grouping of their lines agrees with it.

GA    share of the lines whose group holds exactly the lines of their event
FGA   F1 of the groups: one is right when it holds exactly the lines of an event
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from tools.world import LogLine

AT = datetime(2026, 1, 1, tzinfo=UTC)
Grouping = Callable[[Sequence[LogLine]], Sequence[Hashable]]


@dataclass(frozen=True, slots=True)
class System:
    """One system's log with the event of each line."""

    name: str
    messages: tuple[str, ...]
    raw: tuple[str, ...]
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """How well the groups of one system agree with its events, each in [0, 1]."""

    ga: float
    fga: float


Scores = Mapping[str, Score]  # by system


def score(events: Sequence[Hashable], groups: Sequence[Hashable]) -> Score:
    """Return how well groups agree with events, both told line by line.

    >>> score("aabb", [1, 1, 2, 3])
    Score(ga=0.5, fga=0.4)
    """
    truth = {tuple(rows) for rows in _rows(events)}
    found = _rows(groups)
    right = [rows for rows in found if tuple(rows) in truth]
    fga = 2 * len(right) / (len(found) + len(truth))
    return Score(sum(map(len, right)) / len(events), fga)


def _rows(names: Sequence[Hashable]) -> list[list[int]]:
    found: dict[Hashable, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        found[name].append(row)
    return list(found.values())


def lines_of(texts: Sequence[str]) -> list[LogLine]:
    """Return lines as a backend hands them over."""
    return [LogLine(AT, "", text) for text in texts]


def scores(systems: Sequence[System], grouping: Grouping, *, raw: bool) -> dict[str, Score]:
    """Return each system's score, of its messages or of its whole lines."""
    return {
        each.name: score(each.events, grouping(lines_of(each.raw if raw else each.messages)))
        for each in systems
    }


def mean_ga(found: Scores) -> float:
    """Return the mean grouping accuracy."""
    return mean(each.ga for each in found.values())


def mean_fga(found: Scores) -> float:
    """Return the mean F1 of groups."""
    return mean(each.fga for each in found.values())


def recorded(data: Path) -> Iterator[System]:
    """Read loghub's public layout: `<System>/<System>_2k.log` and `…_structured.csv`."""
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
