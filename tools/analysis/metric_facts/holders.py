"""Facts of who holds a total: series of one service that a statement, wait, user … tells apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from tools.analysis.metric_facts.composition import Holder, holder_of
from tools.analysis.metric_facts.judged import JudgedMetric
from tools.analysis.metric_facts.roles import is_additive
from tools.analysis.metric_facts.words import writer_of
from tools.analysis.rca.facts import Edge, Fact, FactSubject, Link, StartClass, service
from tools.units import format_value

NEWEST = 5  # samples that "now" is the median of
# Labels that say what a part is, as exporters of databases, servers and meshes write them.
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("statement", ("queryid", "query", "statement", "digest", "digest_text", "sql")),
    ("wait", ("wait_event", "wait_event_type", "wait_class", "event_name", "state")),
    ("user", ("usename", "user", "username", "client_name")),
    ("host", ("client_addr", "client_ip", "client_host", "peer", "remote_host")),
    ("route", ("route", "path", "handler", "uri", "endpoint", "http_route", "operation")),
)


def part_of(labels: dict[str, str]) -> tuple[str, str]:
    """Return kind and name of the part that a series tells of; empty when it tells of none."""
    for kind, keys in KINDS:
        for key in keys:
            if labels.get(key):
                return kind, labels[key]
    return "", ""


def holders_of(judged: JudgedMetric) -> Iterator[tuple[Fact, Edge]]:
    """Yield who holds half or more of what was added to a total, with its edge to the service."""
    if not is_additive(judged.spec):
        return
    rows: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for row, name in enumerate(judged.subjects):
        kind, part = part_of(dict(judged.readings.labels[row]))
        if name and part:
            rows[name, kind].append((part, row))
    unusual = {stretch.row: stretch for stretch in (*judged.stretches, *judged.surges)}
    for (name, kind), parts in sorted(rows.items()):
        sick = [unusual[row] for _, row in parts if row in unusual and unusual[row].until is None]
        if not sick or len(parts) < 2:
            continue
        found = holder_of(_now(judged, parts), _before(judged, parts))
        if found is not None and found.added:
            since = min(stretch.since for stretch in sick)
            yield _fact(judged, name, kind, found, since)


def _now(judged: JudgedMetric, parts: list[tuple[str, int]]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for part, row in parts:
        values = judged.readings.values[row]
        known = values[~np.isnan(values)][-NEWEST:]
        found[part] += float(np.median(known)) if known.size else 0.0
    return dict(found)


def _before(judged: JudgedMetric, parts: list[tuple[str, int]]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for part, row in parts:
        usual = abs(float(judged.usual.center[row, -1]))
        found[part] += usual if np.isfinite(usual) else 0.0
    return dict(found)


def _fact(
    judged: JudgedMetric, name: str, kind: str, holder: Holder, since: float
) -> tuple[Fact, Edge]:
    subject = FactSubject(kind, holder.name, name)
    value = format_value(holder.value, judged.spec.unit)
    usual = format_value(holder.usual, judged.spec.unit)
    share = format_value(round(holder.share, 2), "ratio")
    fact = Fact(
        subject=subject,
        predicate=f"{kind}-dominates",
        role=Link.START,
        sentence=(
            f"{kind} {holder.name} makes {share} of what was added at {name}: "
            f"{value} ({judged.spec.name}), usually {usual}"
        ),
        source="metrics",
        writer=writer_of(judged.spec, name),
        start_class=StartClass.DRIVER,
        value=holder.value,
        usual=holder.usual,
        unit=judged.spec.unit,
        log_ratio=round(float(np.log1p(holder.value / max(holder.usual, holder.value / 20))), 4),
        since=datetime.fromtimestamp(since, tz=UTC),
        tolerance=timedelta(seconds=2 * judged.readings.step_seconds),
        metric=judged.spec.name,
    )
    return fact, Edge(subject, service(name), "part_of", "metrics")
