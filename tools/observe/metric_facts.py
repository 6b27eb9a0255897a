"""The tool that reads a service's metrics as facts: unusual since when, and whose trouble it is.

one query per metric (the window and five hours before) ──judge──> unusual?
    ──yes, and no profile is learned: the same hours of yesterday, one query──> facts
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from foundation.shortened import shortened_line
from tools.analysis.facts import Edge, Fact, Gap, Measured
from tools.analysis.metric_facts.facts import metric_facts
from tools.analysis.metric_facts.judged import JudgedMetric, measure, vetted
from tools.analysis.metric_facts.usual import AROUND, Rung
from tools.contract import Risk, ToolResult, tool
from tools.errors import BackendError
from tools.fleet import silence
from tools.observe.asking import place_of, span, stamp, window_of
from tools.observe.figures import cut, number, show
from tools.observe.own_views import read_views
from tools.ports import Baselines, Clock, Metrics, warnings_of
from tools.world import Baseline, Catalogue, MetricSpec, Series, ServiceName, Window

BEFORE = timedelta(hours=5)  # of history behind the window: what is usual lately
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
FINE = timedelta(hours=6)  # windows up to this are read minute by minute
COARSE = timedelta(minutes=5)  # yesterday's
MOST_SAMPLES = 720  # of a long window
SHOWN = 20
LONGEST = 320  # characters of a sentence in the lines


@dataclass(frozen=True, slots=True, eq=False)
class MetricsExamined:
    """What the metrics of some services say."""

    facts: tuple[Fact, ...]
    edges: tuple[Edge, ...]
    gaps: tuple[Gap, ...]
    measured: tuple[Measured, ...]


@tool(risk=Risk.READ)
async def examine_metrics(
    metrics: Metrics,
    clock: Clock,
    catalogue: Catalogue,
    baselines: Baselines,
    /,
    service: str = "",
    window: str = "1h",
    until: str = "",
    instance: str = "",
) -> ToolResult:
    """Read a service's metrics, with those of all that it calls, as facts for a root cause.

    Since when something is unusual (± how much), since when it is over, how many times as bad as
    usual, what grows, who holds a load, and which latency no callee explains. START may be a cause,
    CARRY was made so, SHOW is a symptom; PAST is over. Use it to find where trouble begins.

    Args:
        service: Service name or alias; what it calls is included. Empty for all.
        window: Length of the window: 15m, 1h, 6h, 24h, 7d.
        until: End of the window as ISO time in UTC; empty means now.
        instance: Metrics store by name; empty for the one of the service's cluster, or all.
    """
    name, metrics = place_of(metrics, catalogue, service, instance)
    asked = window_of(clock, window, until)
    reach = _reach(catalogue, name)
    judged, gaps, notes = await _judged(metrics, catalogue, baselines, asked, reach)
    services = [catalogue.services[each] for each in sorted(reach) if each in catalogue.services]
    views, numbers = await read_views(metrics, services, asked, *_wide(asked))
    calls: dict[str, tuple[str, ...]] = {
        each: catalogue.dependencies(each) for each in sorted(reach)
    }
    found = await asyncio.to_thread(metric_facts, [*judged, *views], calls, numbers)
    examined = MetricsExamined(
        found.facts, found.edges, tuple(sorted({*found.gaps, *gaps})), found.measured
    )
    lines = [_head(name, examined, asked), *(f"NOTE: {note}" for note in notes)]
    lines += [_line(each) for each in examined.facts[:SHOWN]]
    if len(examined.facts) > SHOWN:
        lines.append(f"… {len(examined.facts) - SHOWN} more in the evidence")
    lines += _gap_lines(examined.gaps)
    lines += silence(metrics)
    shown = {(each.metric, each.subject.name) for each in examined.facts[:SHOWN]}
    queries = [each.spec.query for each in judged if _is_shown(each, shown)]
    return ToolResult(
        summary="\n".join(lines),
        payload=_payload(examined, judged, notes),
        value=examined,
        window=asked,
        query="; ".join(queries),
        link=metrics.link(queries[0], asked) if queries else "",
        series=_drawn(judged, shown, asked),
    )


def _reach(catalogue: Catalogue, name: str) -> set[ServiceName]:
    """Return a service and all that it calls, at any depth; every service without a name."""
    found = set[ServiceName]()
    waiting = [ServiceName(name)] if name else list(catalogue.services)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += catalogue.dependencies(one)
    return found


# ---------------------------------------------------------------- reading


def _wide(asked: Window) -> tuple[Window, timedelta]:
    """Return the window that is read, with what is usual before it, and its step."""
    step = MINUTE if asked.duration <= FINE else (asked.duration + BEFORE) / MOST_SAMPLES
    return Window(asked.start - BEFORE, asked.end), step


async def _judged(
    metrics: Metrics,
    catalogue: Catalogue,
    baselines: Baselines,
    asked: Window,
    reach: set[ServiceName],
) -> tuple[list[JudgedMetric], list[Gap], list[str]]:
    """Return every metric of the services, judged; what could not be read is a gap.

    Raises the store's error when it answers nothing at all.
    """
    specs = sorted(catalogue.metrics.values(), key=lambda each: each.name)
    wide, step = _wide(asked)
    answers = await _asked(metrics, [(each, wide, step) for each in specs])
    judged: list[JudgedMetric] = []
    gaps: list[Gap] = []
    notes: list[str] = []
    for spec, answer in zip(specs, answers, strict=True):
        if isinstance(answer, BackendError):
            gaps.append(Gap("metrics", "", f"{spec.name} could not be read: {answer}", _role(spec)))
            continue
        notes += [note for note in warnings_of(answer) if note not in notes]
        series, whose = _in_reach(spec, answer, catalogue, reach)
        if not series:
            continue
        profiles: dict[int, Baseline] = {}
        for row, each in enumerate(series):
            if (learned := await baselines.find(spec.name, each.labels)) is not None:
                profiles[row] = learned
        since = asked.start.timestamp()
        judged.append(await asyncio.to_thread(measure, spec, series, whose, since, profiles))
    failed = [each for each in answers if isinstance(each, BackendError)]
    if failed and len(failed) == len(specs):
        raise failed[0]
    return await _vetted(metrics, judged, asked), gaps, notes


async def _vetted(
    metrics: Metrics, judged: Sequence[JudgedMetric], asked: Window
) -> list[JudgedMetric]:
    """Return the same without what was so at the same hours of yesterday.

    A store that fails here changes nothing.
    """
    slack = timedelta(seconds=AROUND)
    doubted = [each for each in judged if each.to_be_vetted]
    first = min((_earliest(each) for each in doubted), default=asked.start)
    day_before = Window(min(first, asked.start) - DAY - slack, asked.end - DAY + slack)
    answers = await _asked(metrics, [(each.spec, day_before, COARSE) for each in doubted])
    told = {
        each.spec.name: answer
        for each, answer in zip(doubted, answers, strict=True)
        if not isinstance(answer, BackendError)
    }
    return [
        vetted(each, told[each.spec.name]) if each.spec.name in told else each for each in judged
    ]


def _earliest(judged: JudgedMetric) -> datetime:
    stretches = (*judged.stretches, *judged.surges)
    return datetime.fromtimestamp(min(each.since for each in stretches), tz=UTC)


async def _asked(
    metrics: Metrics, asked: Sequence[tuple[MetricSpec, Window, timedelta]]
) -> list[list[Series] | BackendError]:
    """Return each answer, or why there is none."""

    async def one(spec: MetricSpec, window: Window, step: timedelta) -> list[Series] | BackendError:
        try:
            return await metrics.query_range(spec.query, window, step)
        except BackendError as error:
            return error

    return list(await asyncio.gather(*(one(*each) for each in asked)))


def _in_reach(
    spec: MetricSpec, answer: Sequence[Series], catalogue: Catalogue, reach: set[ServiceName]
) -> tuple[list[Series], list[str]]:
    """Return the series of the services in reach and of machines, each with its service."""
    series, whose = [], []
    for each in answer:
        who = spec.service_of(each.labels)
        if who in catalogue.services and who not in reach:
            continue
        series.append(each)
        whose.append(who if who in reach else "")  # a callee may be declared without an entry
    return series, whose


def _role(spec: MetricSpec) -> str:
    return spec.role.value if spec.role is not None else ""


# ---------------------------------------------------------------- telling


def _head(name: str, examined: MetricsExamined, asked: Window) -> str:
    now = sum(each.present for each in examined.facts)
    past = len(examined.facts) - now
    who = f"{name} and what it calls" if name else "all services"
    usual = len(examined.measured)
    if not examined.facts and not usual:
        return f"nothing could be measured of {who} in {span(asked)}: neither healthy nor unusual"
    return f"{now} facts now, {past} past; {usual} quantities of {who} as usual, {span(asked)}"


def _line(fact: Fact) -> str:
    since = f" since {stamp(fact.since)}" if fact.since else ""
    if fact.since and fact.tolerance:
        since += f" ± {show(fact.tolerance.total_seconds(), 'seconds')}"
    ended = f", over since {stamp(fact.until)}" if fact.until else ""
    past = "PAST " if fact.until else ""
    said = shortened_line(fact.sentence, LONGEST)
    own = f" [{fact.unexplained * 100:.0f} % its own]" if fact.unexplained is not None else ""
    return f"- {past}{fact.role.value.upper()} {fact.predicate} {said}{since}{ended}{own}"


def _gap_lines(gaps: Sequence[Gap]) -> list[str]:
    """Return one line per reason, however many services share it."""
    found: dict[str, list[str]] = {}
    for gap in gaps:
        found.setdefault(gap.reason, []).append(gap.subject)
    lines = []
    for reason, subjects in found.items():
        who = ", ".join(each for each in subjects if each)
        lines.append(f"NOT LOOKED AT: {f'{who}: ' if who else ''}{reason}")
    return lines


def _payload(
    examined: MetricsExamined, judged: Sequence[JudgedMetric], notes: list[str]
) -> dict[str, Any]:
    young = sum(len(each.young) for each in judged)
    rungs = [rung for each in judged for rung in each.usual.rungs]
    return {
        "count": sum(each.present for each in examined.facts),
        "past": sum(not each.present for each in examined.facts),
        "as_usual": len(examined.measured),
        "learned": rungs.count(Rung.PROFILE),
        "young": young,
        "facts": [_row(each) for each in examined.facts],
        "gaps": [
            {"services": [gap.subject] if gap.subject else [], "message": gap.reason}
            for gap in examined.gaps
        ],
        "notes": notes,
    }


def _row(fact: Fact) -> dict[str, Any]:
    subject = fact.subject
    whose = subject.name if subject.kind == "service" else subject.scope
    others = [fact.explained_by] if fact.explained_by else []
    return {
        "service": whose,
        "services": [each for each in (whose, *others) if each],
        "kind": subject.kind,
        "name": subject.name,
        "reason": fact.predicate,
        "role": fact.role.value,
        "metric": fact.metric,
        "unit": fact.unit,
        "value": number(fact.value) if fact.value is not None else None,
        "usual": number(fact.usual) if fact.usual is not None else None,
        "shown": show(fact.value, fact.unit),
        "usual_shown": show(fact.usual, fact.unit) if fact.usual is not None else "",
        "since": stamp(fact.since) if fact.since else "",
        "tolerance_seconds": fact.tolerance.total_seconds(),
        "tolerance_shown": show(fact.tolerance.total_seconds(), "seconds"),
        "until": stamp(fact.until) if fact.until else "",
        "past": fact.until is not None,
        "own_percent": round(fact.unexplained * 100) if fact.unexplained is not None else None,
        "message": fact.sentence,
    }


def _is_shown(judged: JudgedMetric, shown: set[tuple[str, str]]) -> bool:
    return any((judged.spec.name, who) in shown for who in judged.subjects)


def _drawn(
    judged: Sequence[JudgedMetric], shown: set[tuple[str, str]], asked: Window
) -> tuple[Series, ...]:
    """Return the series behind the facts shown, within the window."""
    found = []
    for each in judged:
        for row, who in enumerate(each.subjects):
            if (each.spec.name, who) in shown:
                whole = Series(
                    each.spec.name, each.readings.labels[row], each.readings.times,
                    each.readings.values[row], each.readings.step_seconds, each.spec.unit,
                )  # fmt: skip
                found.append(cut(whole, asked.start.timestamp(), asked.end.timestamp()))
    return tuple(found[:SHOWN])
