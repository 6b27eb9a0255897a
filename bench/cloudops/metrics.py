"""What a case recorded of metrics becomes series as a store hands them over, and facts of them.

    metrics.csv (<service>-<metric> every five seconds), alert.json (the time it asks about)
      ──the product's functions──> facts

Columns get the role that a catalogue would give them; the answer and the case's path are not read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from tools.analysis.facts import Fact, Link, StartClass
from tools.analysis.metric_facts.facts import metric_facts
from tools.analysis.metric_facts.judged import measure
from tools.analysis.metric_facts.place import place_facts
from tools.doctor import ClusterState
from tools.world import Direction, MetricName, MetricRole, MetricSpec, Series, labels_of

_ZONE = timezone(timedelta(hours=8))  # the recording machine's
_ROLES = MetricRole
SPECS = tuple(
    MetricSpec(MetricName(name), "", name, unit, "", direction, role=role, resource=resource)
    for name, unit, role, direction, resource in (
        ("p50latency", "ms", _ROLES.LATENCY, Direction.UP, ""),
        ("p90latency", "ms", _ROLES.LATENCY, Direction.UP, ""),
        ("p95latency", "ms", _ROLES.LATENCY, Direction.UP, ""),
        ("success_rate", "ratio", _ROLES.AVAILABILITY, Direction.DOWN, ""),
        ("rps", "requests/s", _ROLES.TRAFFIC, Direction.DOWN, ""),
        ("cpu", "cores", _ROLES.SATURATION, Direction.UP, "cpu"),
        ("mem", "bytes", _ROLES.SATURATION, Direction.UP, "memory"),
        ("cpu_cfs", "ratio", _ROLES.SATURATION, Direction.UP, "cpu"),
        # The set's spelling of TCP retransmissions.
        ("tcp_retans", "segments/s", _ROLES.ERRORS, Direction.UP, "network"),
    )
)
_LOSS = MetricName("tcp_retransmissions")


def starts_of(folder: Path, cache: Mapping[str, Any], state: ClusterState) -> tuple[Fact, ...]:
    """Return what may have begun it by a case's metrics, likeliest first; none without metrics."""
    table, alerts = folder / "raw_data" / "metrics.csv", folder / "raw_data" / "alert.json"
    if not table.is_file() or not alerts.is_file():
        return ()
    window = _asked(json.loads(alerts.read_text(encoding="utf-8")))
    if window is None:
        return ()
    since, until = window
    names, columns, times = _columns(table, until)
    nodes = {str(node["metadata"]["name"]) for node in state.of("Node")}
    judged = []
    for spec in SPECS:
        series = [
            Series(spec.name, _labels(who, nodes), times, columns[f"{who}-{spec.name}"], 5.0)
            for who in names
            if f"{who}-{spec.name}" in columns
        ]
        asked = _renamed(spec)
        whose = [dict(each.labels).get("service", "") for each in series]
        judged.append(measure(asked, series, whose, since))
    calls = _calls(cache)
    found = metric_facts([each for each in judged if each.subjects], calls)
    placed = place_facts(found.facts, found.measured, _placed(state, calls))
    starts = [each for each in (*placed, *found.facts) if each.role is Link.START]
    return tuple(sorted(starts, key=_likeliest))


def _likeliest(fact: Fact) -> tuple[int, bool, float, str]:
    """Return what starts are ordered by: by class, a place before who stands there."""
    classes = list(StartClass)
    return (
        classes.index(fact.start_class),
        fact.subject.kind != "node",
        -fact.log_ratio * (fact.unexplained if fact.unexplained is not None else 1.0),
        fact.id,
    )


def _renamed(spec: MetricSpec) -> MetricSpec:
    return replace(spec, name=_LOSS, query=_LOSS) if spec.name == "tcp_retans" else spec


def _asked(told: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the time that the alerts are about, in epoch seconds."""
    for alert in told.get("alerts") or ():
        begin, _, end = str(alert.get("time_range", "")).partition(" ~ ")
        if end:
            return _seconds(begin), _seconds(end)
    return None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=_ZONE).astimezone(UTC).timestamp()


def _columns(path: Path, until: float) -> tuple[list[str], dict[str, Any], Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    times = np.array([_seconds(row[0]) for row in rows[1:]])
    kept = times <= until
    columns = {
        name: np.array([float(row[place]) if row[place] else np.nan for row in rows[1:]])[kept]
        for place, name in enumerate(rows[0])
        if place
    }
    names = sorted({re.sub(r"-[a-z0-9_]+$", "", name) for name in columns})
    return names, columns, times[kept]


def _labels(who: str, nodes: Collection[str]) -> tuple[tuple[str, str], ...]:
    return labels_of({"node": who} if who in nodes else {"service": who})


def _calls(cache: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return who calls whom: the trees that the set prints of each service's dependencies."""
    calls: dict[str, dict[str, None]] = {}
    for key, text in cache.items():
        if not key.startswith("GetServiceDependencies:"):
            continue
        path: list[str] = []
        for line in _tree(str(text)):
            depth, name = line
            path = [*path[:depth], name]
            if depth:
                calls.setdefault(path[depth - 1], {})[name] = None
            calls.setdefault(name, {})
    return {who: tuple(callees) for who, callees in calls.items()}


def _tree(text: str) -> Iterable[tuple[int, str]]:
    """Yield depth and name of each line of a printed tree, its root first."""
    body = text.partition("[Downstream (Calls)]:")[2]
    for line in body.splitlines():
        match = re.match(r"((?:[│ ]   )*)(├── |└── )?([a-z0-9][a-z0-9-]*)", line)
        if match:
            yield len(match[1]) // 4 + bool(match[2]), match[3]


def _placed(state: ClusterState, names: Collection[str]) -> dict[str, set[str]]:
    """Return on which nodes the pods of each service run."""
    found: dict[str, set[str]] = {}
    for pod in state.of("Pod"):
        node = str(pod.get("spec", {}).get("nodeName") or "")
        name = str(pod["metadata"]["name"])
        for who in names:
            if node and re.fullmatch(rf"{re.escape(who)}-[a-z0-9]+-[a-z0-9]+", name):
                found.setdefault(who, set()).add(node)
    return found
