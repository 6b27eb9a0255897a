"""From judged metrics to facts: what starts something, what carries it, what only shows it.

    judged metrics ──own trouble of latency and errors (explain-away over calls)──┐
                   ──saturation, throttling, lag, growth, surge, holders──────────┴─> facts, gaps

A latency is a start when at least 30 % of it is its service's own and nothing the service has used
up says why; else it is shown. A surge starts where none of the callers surged. An unknown role
starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from tools.analysis.facts import (
    Edge,
    Fact,
    FactSubject,
    Gap,
    Link,
    Measured,
    StartClass,
    service,
)
from tools.analysis.metric_facts import words
from tools.analysis.metric_facts.holders import Numbers, holder_facts, parts_of
from tools.analysis.metric_facts.judged import JudgedMetric
from tools.analysis.metric_facts.own import Distress, OwnTrouble, own_troubles
from tools.analysis.metric_facts.parts import FAILING, FELT, OWNED, part_of_chain
from tools.analysis.metric_facts.roles import is_exhausted, resource_of, statistic_of
from tools.analysis.metric_facts.twins import replica_of
from tools.analysis.metric_facts.unusual import Stretch
from tools.analysis.metric_facts.whose import (
    SOURCE,
    gaps_of,
    measured_of,
    no_graph,
    subject_of,
    unmeasured_callees,
)
from tools.world import MetricRole

COURSE = 60  # newest samples that a fact carries
# What brings durations to seconds and shares to ratios, so that services can be compared.
IN_COMMON = {"milliseconds": 1e-3, "ms": 1e-3, "percent": 1e-2, "%": 1e-2}
STATISTICS = ("mean", "median", "tail")
CLEAR = float(np.log(1.5))  # of distress: below, a statistic may have missed it
SURGE = float(np.log(1.4))  # from which more traffic may begin something
Calls = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What the metrics of a question say."""

    facts: tuple[Fact, ...]
    edges: tuple[Edge, ...]
    gaps: tuple[Gap, ...]
    measured: tuple[Measured, ...]


def metric_facts(
    judged: Sequence[JudgedMetric], calls: Calls, numbers: Mapping[str, Numbers] | None = None
) -> MetricFacts:
    """Return facts, edges, gaps and what is as usual, each in a total order.

    `numbers` says, by metric, how often the parts of a total happen.
    """
    slow = _own(judged, calls, (MetricRole.LATENCY,))
    failing = _own(judged, calls, FAILING)
    surging = _surging(judged)
    counted = {
        name for each in judged if each.role is MetricRole.TRAFFIC for name in each.subjects if name
    }
    facts: list[Fact] = []
    edges: list[Edge] = []
    for each in judged:
        owns = slow if each.role is MetricRole.LATENCY else failing
        owns = owns if is_told_of_requests(each) else {}
        # A part is not its service: the total is.
        parts = {part.row for found in parts_of(each).values() for part in found}
        facts += [
            _of_stretch(each, stretch, owns.get(each.subjects[stretch.row]))
            for stretch in each.stretches
            if stretch.row not in parts
        ]
        whole = [stretch for stretch in each.surges if stretch.row not in parts]
        facts += [_of_surge(each, stretch, surging, counted, calls) for stretch in whole]
        grown = [place for place, one in enumerate(each.growths) if one.row not in parts]
        facts += [_of_growth(each, place) for place in grown]
        facts += [_chronic(each, row, value) for row, value in each.chronic if row not in parts]
        held, of_whole = holder_facts(each, each.since, (numbers or {}).get(each.spec.name))
        facts += held
        edges += of_whole
    facts = _once([each for each in facts if each.subject.name])
    split, of_pods = _replicas(judged, facts)
    facts = _drivers_first(_once([*facts, *split]))
    unusual = {(each.subject, each.metric) for each in facts}
    gaps = [*gaps_of(judged), *no_graph(facts, calls), *unmeasured_callees(facts, calls, slow)]
    return MetricFacts(
        facts=tuple(sorted(facts, key=_order)),
        edges=tuple(sorted({*edges, *of_pods})),
        gaps=tuple(sorted(set(gaps))),
        measured=tuple(
            sorted({m for m in measured_of(judged) if (m.subject, m.metric) not in unusual})
        ),
    )


def _own(
    judged: Sequence[JudgedMetric], calls: Calls, roles: Sequence[MetricRole]
) -> dict[str, OwnTrouble]:
    """Return how much of each service's latency, or of its failures, is its own."""
    traffic = _traffic(judged)
    asked = [each for each in judged if each.role in roles and is_told_of_requests(each)]
    clear: dict[str, Distress] = {}
    faint: dict[str, Distress] = {}
    # The most central statistic in which anybody is in distress says whose it is: a caller's p99
    # is the sum of no p99s.
    for statistic in STATISTICS:
        found = _worst_of([e for e in asked if statistic_of(e.spec) == statistic], traffic)
        is_clear = any(each.strength >= CLEAR for each in found.values())
        into = clear if is_clear else faint
        for name, distress in found.items():
            into.setdefault(name, replace(distress, statistic=statistic))
    return {each.service: each for each in own_troubles({**faint, **clear}, calls)}


def _worst_of(judged: Sequence[JudgedMetric], traffic: Mapping[str, float]) -> dict[str, Distress]:
    """Return each service's worst series."""
    worst: dict[str, Distress] = {}
    for each in judged:
        scale = IN_COMMON.get(each.spec.unit, 1.0)
        for name, distress in zip(each.subjects, each.distress, strict=True):
            if name and (name not in worst or distress.strength > worst[name].strength):
                worst[name] = replace(
                    distress, excess=distress.excess * scale, traffic=traffic.get(name, np.nan)
                )
    return worst


def is_told_of_requests(judged: JudgedMetric) -> bool:
    """Say whether a metric is a latency, or a share of requests."""
    if judged.role not in OWNED:
        return False
    return judged.role is MetricRole.LATENCY or judged.spec.unit in {"ratio", "percent", "%"}


def _traffic(judged: Sequence[JudgedMetric]) -> dict[str, float]:
    """Return what is usual of the traffic metric that most services have: one unit for all."""
    metrics = [each for each in judged if each.role is MetricRole.TRAFFIC]
    widest = max(metrics, key=lambda each: (len(set(each.subjects)), each.spec.name), default=None)
    found: dict[str, float] = {}
    if widest is not None:
        for row, name in enumerate(widest.subjects):
            usual = float(np.abs(widest.usual.center[row, -1]))
            if name and np.isfinite(usual):
                found[name] = found.get(name, 0.0) + usual
    return found


# ---------------------------------------------------------------- facts


def _of_stretch(judged: JudgedMetric, stretch: Stretch, own: OwnTrouble | None) -> Fact:
    predicate, role, start_class = part_of_chain(judged.spec, judged.role, stretch, own)
    note = ""
    if own is not None and own.explained_by and role is Link.SHOW:
        note = f"{own.explained_by} explains it"
    if own is not None and own.felt < FELT:
        note = "too little for what its callers feel"
    fact = _fact(judged, stretch, predicate, role, note)
    if judged.role in OWNED and own is not None:
        fact = replace(fact, unexplained=round(own.share, 3), explained_by=own.explained_by)
    return replace(fact, start_class=start_class)


def _of_surge(
    judged: JudgedMetric, stretch: Stretch, surging: set[str], counted: set[str], calls: Calls
) -> Fact:
    """Return the fact of a surge: a start where it came from outside.

    A caller that is asked for more passes it on; one that is not, and asks more, tries again or
    asks more often for each request.
    """
    who = judged.subjects[stretch.row]
    callers = sorted(caller for caller, callees in calls.items() if who in callees)
    passed_on = [caller for caller in callers if caller in surging and caller != who]
    steady = [caller for caller in callers if caller in counted and caller not in surging]
    inside = bool(passed_on or steady)
    role = Link.CARRY if inside or stretch.log_ratio < SURGE else Link.START
    note = f"{passed_on[0]} asks more as well" if passed_on else ""
    if steady and not passed_on:
        note = f"{steady[0]} is asked for no more itself"
    fact = _fact(judged, stretch, "traffic-surge", role, note)
    return replace(fact, start_class=StartClass.DRIVER)


def _surging(judged: Sequence[JudgedMetric]) -> set[str]:
    return {each.subjects[stretch.row] for each in judged for stretch in each.surges}


def _fact(
    judged: JudgedMetric, stretch: Stretch, predicate: str, role: Link, note: str = ""
) -> Fact:
    subject = subject_of(judged, stretch.row)
    return Fact(
        subject=subject,
        predicate=predicate,
        role=role,
        sentence=words.said(
            predicate, subject.name, judged.spec, stretch.value, stretch.usual, note
        ),
        source=SOURCE,
        writer=words.writer_of(judged.spec, subject.name),
        value=stretch.value,
        usual=stretch.usual,
        unit=judged.spec.unit,
        log_ratio=round(stretch.log_ratio, 4),
        since=_time(stretch.since),
        tolerance=timedelta(seconds=stretch.tolerance),
        until=None if stretch.until is None else _time(stretch.until),
        metric=judged.spec.name,
        course=course_of(judged, stretch.row),
    )


def _of_growth(judged: JudgedMetric, place: int) -> Fact:
    growth = judged.growths[place]
    subject = subject_of(judged, growth.row)
    resource = resource_of(judged.spec) or "resource"
    lag = judged.role is MetricRole.LAG
    full = not lag and is_exhausted(judged.spec, growth.last)
    predicate = "queue-growing" if lag else f"{resource}-{'exhausted' if full else 'growing'}"
    stretch = next((each for each in judged.stretches if each.row == growth.row), None)
    return Fact(
        subject=subject,
        predicate=predicate,
        role=Link.START if full else Link.CARRY,
        start_class=StartClass.EXHAUSTED,
        sentence=words.grows(subject.name, judged.spec, growth.first, growth.last, judged.role),
        source=SOURCE,
        writer=words.writer_of(judged.spec, subject.name),
        value=growth.last,
        usual=growth.first,
        unit=judged.spec.unit,
        log_ratio=round(stretch.log_ratio, 4) if stretch is not None else 0.0,
        since=_time(growth.since),
        tolerance=timedelta(seconds=2 * judged.readings.step_seconds),
        metric=judged.spec.name,
        course=course_of(judged, growth.row),
    )


def _chronic(judged: JudgedMetric, row: int, value: float) -> Fact:
    """Return the fact of a limit that is crossed as ever: it is true, and it is no news."""
    subject = subject_of(judged, row)
    return Fact(
        subject=subject,
        predicate="limit-crossed-for-long",
        role=Link.CARRY,
        sentence=words.said(
            "limit-crossed-for-long", subject.name, judged.spec, value, None,
            "beyond its limit as long as it is known",
        ),
        source=SOURCE,
        writer=words.writer_of(judged.spec, subject.name),
        value=value,
        unit=judged.spec.unit,
        metric=judged.spec.name,
        course=course_of(judged, row),
    )  # fmt: skip


def course_of(judged: JudgedMetric, row: int) -> tuple[tuple[float, float], ...]:
    """Return the newest known samples of a series."""
    values = judged.readings.values[row]
    known = np.flatnonzero(~np.isnan(values))[-COURSE:]
    times = judged.readings.times[known].tolist()
    return tuple(zip(times, values[known].tolist(), strict=True))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


# ---------------------------------------------------------------- together


def _order(fact: Fact) -> tuple[bool, int, float, str]:
    """Return what facts are told by: what is so now, what starts, the worst first."""
    return fact.until is not None, list(Link).index(fact.role), -fact.log_ratio, fact.id


def _once(facts: Sequence[Fact]) -> list[Fact]:
    """Return one fact per subject, predicate and metric: what is so now, then the worst."""
    best: dict[tuple[FactSubject, str, str], Fact] = {}
    for each in sorted(facts, key=lambda one: (one.until is not None, -one.log_ratio, one.id)):
        best.setdefault((each.subject, each.predicate, each.metric), each)
    return list(best.values())


def _drivers_first(facts: Sequence[Fact]) -> list[Fact]:
    """Return the same; what a used-up resource of the same service says why is no start."""
    used_up = [
        each for each in facts
        if each.role is Link.START and each.start_class is StartClass.EXHAUSTED
    ]  # fmt: skip
    surges = [each for each in facts if each.predicate == "traffic-surge" and each.present]
    found = []
    for each in facts:
        why = next((one for one in used_up if _says_why(one, each)), None)
        driven = next((one for one in surges if _drives(one, each)), None)
        if driven is not None:
            found.append(replace(each, role=Link.CARRY))
        else:
            found.append(each if why is None else _shown(each))
    return found


def _drives(surge: Fact, resource: Fact) -> bool:
    """Say whether more requests are why there is no processor time or thread left."""
    if resource.start_class is not StartClass.EXHAUSTED or resource.role is not Link.START:
        return False
    if not resource.predicate.startswith(("cpu-", "threads-")) or surge.log_ratio < SURGE:
        return False
    if surge.subject != resource.subject or surge.since is None or resource.since is None:
        return False
    return surge.since <= resource.since + surge.tolerance + resource.tolerance


def _says_why(resource: Fact, slow: Fact) -> bool:
    if slow.role is not Link.START or slow.start_class is not StartClass.UNEXPLAINED:
        return False
    if resource.subject != slow.subject or resource.since is None or slow.since is None:
        return False
    if slow.present and not resource.present:
        return False
    return resource.since <= slow.since + resource.tolerance + slow.tolerance


def _shown(fact: Fact) -> Fact:
    return replace(
        fact,
        predicate=fact.predicate.replace("-unexplained", "-high"),
        role=Link.SHOW,
    )


def _replicas(
    judged: Sequence[JudgedMetric], facts: Sequence[Fact]
) -> tuple[list[Fact], list[Edge]]:
    """Return facts of single replicas where only some of a service's are sick."""
    found, edges = [], []
    for each in judged:
        for stretch in each.stretches:
            count, name = each.replicas[stretch.row], each.subjects[stretch.row]
            if not name or not count.only_some:
                continue
            whole = next(
                (f for f in facts if (f.subject, f.metric) == (service(name), each.spec.name)), None
            )
            if whole is None or whole.predicate.endswith("-growing"):
                continue
            pod = FactSubject("pod", replica_of(stretch.labels), name)
            sick = _fact(each, stretch, whole.predicate, whole.role, f"{count} of {name}")
            found.append(
                replace(
                    sick,
                    subject=pod,
                    sentence=words.said(
                        whole.predicate, f"{name} in {pod.name}", each.spec, stretch.value,
                        stretch.usual, f"{count}",
                    ),
                    start_class=whole.start_class,
                )
            )  # fmt: skip
            edges.append(Edge(pod, service(name), "part_of", SOURCE))
    return found, edges
