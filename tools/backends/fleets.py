"""The fleets of metrics, logs and clusters, and what an instance adds to its answers.

Prometheus eu-1 ──> PlacedMetrics(labels prometheus=eu-1, cluster=…) ─┐
Prometheus us-1 ──> PlacedMetrics ─────────────────────────────────── ┴─> MetricsFleet

The labels are part of every fingerprint and baseline, so that equal series of two clusters never
become one. A catalogued query's service label becomes the service's own name: what runs as
`my-api` in another cluster than the catalogue's `my-api` is `my-api@cluster`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from foundation.nearest import nearest
from tools.errors import AnswerTooLargeError, BadArgumentError
from tools.fleet import Fleet
from tools.ports import (
    Cluster,
    Health,
    LogPage,
    Logs,
    MetricAbout,
    Metrics,
    PartedReading,
    Reading,
    ReadsInParts,
    SaysAllMetadata,
    SpeaksMetricsQL,
    warnings_of,
)
from tools.world import (
    Catalogue,
    ClusterEvent,
    Labels,
    PodStatus,
    Series,
    Window,
    WorkloadRef,
    labels_of,
)

CatalogueOf = Callable[[], Catalogue]
Json = Mapping[str, Any]


class _Placed:
    """An instance that knows its name and the cluster it observes."""

    def __init__(self, backend: str, name: str, cluster: str, catalogue: CatalogueOf) -> None:
        self.backend, self.name, self.cluster = backend, name, cluster
        self._catalogue = catalogue

    def _service(self, label: str, cluster: str) -> str:
        return self._catalogue().service_at(label, cluster)


class PlacedMetrics(_Placed):
    """One metrics store of several."""

    def __init__(self, inner: Metrics, name: str, cluster: str, catalogue: CatalogueOf) -> None:
        """`cluster` is empty when the store observes several and its series say which."""
        super().__init__("prometheus", name, cluster, catalogue)
        self._inner = inner
        self.condition = getattr(inner, "condition", None)

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        """Evaluate over a window; the series say where they come from."""
        found = await self._inner.query_range(promql, window, step)
        placed = (replace(each, labels=self._labels(promql, each.labels)) for each in found)
        return Reading(placed, (f"{self.name}: {text}" for text in warnings_of(found)))

    async def query_range_in_parts(
        self, promql: str, label: str, window: Window, step: timedelta
    ) -> PartedReading:
        """Evaluate a few values of a label at a time; the series say where they come from."""
        if not isinstance(self._inner, ReadsInParts):
            raise AnswerTooLargeError(self.name, f"{promql!r} cannot be asked in parts")
        found = await self._inner.query_range_in_parts(promql, label, window, step)
        placed = (replace(each, labels=self._labels(promql, each.labels)) for each in found)
        told = (f"{self.name}: {text}" for text in found.warnings)
        parted = PartedReading(placed, told)
        parted.queries = found.queries
        return parted

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        """Evaluate at one instant."""
        found = await self._inner.query(promql, at)
        return [(self._labels(promql, labels), value) for labels, value in found]

    async def metric_names(self) -> list[str]:
        """Return the names of all metrics."""
        return await self._inner.metric_names()

    async def about(self, metric: str) -> MetricAbout | None:
        """Return what the store says of one metric."""
        return await self._inner.about(metric)

    async def every_about(self) -> list[MetricAbout]:
        """Return what the store says of all metrics."""
        inner = self._inner
        return await inner.every_about() if isinstance(inner, SaysAllMetadata) else []

    async def speaks_metricsql(self) -> bool:
        """Say whether the store reads VictoriaMetrics' dialect."""
        inner = self._inner
        return isinstance(inner, SpeaksMetricsQL) and await inner.speaks_metricsql()

    def link(self, promql: str, window: Window) -> str:
        """Return where a person sees the same graph."""
        return self._inner.link(promql, window)

    async def health(self) -> Health:
        """Return the health now."""
        return await self._inner.health()

    def _labels(self, promql: str, labels: Labels) -> Labels:
        known = dict(labels)
        cluster = known.get("cluster") or self.cluster
        if cluster:
            known["cluster"] = cluster
        known["prometheus"] = self.name
        for spec in self._catalogue().metrics.values():
            if spec.query == promql and known.get(spec.group_by):
                known[spec.group_by] = self._service(known[spec.group_by], cluster)
                break
        return labels_of(known)


class PlacedLogs(_Placed):
    """One log store of several."""

    def __init__(self, inner: Logs, name: str, cluster: str, catalogue: CatalogueOf) -> None:
        """`cluster` is empty when the store keeps the logs of several."""
        super().__init__("loki", name, cluster, catalogue)
        self._inner = inner
        self.condition = getattr(inner, "condition", None)

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
        """Return lines, their service by its own name."""
        label = service.partition("@")[0]
        page = await self._inner.search(
            window,
            service=label,
            text=text,
            pattern=pattern,
            level=level,
            trace_id=trace_id,
            oldest_first=oldest_first,
            limit=limit,
        )
        lines = tuple(
            replace(
                line,
                service=self._service(line.service, self.cluster),
                labels=labels_of({**dict(line.labels), "loki": self.name}),
            )
            for line in page.lines
        )
        return replace(page, lines=lines, query=f"{page.query} (loki {self.name})")

    async def health(self) -> Health:
        """Return the health now."""
        return await self._inner.health()


class MetricsFleet(Fleet[Metrics]):
    """Several metrics stores as one."""

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        """Evaluate everywhere and join the series."""
        answers = await self.joined(lambda each: each.query_range(promql, window, step))
        return Reading(
            (series for found in answers.values() for series in found),
            (text for found in answers.values() for text in warnings_of(found)),
        )

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        """Evaluate everywhere at one instant and join the answers."""
        answers = await self.joined(lambda each: each.query(promql, at))
        return [row for found in answers.values() for row in found]

    async def metric_names(self) -> list[str]:
        """Return the names that any instance knows."""
        answers = await self.joined(lambda each: each.metric_names())
        return sorted({name for names in answers.values() for name in names})

    async def about(self, metric: str) -> MetricAbout | None:
        """Return what the first instance that knows the metric says of it."""
        answers = await self.joined(lambda each: each.about(metric))
        return next((about for about in answers.values() if about is not None), None)

    async def every_about(self) -> list[MetricAbout]:
        """Return what the instances say of all metrics."""
        answers = await self.joined(_every_about)
        return [about for told in answers.values() for about in told]

    def link(self, promql: str, window: Window) -> str:
        """Return where a person sees the graph of the default instance."""
        return self.default.link(promql, window)


async def _every_about(store: Metrics) -> list[MetricAbout]:
    return await store.every_about() if isinstance(store, SaysAllMetadata) else []


class LogsFleet(Fleet[Logs]):
    """Several log stores as one."""

    def __init__(
        self, members: Mapping[str, Logs], clusters: Mapping[str, str], catalogue: CatalogueOf
    ) -> None:
        """A service's lines are looked for where its cluster's logs are kept."""
        super().__init__("loki", members, clusters)
        self._catalogue = catalogue

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
        """Search the instance of the service's cluster, else every one; newest first."""
        spec = next((s for s in self._catalogue().services.values() if s.name == service), None)
        home = self.of_cluster(spec.cluster) if spec else None

        def search(store: Logs) -> Awaitable[LogPage]:
            return store.search(
                window,
                service=service,
                text=text,
                pattern=pattern,
                level=level,
                trace_id=trace_id,
                oldest_first=oldest_first,
                limit=limit,
            )

        if home is not None:
            return await search(home)
        pages = await self.joined(search)
        found = (line for page in pages.values() for line in page.lines)
        lines = sorted(found, key=lambda line: line.at, reverse=not oldest_first)
        return LogPage(
            tuple(lines[:limit]),
            truncated=len(lines) > limit or any(p.truncated for p in pages.values()),
            query="; ".join(dict.fromkeys(p.query for p in pages.values())),
            note="; ".join(dict.fromkeys(p.note for p in pages.values() if p.note)),
            link=next((p.link for p in pages.values() if p.link), ""),
        )


class ClusterFleet(Fleet[Cluster]):
    """Several clusters: an object is read where its reference says it is."""

    def __init__(self, members: Mapping[str, Cluster]) -> None:
        """`members` by the cluster's name, the default first."""
        super().__init__("kubernetes", members, {name: name for name in members})

    def of(self, ref: WorkloadRef) -> Cluster:
        """Return the cluster of an object. Raises BadArgumentError with the nearest name."""
        try:
            return self.members[ref.cluster]
        except KeyError:
            raise BadArgumentError(
                f"cluster {ref.cluster!r} of {ref} is not configured."
                f"{nearest(ref.cluster, self.members)}"
            ) from None

    async def get(self, ref: WorkloadRef) -> Json:
        """Return one object as its cluster serves it."""
        return await self.of(ref).get(ref)

    async def pods(self, workload: WorkloadRef) -> list[PodStatus]:
        """Return the pods a workload owns."""
        return await self.of(workload).pods(workload)

    async def events(self, window: Window, namespace: str = "") -> list[ClusterEvent]:
        """Return the events of every cluster, newest first."""
        answers = await self.joined(lambda each: each.events(window, namespace))
        joined = [event for found in answers.values() for event in found]
        return sorted(joined, key=lambda event: event.at, reverse=True)

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Json]:
        """Return the objects of every cluster."""
        answers = await self.joined(lambda each: each.list(kind, namespace, selector))
        return [item for found in answers.values() for item in found]

    async def log_of(
        self, pod: WorkloadRef, container: str = "", *, previous: bool = False, lines: int = 100
    ) -> str:
        """Return the last lines of a container, read where its pod is."""
        return await self.of(pod).log_of(pod, container, previous=previous, lines=lines)


def named(fleet: Fleet[Any]) -> str:
    """Return the sentence that tells the model which instances there are."""
    where = {n: f" (cluster {c})" if c and c != n else "" for n, c in fleet.clusters.items()}
    names = ", ".join(f"{name}{where.get(name, '')}" for name in fleet.names)
    return f"Instances of {fleet.backend}: {names}; the first is the default."
