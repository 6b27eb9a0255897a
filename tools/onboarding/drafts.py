"""Drafts: metrics that could stand in the catalogue, before anybody asked the store for them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from tools.onboarding.conventions import Alternative, AskedMetric, Requests, written
from tools.onboarding.families import TIMES, UNITS, Family, FamilyShape, is_timely, words_of
from tools.onboarding.label_shapes import Rows
from tools.onboarding.statuses import FailureLabel, failing_of
from tools.onboarding.subjects import Subject
from tools.onboarding.vocabulary import listed
from tools.world import Direction, MetricRole

QUANTILE = 0.99


@dataclass(frozen=True, slots=True)
class Draft:
    """One metric that is proposed when its query has data."""

    name: str
    category: str
    role: MetricRole
    query: str
    unit: str
    description: str
    group_by: str
    source: str  # what it was recognised as
    resource: str = ""
    bad_direction: Direction | None = None  # None: that of the role
    limit: float | None = None  # usual for its kind

    @property
    def direction(self) -> Direction:
        """Where trouble lies."""
        return self.bad_direction or self.role.bad_direction


Alternatives = tuple[Draft, ...]  # of one metric: the first with data is taken


def asked_drafts(
    name: str, category: str, asked: AskedMetric, subject: Subject, window: str, title: str
) -> Alternatives:
    """Return the drafts of a metric that a convention spells out."""
    choices = [Alternative(query=q) if isinstance(q, str) else q for q in asked.query]
    return tuple(
        Draft(
            name=name,
            category=category,
            role=asked.role,
            query=written(each.query, subject=subject.group_by, window=window, named=subject.named),
            unit=each.unit or asked.unit,
            description=each.description or asked.description,
            group_by=subject.group_by,
            source=title,
            resource=asked.resource,
            bad_direction=asked.bad_direction,
            limit=each.limit if each.unit or each.limit is not None else asked.limit,
        )
        for each in choices
    )


@dataclass(frozen=True, slots=True)
class Counted:
    """A family of requests with what its labels tell."""

    family: Family
    subject: Subject
    failing: tuple[FailureLabel, ...]
    services: frozenset[str]
    judged: frozenset[str]  # the services whose series say what failed
    told: Requests  # how it is called, and what a convention says of it
    source: str  # the convention's title; empty: nobody described it

    def roles_of(self, service: str) -> frozenset[MetricRole]:
        """What can be told of one of its services."""
        if self.family.shape is FamilyShape.GAUGE:
            return gauge_roles(self.family)
        timed = self.family.shape is not FamilyShape.COUNTER and (
            is_timely(self.family) or bool(self.told.unit)
        )
        roles = [MetricRole.TRAFFIC]
        roles += [MetricRole.LATENCY] if timed else []
        roles += [MetricRole.ERRORS] if service in self.judged else []
        return frozenset(roles)


def gauge_roles(family: Family) -> frozenset[MetricRole]:
    """Return what a gauge tells of requests, by its name; nothing for most."""
    words = set(words_of(family.name))
    if words & listed("errors"):
        return frozenset([MetricRole.ERRORS] if words & {"rate", "ratio", "share"} else [])
    if words & {"qps", "rps", "tps"} or ("per" in words and words & {"second", "sec"}):
        return frozenset([MetricRole.TRAFFIC])
    return frozenset([MetricRole.LATENCY] if is_timely(family) else [])


def counted_of(
    family: Family, rows: Rows, subject: Subject, told: Requests, source: str
) -> Counted:
    """Return a family with its labels read; what a convention says of failures goes first."""
    services = frozenset(subject.of(row) for row in rows) - {""}
    if told.failed:
        label = re.split(r"[=!~]", told.failed)[0]
        how = told.failed.replace('"', "")
        failing: tuple[FailureLabel, ...] = (FailureLabel(label, told.failed, how),)
    else:
        failing = failing_of(rows)
    labels = [each.label for each in failing]
    judged = frozenset(subject.of(row) for row in rows if any(row.get(x) for x in labels))
    if any(each.only_when_failed for each in failing):
        judged = services
    return Counted(family, subject, failing, services, judged - {""}, told, source)


def unknown_requests(family: Family) -> Requests:
    """Return how a family that nobody described is called."""
    words = words_of(family.name)
    while len(words) > 1 and words[-1] in {"total", "duration", "latency", "time", *UNITS}:
        words.pop()
    return Requests(family=(family.name,), name="_".join(words), what=" ".join(words))


def red_drafts(
    counted: Counted, roles: Collection[MetricRole], category: str, window: str
) -> dict[MetricRole, Alternatives]:
    """Return rate, errors and duration of a family, as far as it tells them."""
    told, family, subject = counted.told, counted.family, counted.subject

    def draft(end: str, role: MetricRole, query: str, unit: str, text: str) -> Draft:
        limit = told.limit if role is MetricRole.LATENCY else None
        return Draft(
            name=f"{told.name}_{end}" if end else family.name,
            category=category,
            role=role,
            query=query,
            unit=unit,
            description=f"{text} ({family.name})",
            group_by=subject.group_by,
            source=counted.source,
            limit=limit,
        )

    found: dict[MetricRole, Alternatives] = {}
    if family.shape is FamilyShape.GAUGE:
        return {role: (draft("", role, *_of_gauge(counted, role)),) for role in roles}
    if MetricRole.TRAFFIC in roles:
        text = f"{told.what[:1].upper()}{told.what[1:]} per second"
        query = _traffic(counted, window, told.where)
        found[MetricRole.TRAFFIC] = (
            draft("rate", MetricRole.TRAFFIC, query, f"{told.what}/s", text),
        )
    if MetricRole.ERRORS in roles and counted.failing:
        text = f"Share of {told.what} that failed: {counted.failing[0].how}"
        query = failed_share(counted, told.where, window)
        found[MetricRole.ERRORS] = (draft("errors", MetricRole.ERRORS, query, "ratio", text),)
    if MetricRole.LATENCY in roles:
        unit = family.unit if family.unit in TIMES else told.unit or "seconds"
        mean, queries = _durations(counted, told.where, window)
        end = "latency_mean" if mean else "latency_p99"
        text = f"{'Mean' if mean else '99th percentile of the'} duration of {told.what}"
        found[MetricRole.LATENCY] = tuple(
            draft(end, MetricRole.LATENCY, query, unit, text) for query in queries
        )
    return found


def _of_gauge(counted: Counted, role: MetricRole) -> tuple[str, str, str]:
    """Return query, unit and words of a gauge that tells of requests."""
    family, subject = counted.family, counted.subject
    over = "sum" if role is MetricRole.TRAFFIC else "max"
    unit = {MetricRole.TRAFFIC: "requests/s", MetricRole.ERRORS: "ratio"}.get(role)
    query = f"{over} by ({subject.group_by}) ({subject.named(family.name)})"
    return query, unit or family.unit or "seconds", family.help or counted.told.what


def failed_share(counted: Counted, where: str, window: str) -> str:
    """Return the share of failed events: 0 where there is traffic and nothing failed.

    Who never says what failed is left out: nobody knows whether that is 0.
    """
    said = [_both(where, f'{each.label}!=""') for each in counted.failing]
    below = _traffic(counted, window, *(said if counted.judged < counted.services else [where]))
    failed = [_both(where, each.matcher) for each in counted.failing]
    return f"({_traffic(counted, window, *failed)} or {below} * 0) / {below}"


def errors_over(errors: Counted, traffic: Counted, window: str, *, apart: bool) -> str:
    """Return one counter's share of another, both summed by the same label.

    `apart`: what is counted as traffic is what went well.
    """
    above, below = _traffic(errors, window), _traffic(traffic, window)
    failed = f"({above} or {below} * 0)"
    return f"{failed} / ({failed} + {below})" if apart else f"{failed} / {below}"


def _traffic(counted: Counted, window: str, *where: str) -> str:
    """Return events per second of each service, of the series that any of the matchers takes."""
    subject, family = counted.subject, counted.family
    rates = [f"rate({selector(family.sampled, each)}[{window}])" for each in where or ("",)]
    if family.shape is FamilyShape.NATIVE:
        rates = [f"histogram_count({each})" for each in rates]
    rate = rates[0] if len(rates) == 1 else f"({' or '.join(rates)})"
    return f"sum by ({subject.group_by}) ({subject.named(rate)})"


def _durations(counted: Counted, where: str, window: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether only a mean is to be had, and the queries."""
    family, by = counted.family, counted.subject.group_by
    named = counted.subject.named
    if family.shape is FamilyShape.HISTOGRAM:
        rate = named(f"rate({selector(f'{family.name}_bucket', where)}[{window}])")
        return False, tuple(  # VictoriaMetrics' own clients count in `vmrange`
            f"histogram_quantile({QUANTILE}, sum by ({by}, {bound}) ({rate}))"
            for bound in ("le", "vmrange")
        )
    if family.shape is FamilyShape.NATIVE:
        rate = named(f"rate({selector(family.name, where)}[{window}])")
        return False, (f"histogram_quantile({QUANTILE}, sum by ({by}) ({rate}))",)
    total, count = (
        f"sum by ({by}) ({named(f'rate({selector(family.name + part, where)}[{window}])')})"
        for part in ("_sum", "_count")
    )
    return True, (f"{total} / {count}",)


def selector(name: str, where: str) -> str:
    """Return a metric with its matchers."""
    return f"{name}{{{where}}}" if where else name


def _both(one: str, other: str) -> str:
    return ", ".join(each for each in (one, other) if each)
