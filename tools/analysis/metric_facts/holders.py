"""Facts of who holds a total: series of one service that a statement, wait, user … tells apart.

parts of one service ──sum──> total, unusual now? ──who holds what was added──> start
                                                  └──the total itself──> carried
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from foundation.shortened import shortened_line
from tools.analysis.facts import Edge, Fact, FactSubject, Link, StartClass, service
from tools.analysis.metric_facts import words
from tools.analysis.metric_facts.composition import (
    Driver,
    Holder,
    Waits,
    driver_of,
    holder_of,
    waits_of,
)
from tools.analysis.metric_facts.judged import JudgedMetric
from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.roles import is_additive, resource_of, role_of
from tools.analysis.metric_facts.unusual import Stretch, unusual
from tools.analysis.metric_facts.usual import usual_of
from tools.units import format_value
from tools.world import Direction, Floats, MetricRole, MetricSpec

MUCH = float(np.log(3.0))  # from which more of the same calls may begin something
LONGEST = 120  # characters of a part's name
NEWEST = 5  # samples that "now" is the median of
# Labels that say what a part is, as exporters of databases, servers and meshes write them.
KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("statement", ("queryid", "query", "statement", "digest", "digest_text", "sql", "cmd")),
    ("wait", ("wait_event", "wait_event_type", "wait_class", "event_name", "state", "command")),
    ("user", ("usename", "user", "username", "client_name")),
    ("host", ("client_addr", "client_ip", "client_host", "peer", "remote_host")),
    ("route", ("route", "path", "handler", "uri", "endpoint", "http_route", "operation")),
)
_WHY = {
    Driver.VOLUME: "more calls",
    Driver.COST: "each takes longer",
    Driver.BOTH: "more and longer",
}
_WAITS = {Waits.LEAK: "connections are kept, not used", Waits.LOCK: "sessions wait for each other"}
Numbers = Mapping[tuple[str, str], tuple[float, float]]  # of a part of a service: now and before


@dataclass(frozen=True, slots=True)
class HeldPart:
    """One part of a service's total."""

    kind: str  # statement, wait, user, host, route
    name: str
    row: int


def parts_of(judged: JudgedMetric) -> dict[str, list[HeldPart]]:
    """Return the parts that a metric tells apart, by service; empty when parts do not add up."""
    found: dict[str, list[HeldPart]] = defaultdict(list)
    if is_additive(judged.spec) and judged.spec.bad_direction is not Direction.BOTH:
        for row, name in enumerate(judged.subjects):
            part = _part(dict(judged.readings.labels[row]), row)
            if name and part is not None:
                found[name].append(part)
    return {name: parts for name, parts in found.items() if len(parts) > 1}


def _part(labels: Mapping[str, str], row: int) -> HeldPart | None:
    for kind, keys in KINDS:
        for key in keys:
            if labels.get(key):
                return HeldPart(kind, labels[key], row)
    return None


def holder_facts(
    judged: JudgedMetric, since: float, numbers: Numbers | None = None
) -> tuple[list[Fact], list[Edge]]:
    """Return who holds half or more of what was added to an unusual total, and the total itself.

    `numbers` says how often each part happens, now and before, where that is counted.
    """
    facts: list[Fact] = []
    edges: list[Edge] = []
    for name, parts in sorted(parts_of(judged).items()):
        total = _total(judged, parts)
        rising = replace(judged.spec, bad_direction=Direction.UP, threshold=None)
        whole = Readings(
            rising, ((("service", name),),), judged.readings.times, total, _step(judged)
        )
        stretch = next(iter(unusual(whole, usual_of(whole, since), since)), None)
        if stretch is None:
            continue
        found = holder_of(now_of(judged, parts), before_of(judged, parts, since))
        held = found is not None and stretch.until is None
        facts.append(_whole(judged.spec, name, stretch, total[0], whole.times, held=held))
        if found is None or stretch.until is not None:
            continue
        kind = next(each.kind for each in parts if each.name == found.name)
        counted = (numbers or {}).get((name, found.name))
        fact = _held(judged.spec, name, kind, found, stretch, counted)
        facts.append(fact)
        edges.append(Edge(fact.subject, service(name), "part_of", "metrics"))
    return facts, edges


def _step(judged: JudgedMetric) -> float:
    return judged.readings.step_seconds


def _total(judged: JudgedMetric, parts: Sequence[HeldPart]) -> Floats:
    """Return the sum of the parts; what is not told of a part is nothing, unless of all."""
    values = judged.readings.values[[each.row for each in parts]]
    known = ~np.isnan(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(known.any(axis=0), total, np.nan)[None, :]


def now_of(judged: JudgedMetric, parts: Sequence[HeldPart]) -> dict[str, float]:
    """Return what each part is now."""
    found: dict[str, float] = defaultdict(float)
    for part in parts:
        values = judged.readings.values[part.row]
        known = values[-NEWEST:][~np.isnan(values[-NEWEST:])]
        found[part.name] += float(np.median(known)) if known.size else 0.0
    return dict(found)


def before_of(judged: JudgedMetric, parts: Sequence[HeldPart], since: float) -> dict[str, float]:
    """Return what each part usually was before; nothing of one that nobody told of."""
    found: dict[str, float] = defaultdict(float)
    past = judged.readings.times < since
    for part in parts:
        values = judged.readings.values[part.row, past]
        known = np.where(np.isnan(values), 0.0, values)
        found[part.name] += float(np.median(known)) if known.size else 0.0
    return dict(found)


def _whole(
    spec: MetricSpec, name: str, stretch: Stretch, total: Floats, times: Floats, *, held: bool
) -> Fact:
    surge = role_of(spec) is MetricRole.TRAFFIC
    resource = (resource_of(spec) or "load").replace(" ", "-")
    predicate = "traffic-surge" if surge else f"{resource}-filling"
    known = np.flatnonzero(~np.isnan(total))[-60:]
    return Fact(
        subject=service(name),
        predicate=predicate,
        role=Link.START if surge and not held else Link.CARRY,
        start_class=StartClass.DRIVER,
        sentence=words.said(predicate, name, spec, stretch.value, stretch.usual),
        source="metrics",
        writer=words.writer_of(spec, name),
        value=stretch.value,
        usual=stretch.usual,
        unit=spec.unit,
        log_ratio=round(stretch.log_ratio, 4),
        since=_time(stretch.since),
        tolerance=timedelta(seconds=stretch.tolerance),
        until=None if stretch.until is None else _time(stretch.until),
        metric=spec.name,
        course=tuple(zip(times[known].tolist(), total[known].tolist(), strict=True)),
    )


def _held(
    spec: MetricSpec,
    name: str,
    kind: str,
    holder: Holder,
    stretch: Stretch,
    counted: tuple[float, float] | None,
) -> Fact:
    value = format_value(holder.value, spec.unit)
    usual = format_value(holder.usual, spec.unit)
    share = format_value(round(holder.share, 2), "ratio")
    why, role = "", Link.START
    if kind == "wait":  # that sessions work says nothing of why there are more of them
        meant = waits_of(holder.name, connections_rise=True)
        why, role = _WAITS.get(meant, ""), Link.START if meant in _WAITS else Link.CARRY
    elif counted is not None:
        driver = driver_of(holder.value, holder.usual, *counted)
        why = _WHY.get(driver, "")
        if driver is Driver.VOLUME and stretch.log_ratio < MUCH:  # whoever asks more is elsewhere
            role = Link.CARRY
    short = shortened_line(holder.name, LONGEST)  # a statement may be given with its text
    of_what = "what was added" if holder.added else "what there is"
    return Fact(
        subject=FactSubject(kind, short, name),
        predicate=f"{kind}-dominates",
        role=role,
        sentence=(
            f"{kind} {short} makes {share} of {of_what} at {name}: "
            f"{value} ({spec.name}), usually {usual}{f'; {why}' if why else ''}"
        ),
        source="metrics",
        writer=words.writer_of(spec, name),
        start_class=StartClass.DRIVER,
        value=holder.value,
        usual=holder.usual,
        unit=spec.unit,
        log_ratio=round(stretch.log_ratio, 4),
        since=_time(stretch.since),
        tolerance=timedelta(seconds=stretch.tolerance),
        metric=spec.name,
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
