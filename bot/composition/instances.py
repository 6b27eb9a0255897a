"""The instances of each backend as settings name them: one is itself, several are a fleet.

Whoever asks sees one port. Which instance answers is decided by a tool's argument or by the cluster
of the service that is asked about (`tools.fleet`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from bot.settings import Settings
from tools.backends.condition import Condition
from tools.backends.fleets import ClusterFleet, LogsFleet, MetricsFleet, PlacedLogs, PlacedMetrics
from tools.fleet import members_of
from tools.ports import Cluster, HasHealth, Logs, Metrics
from tools.world import Catalogue

if TYPE_CHECKING:
    from tools.backends.alertmanager import Alertmanager
    from tools.backends.kubernetes.actor import KubernetesActor

CatalogueOf = Callable[[], Catalogue]


def empty_catalogue() -> Catalogue:
    """Stand in where only the health of backends matters."""
    return Catalogue({}, {})


def metrics_of(
    settings: Settings, stack: AsyncExitStack, catalogue: CatalogueOf = empty_catalogue
) -> Metrics | None:
    """Return the metrics stores, None when none is configured."""
    from tools.backends.prometheus.adapter import Prometheus

    if not settings.prometheus:
        return None
    stores: dict[str, Prometheus] = {}
    for name, config in settings.prometheus.items():
        stores[name] = Prometheus(config, clock=settings.clock)
        stores[name].condition.wall = settings.clock.wall
        stack.push_async_callback(stores[name].close)
    clusters = {name: config.cluster for name, config in settings.prometheus.items()}
    alone = len(stores) == 1 and not settings.document.prometheus.instances
    if alone and len(settings.clusters) < 2:
        return next(iter(stores.values()))
    placed = {
        name: PlacedMetrics(store, name, clusters[name], catalogue)
        for name, store in stores.items()
    }
    return MetricsFleet("prometheus", placed, clusters)


def logs_of(
    settings: Settings, stack: AsyncExitStack, catalogue: CatalogueOf = empty_catalogue
) -> Logs | None:
    """Return the log stores, None when none is configured."""
    from tools.backends.loki import Loki

    if not settings.loki:
        return None
    stores: dict[str, Loki] = {}
    for name, config in settings.loki.items():
        stores[name] = Loki(config)
        stores[name].condition.wall = settings.clock.wall
        stack.push_async_callback(stores[name].close)
    if len(stores) == 1 and not settings.document.loki.instances:
        return next(iter(stores.values()))
    clusters = {name: config.cluster for name, config in settings.loki.items()}
    placed = {
        name: PlacedLogs(store, name, clusters[name], catalogue) for name, store in stores.items()
    }
    return LogsFleet(placed, clusters, catalogue)


def cluster_of(settings: Settings, stack: AsyncExitStack) -> Cluster | None:
    """Return the reading identities of the clusters, None when none is configured."""
    from tools.backends.kubernetes.reader import KubernetesReader

    readers: dict[str, Cluster] = {}
    for name, config in settings.clusters.items():
        if config.readable:
            reader = readers[name] = KubernetesReader(config)
            reader.condition.wall = settings.clock.wall
            stack.push_async_callback(reader.close)
    if len(settings.clusters) < 2:
        return next(iter(readers.values()), None)
    return ClusterFleet(readers) if readers else None


def acting_clusters(settings: Settings, stack: AsyncExitStack) -> dict[str, KubernetesActor]:
    """Return the acting identity of every cluster that has one."""
    from tools.backends.kubernetes.actor import KubernetesActor

    actors: dict[str, KubernetesActor] = {}
    for name, config in settings.clusters.items():
        if config.actionable:
            actor = actors[name] = KubernetesActor(config)
            actor.condition.wall = settings.clock.wall
            stack.push_async_callback(actor.close)
    return actors


def alertmanager_of(settings: Settings, stack: AsyncExitStack) -> Alertmanager | None:
    """Return the Alertmanager that is asked, None when none is configured."""
    if settings.alertmanager is None:
        return None
    from tools.backends.alertmanager import Alertmanager

    source = Alertmanager(settings.alertmanager)
    source.condition.wall = settings.clock.wall
    stack.push_async_callback(source.close)
    return source


class LiveGaps(Mapping[str, str]):
    """What an answer names as not looked at: what is off, and what is down right now."""

    def __init__(self, off: Mapping[str, str], ports: Mapping[str, HasHealth | None]) -> None:
        """`ports` by backend; each of their instances may know its condition."""
        self._off, self._ports = dict(off), dict(ports)

    def _now(self) -> dict[str, str]:
        told = dict(self._off)
        for backend, port in self._ports.items():
            for name, member in members_of(port).items() if port is not None else ():
                condition: Condition | None = getattr(member, "condition", None)
                if condition is not None and condition.word == "down":
                    since = f" since {condition.since:%H:%M} UTC" if condition.since else ""
                    told[f"{backend} {name}".strip()] = f"down{since}: {condition.why}"
        return told

    def __getitem__(self, name: str) -> str:
        """Return why one is not looked at."""
        return self._now()[name]

    def __iter__(self) -> Iterator[str]:
        """Walk the names."""
        return iter(self._now())

    def __len__(self) -> int:
        """Count them."""
        return len(self._now())
