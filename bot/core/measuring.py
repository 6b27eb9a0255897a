"""Reads metrics and notices of a service now, for triggers and verification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.core.choosing import Notices
from tools.errors import BackendError, NotFoundError
from tools.ports import Clock, Cluster, Logs, Metrics
from tools.world import Catalogue, Direction, MetricName, MetricSpec, ServiceName, Window

LATELY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Measuring:
    """`measure` and `notice` of `bot.core.choosing` over the real ports; None is not configured."""

    clock: Clock
    catalogue: Callable[[], Catalogue]
    metrics: Metrics
    logs: Logs | None = None
    cluster: Cluster | None = None

    async def measure(self, metric: str, service: str) -> float | None:
        """Return a metric of a service now: its worst series; None when there is no data."""
        spec = self.catalogue().metrics.get(MetricName(metric))
        if spec is None:
            return None
        found = await self.metrics.query(spec.query, self.clock.now())
        values = [value for labels, value in found if dict(labels).get(spec.group_by) == service]
        known = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not itself
        return _worst(spec, known) if known else None

    async def notice(self, service: str) -> Notices:
        """Return event reasons and log lines of the last half hour; None where nobody can look."""
        return Notices(await self._events(service), await self._lines(service))

    async def _events(self, service: str) -> frozenset[str] | None:
        spec = self.catalogue().services.get(ServiceName(service))
        if self.cluster is None or spec is None:
            return None
        window = Window.ending(self.clock.now(), LATELY)
        reasons: set[str] = set()
        try:
            for ref in spec.workloads:
                events = await self.cluster.events(window, ref.namespace, ref.name)
                reasons.update(event.reason for event in events)
                pods = await self.cluster.pods(ref)
                reasons.update(pod.reason for pod in pods if pod.reason)
        except (BackendError, NotFoundError):
            return None
        return frozenset(reasons)

    async def _lines(self, service: str) -> tuple[str, ...] | None:
        if self.logs is None:
            return None
        window = Window.ending(self.clock.now(), LATELY)
        found: list[str] = []
        try:
            for level in ("error", "warning"):
                page = await self.logs.search(window, service=service, level=level, limit=500)
                found += [line.text for line in page.lines]
        except BackendError:
            return None
        return tuple(found)


def _worst(spec: MetricSpec, values: list[float]) -> float:
    return min(values) if spec.bad_direction is Direction.DOWN else max(values)
