"""The PetShop set as it is published: five rows of an issue, two healthy days, who calls whom.

    low_traffic/{noissue/metrics.csv, graph.csv, train|test/issue_<n>/{metrics.csv, target.json}}

A table has four heading rows: service, metric, statistic, then the name of the time column.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.world import Direction, Floats, MetricName, MetricSpec, Series, labels_of

STEP = 300.0
HEADING = 4
SPECS = {
    "latency": MetricSpec(MetricName("latency"), "", "", "seconds", "", Direction.UP),
    "availability": MetricSpec(MetricName("availability"), "", "", "percent", "", Direction.DOWN),
    "requests": MetricSpec(MetricName("requests"), "", "", "requests", "", Direction.BOTH),
}
# AWS X-Ray's kinds of nodes that only see a call from its caller's side.
WATCHING = ("_remote", "_client")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One csv: columns by service, metric and statistic."""

    rows: int
    columns: dict[tuple[str, str, str], Floats]

    def of(self, metric: str, statistic: str) -> dict[str, Floats]:
        """Return one metric's columns by service."""
        return {
            who: values
            for (who, name, kind), values in self.columns.items()
            if (name, kind) == (metric, statistic)
        }


@dataclass(frozen=True, slots=True)
class Issue:
    """One recorded issue and its answer, which nothing but the score reads."""

    name: str
    number: int
    asked: str
    metric: str
    statistic: str
    table: Table
    answer: str


@dataclass(frozen=True, slots=True)
class Shop:
    """One traffic scenario."""

    name: str
    healthy: Table
    calls: dict[str, tuple[str, ...]]
    issues: tuple[Issue, ...]


def shops(data: Path) -> list[Shop]:
    """Read every scenario below a folder."""
    return [_shop(each.parent) for each in sorted(data.rglob("graph.csv"))]


def _shop(folder: Path) -> Shop:
    issues = tuple(_issue(each) for each in sorted(folder.glob("*/issue_*/target.json")))
    healthy = _table(folder / "noissue" / "metrics.csv")
    return Shop(folder.name, healthy, _calls(folder / "graph.csv"), issues)


def _issue(path: Path) -> Issue:
    told = json.loads(path.read_text(encoding="utf-8"))
    target = told["target"]
    return Issue(
        name=f"{path.parents[1].name}/{path.parent.name}",
        number=int(path.parent.name.removeprefix("issue_")),
        asked=target["node"],
        metric=target["metric"],
        statistic=target["agg"],
        table=_table(path.with_name("metrics.csv")),
        answer=told["root_cause"]["node"],
    )


def _table(path: Path) -> Table:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    body = rows[HEADING:]
    columns = {}
    for place, key in enumerate(zip(*rows[:3], strict=True)):
        if place:
            cells = (row[place] if place < len(row) else "" for row in body)
            columns[key[0], key[1], key[2]] = np.array([float(c) if c else np.nan for c in cells])
    return Table(len(body), columns)


def _calls(path: Path) -> dict[str, tuple[str, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    names = rows[0][1:]
    return {
        row[0]: tuple(name for name, cell in zip(names, row[1:], strict=False) if float(cell or 0))
        for row in rows[1:]
    }


def series_of(metric: str, statistic: str, past: Table, now: Table) -> list[Series]:
    """Return each service's series: the healthy rows, and right behind them what is judged.

    The set recorded health in other weeks than its issues: it stands for the hours before.
    """
    before, after = past.of(metric, statistic), now.of(metric, statistic)
    times = STEP * np.arange(past.rows + now.rows, dtype=np.float64)
    nothing = np.full(now.rows, np.nan)
    return [
        Series(
            metric, labels_of({"service": who}), times,
            np.concatenate((before[who], after.get(who, nothing))), STEP,
        )
        for who in sorted(before)
    ]  # fmt: skip


def part(table: Table, first: int, last: int) -> Table:
    """Return rows `first` … `last` − 1."""
    return Table(last - first, {key: values[first:last] for key, values in table.columns.items()})
