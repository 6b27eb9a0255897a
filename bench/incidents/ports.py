"""The ports over one world, in memory: what the real adapters would answer.

    Metrics   the sandbox's PromQL over families that are made when a query names them
    Logs      lines of a part, searched as the port says
    Cluster   objects and events of each cluster
    Changes   `ClusterChanges` over them and the deploys a webhook told of
    Traces    a few requests, with what each part added at that time

`Without` names sources that are taken away, one at a time, to see what it costs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import re2

from bench.incidents.telling import applications, platform, stores
from bench.incidents.telling.exposure import Exposure, Family
from bench.incidents.telling.lines import Lines
from bench.incidents.telling.objects import Objects
from bench.incidents.telling.requests import merge
from bench.incidents.traces import WorldTraces
from sandbox.prometheus import evaluate
from sandbox.prometheus.errors import QueryError
from sandbox.prometheus.samples import NAME, Matcher
from sandbox.prometheus.samples import Series as Samples
from sandbox.prometheus.samples import labels_of as stored
from sandbox.prometheus.values import Scalar, Vector
from tools.backends.fleets import ClusterFleet
from tools.backends.kubernetes.pod_status import pod_status
from tools.errors import BackendRefusedError, GoneError, NotFoundError
from tools.ports import Health, LogPage, MetricAbout
from tools.world import (
    Change,
    ChangeKind,
    ClusterEvent,
    Labels,
    LogLine,
    MetricSpec,
    PodStatus,
    Series,
    Window,
    WorkloadRef,
)

STATEMENTS = (
    "pg_stat_statements",
    "mysql_perf_schema_events_statements",
    "pg_locks",
    "mysql_global_status_innodb_row_lock",
    "mysql_global_status_slow_queries",
)
EDGES = ("traces_service_graph", "istio_")
DEFAULT_STEP = 60.0


class Store:
    """Families of a world as a source of samples."""

    def __init__(self, x: Exposure, families: Mapping[str, Family]) -> None:
        """Make no samples yet."""
        self.x, self.families = x, families
        self.start_ms = round(x.incident.start.timestamp() * 1000)
        self._made: dict[str, list[tuple[dict[str, str], Samples]]] = {}

    def _of(self, name: str) -> list[tuple[dict[str, str], Samples]]:
        if name not in self._made:
            grid = np.round(self.x.grid * 1000.0).astype(np.int64) + self.start_ms
            found = []
            whole = np.ones(len(grid), dtype=bool)
            for labels, values, seen in self.families[name].rows():
                named = {**labels, NAME: name}
                times = grid if seen is whole or seen.all() else grid[seen]
                kept = values if times is grid else values[seen]
                if times.size:
                    found.append(
                        (
                            named,
                            Samples(stored(named.items()), times, np.asarray(kept, dtype=float)),
                        )
                    )
            self._made[name] = found
        return self._made[name]

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Samples]:
        """Return every matching series with its samples of a span."""
        by_name = [m for m in matchers if m.name == NAME]
        others = [m for m in matchers if m.name != NAME]
        names = [n for n in self.families if all(m.accepts(n) for m in by_name)]
        cuts: dict[tuple[int, int, int], Any] = {}
        found = []
        for name in names:
            for labels, series in self._of(name):
                if not all(m.accepts(labels.get(m.name, "")) for m in others):
                    continue
                first = int(np.searchsorted(series.times, start_ms, side="left"))
                last = int(np.searchsorted(series.times, end_ms, side="right"))
                if last > first:
                    times = cuts.setdefault(
                        (id(series.times), first, last), series.times[first:last]
                    )
                    found.append(Samples(series.labels, times, series.values[first:last]))
        return found


class WorldMetrics:
    """`tools.ports.Metrics` over a world."""

    def __init__(self, store: Store) -> None:
        """Serve a store."""
        self.store = store
        self.asked = 0

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        """Evaluate on a grid that ends with the window."""
        self.asked += 1
        width = (
            step.total_seconds()
            if step
            else max(DEFAULT_STEP, window.duration.total_seconds() / 10_000)
        )
        end = round(window.end.timestamp() * 1000)
        count = int(window.duration.total_seconds() // width)
        start = end - count * round(width * 1000)
        try:
            value = evaluate.over(self.store, promql, start, end, round(width * 1000))
        except QueryError as error:
            raise BackendRefusedError("prometheus", str(error)) from error
        times = evaluate.range_steps(start, end, round(width * 1000)) / 1000.0
        if isinstance(value, Scalar):
            return [Series(promql, (), times, value.values, width)]
        return [
            Series(
                dict(labels).get(NAME, promql),
                labels,
                times,
                np.where(present, values, np.nan),
                width,
            )
            for labels, values, present in zip(
                value.labels, value.values, value.present, strict=True
            )
        ]

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        """Evaluate at one instant."""
        self.asked += 1
        try:
            value = evaluate.instant(self.store, promql, round(at.timestamp() * 1000))
        except QueryError as error:
            raise BackendRefusedError("prometheus", str(error)) from error
        if isinstance(value, Scalar):
            return [((), float(value.values[0]))]
        if not isinstance(value, Vector):
            raise BackendRefusedError("prometheus", "not an instant vector")
        return [
            (labels, float(values[0]))
            for labels, values, present in zip(
                value.labels, value.values, value.present, strict=True
            )
            if present[0]
        ]

    async def metric_names(self) -> list[str]:
        """Return all names."""
        return sorted(self.store.families)

    async def about(self, metric: str) -> MetricAbout | None:
        """Return what the store says of a metric."""
        base = metric.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        for name in (metric, f"{base}_bucket", base):
            if name in self.store.families:
                family = self.store.families[name]
                return MetricAbout(
                    base if family.kind == "histogram" else metric,
                    family.kind,
                    family.help,
                    family.unit,
                )
        return None

    def link(self, promql: str, window: Window) -> str:  # noqa: ARG002 - the port's
        """Return no address."""
        return ""

    async def health(self) -> Health:
        """Return that it is up."""
        return Health("prometheus", up=True)


class WorldLogs:
    """`tools.ports.Logs` over a world."""

    def __init__(self, lines: Lines) -> None:
        """Serve lines."""
        self.lines = lines
        self.numbers = {p.name: p.number for p in lines.graph.parts}

    async def search(
        self,
        window: Window,
        *,
        service: str = "",
        text: str = "",
        pattern: str = "",
        level: str = "",
        trace_id: str = "",
        oldest_first: bool = False,
        limit: int = 200,
    ) -> LogPage:
        """Return matching lines."""
        pool: Sequence[LogLine]
        if service:
            pool = self.lines.of(self.numbers[service]) if service in self.numbers else ()
        else:
            pool = self.lines.everything()
        levels = {"error", "critical"} if level == "error" else {level}
        wanted = text.lower()
        found = [
            line
            for line in pool
            if window.start <= line.at < window.end
            and (not level or line.level in levels)
            and wanted in line.text.lower()
            and (not pattern or re2.search(f"(?i){pattern}", line.text))
            and not trace_id
        ]
        found.sort(key=lambda line: line.at, reverse=not oldest_first)
        query = f'{{service="{service}"}} |= "{text}"'
        return LogPage(tuple(found[:limit]), truncated=len(found) > limit, query=query)

    async def health(self) -> Health:
        """Return that it is up."""
        return Health("loki", up=True)


class WorldCluster:
    """`tools.ports.Cluster` over one cluster of a world."""

    def __init__(self, objects: Objects, lines: Lines, name: str) -> None:
        """Serve one cluster."""
        self.objects, self.lines, self.name = objects, lines, name
        self.numbers = {p.name: p.number for p in objects.graph.parts}

    async def events(self, window: Window, namespace: str = "") -> list[ClusterEvent]:
        """Return events, newest first."""
        found = [
            e
            for e in self.objects.events(self.name)
            if window.overlaps(e.began, e.at)
            and (not namespace or (e.workload.namespace or "default") == namespace)
        ]
        return sorted(found, key=lambda e: e.at, reverse=True)

    async def pods(self, workload: WorkloadRef) -> list[PodStatus]:
        """Return the pods of a workload."""
        owned = workload.kind != "Pod"
        await self.get(workload)
        return [
            pod_status(each, self.name)
            for each in self.objects.of(self.name, "Pod")
            if workload.name
            == (each["metadata"]["labels"]["app"] if owned else each["metadata"]["name"])
        ]

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        """Return one object."""
        for each in self.objects.of(self.name, ref.kind):
            meta = each["metadata"]
            if meta["name"] == ref.name and meta.get("namespace", "") in {"", ref.namespace}:
                return each
        raise NotFoundError(f"{ref} does not exist")

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        """Return objects of a kind; nobody measures pods and machines for the API here."""
        if kind in {"PodMetrics", "NodeMetrics"}:
            raise GoneError(f"the cluster serves no {kind}")
        return [
            each
            for each in self.objects.of(self.name, kind)
            if (not namespace or each["metadata"].get("namespace", "") in {"", namespace})
            and (selector or {}).items() <= (each["metadata"].get("labels") or {}).items()
        ]

    async def log_of(
        self, pod: WorkloadRef, container: str = "", *, previous: bool = False, lines: int = 100
    ) -> str:
        """Return the last lines of a pod's container, or of the one that ended before it."""
        item = await self.get(pod)
        status = (item["status"].get("containerStatuses") or [{}])[0]
        ended = (status.get("lastState") or {}).get("terminated")
        if previous and not ended:
            raise GoneError(f"previous terminated container {container!r} in {pod} not found")
        number = self.numbers[item["metadata"]["labels"]["app"]]
        kept = [
            f"{line.at:%Y-%m-%dT%H:%M:%S.%fZ} {line.text}"
            for line in self.lines.written(number)
            if dict(line.labels)["pod"] == pod.name
            and (not ended or previous == (f"{line.at:%Y-%m-%dT%H:%M:%SZ}" <= ended["finishedAt"]))
        ]
        return "\n".join(kept[-lines:])

    async def health(self) -> Health:
        """Return that it is up."""
        return Health("kubernetes", up=True)


class Served:
    """All ports of one world, without some sources."""

    def __init__(self, x: Exposure, without: Collection[str] = ()) -> None:
        """Join them; nothing is made before it is asked for."""
        self.x, self.incident, self.without = x, x.incident, frozenset(without)
        made = applications.families(x) | platform.families(x)
        merge(made, stores.families(x))
        gone: tuple[str, ...] = ()
        gone += STATEMENTS if "statements" in self.without else ()
        gone += EDGES if "call_graph" in self.without else ()
        families = {n: f for n, f in made.items() if not gone or not n.startswith(gone)}
        if "metrics" in self.without:
            families = {}
        self.metrics = WorldMetrics(Store(x, families))
        self.lines, self.objects = Lines(x), Objects(x)
        self.logs = WorldLogs(self.lines)
        names = x.incident.stage.graph.clusters
        self.clusters = {name: WorldCluster(self.objects, self.lines, name) for name in names}
        self.traces = WorldTraces(x)
        self.has_traces = "graph" in x.parts_of_platform and "call_graph" not in self.without

    @property
    def entries(self) -> list[MetricSpec]:
        """What the team wrote of its metrics."""
        told = [
            *applications.catalogue(self.x),
            *platform.catalogue(self.x),
            *stores.catalogue(self.x),
        ]
        return [
            e
            for e in told
            if not ("statements" in self.without and any(s in e.query for s in STATEMENTS))
        ]

    async def deploys(self, window: Window) -> list[Change]:
        """Return the deploys that a webhook told of: most of them."""
        found = []
        for place, each in enumerate(self.incident.deploys):
            at = self.incident.at(each.when)
            told = np.random.default_rng([self.incident.seed, 43, place]).random() < 0.6
            if told and window.start <= at <= window.end:
                part = self.incident.stage.graph.parts[each.part]
                found.append(
                    Change(
                        at,
                        ChangeKind(each.sort),
                        part.name,
                        each.summary,
                        each.before,
                        each.after,
                        "somebody",
                        source="webhook",
                    )
                )
        return found

    @property
    def cluster(self) -> Any:
        """The cluster, or a fleet of them."""
        if len(self.clusters) == 1:
            return next(iter(self.clusters.values()))
        return ClusterFleet(self.clusters)
