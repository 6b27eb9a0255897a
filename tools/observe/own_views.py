"""What databases and brokers say of themselves, where an exporter publishes it.

    names of the store ──which views are there──> one query each ──whose──> parts of a service

A view tells the parts of a total apart: statements of the time a database works, waits and users of
its sessions. Names are those of postgres_exporter, CloudNativePG, mysqld_exporter, redis_exporter.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from tools.analysis.metric_facts.holders import Numbers, before_of, now_of, parts_of
from tools.analysis.metric_facts.judged import JudgedMetric, measure
from tools.errors import BackendError
from tools.ports import Metrics
from tools.world import Labels, MetricName, MetricRole, MetricSpec, Series, ServiceSpec, Window

MOST_PARTS = 50  # of a view, at any moment
# Labels in which a database's name, or that of the service it is, may stand; the surest first.
NAMING = ("service", "app", "app_kubernetes_io_name", "cluster", "job", "pod", "server", "instance")


@dataclass(frozen=True, slots=True)
class View:
    """One view of an exporter."""

    metric: str
    parts: tuple[str, ...]  # labels that tell the parts apart
    unit: str
    resource: str  # what there is more of
    counter: bool = True
    number: str = ""  # the counter of how often each part happens


VIEWS = (
    View("pg_stat_statements_seconds_total", ("queryid",), "s/s", "database time",
         number="pg_stat_statements_calls_total"),
    View("pg_stat_statements_total_time_seconds", ("queryid",), "s/s", "database time",
         number="pg_stat_statements_calls"),
    View("mysql_perf_schema_events_statements_seconds_total", ("digest",), "s/s", "database time",
         number="mysql_perf_schema_events_statements_total"),
    View("redis_commands_duration_seconds_total", ("cmd",), "s/s", "database time",
         number="redis_commands_total"),
    View("pg_stat_activity_count", ("state",), "sessions", "sessions", counter=False),
    View("cnpg_backends_total", ("state",), "sessions", "sessions", counter=False),
    View("mysql_info_schema_processlist_threads", ("command",), "sessions", "sessions",
         counter=False),
)  # fmt: skip


def views_in(names: Collection[str]) -> list[View]:
    """Return the views that a store has."""
    known = set(names)
    return [view for view in VIEWS if view.metric in known]


def spec_of(view: View, metric: str = "") -> MetricSpec:
    """Return a view as a metric of the catalogue: its parts, with what may name its service."""
    name = metric or view.metric
    inside = f"rate({name}[5m])" if view.counter else name
    by = ", ".join((*view.parts, *NAMING))
    return MetricSpec(
        MetricName(name), "", f"topk({MOST_PARTS}, sum by ({by}) ({inside}))", view.unit,
        f"{view.resource} by {view.parts[0]}", role=MetricRole.SATURATION, resource=view.resource,
    )  # fmt: skip


def whose(labels: Labels, services: Sequence[ServiceSpec]) -> str:
    """Return the one service that a label names; empty when none does, or two could be meant.

    A name counts exactly or as a beginning up to a boundary, the longest first: what belongs to
    `my-db` is none of `my`. `ns/my-db`, `my-db-1`, `my-db-rw.ns.svc:5432`
    and `redis://cache:6379` name their services.
    """
    known = dict(labels)
    for label in NAMING:
        host = known.get(label, "").rpartition("//")[2].rpartition("@")[2].partition(":")[0]
        bare = host.rpartition("/")[2].partition(".")[0].lower()
        found: dict[int, set[str]] = {}
        for spec in services:
            for name in {spec.label, *(workload.name for workload in spec.workloads)}:
                if bare and (bare == name.lower() or bare.startswith(f"{name.lower()}-")):
                    found.setdefault(len(name), set()).add(spec.name)
        if found:
            longest = found[max(found)]
            return longest.pop() if len(longest) == 1 else ""
    return ""


async def read_views(
    metrics: Metrics, services: Sequence[ServiceSpec], asked: Window, wide: Window, step: timedelta
) -> tuple[list[JudgedMetric], dict[str, Numbers]]:
    """Return the views of services, judged, and how often their parts happen.

    A store that does not answer here leaves views out: they are more than was asked for.
    """
    try:
        found = views_in(await metrics.metric_names())
    except BackendError:
        return [], {}
    judged: list[JudgedMetric] = []
    numbers: dict[str, Numbers] = {}
    for view in found:
        read = await _judged(metrics, spec_of(view), services, asked, wide, step)
        judged += read
        if view.number and any(each.stretches for each in read):
            counted = spec_of(replace(view, unit="calls/s"), view.number)
            for each in await _judged(metrics, counted, services, asked, wide, step):
                numbers[view.metric] = dict(_numbers(each))
    return judged, numbers


async def _judged(
    metrics: Metrics,
    spec: MetricSpec,
    services: Sequence[ServiceSpec],
    asked: Window,
    wide: Window,
    step: timedelta,
) -> list[JudgedMetric]:
    try:
        told: list[Series] = await metrics.query_range(spec.query, wide, step)
    except BackendError:
        return []
    named = [(each, whose(each.labels, services)) for each in told]
    kept = [(each, name) for each, name in named if name]
    if not kept:
        return []
    series, names = zip(*kept, strict=True)
    return [measure(spec, series, names, asked.start.timestamp())]


def _numbers(judged: JudgedMetric) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    for name, parts in parts_of(judged).items():
        now, before = now_of(judged, parts), before_of(judged, parts, judged.since)
        for part in sorted(now):
            yield (name, part), (now[part], before[part])
