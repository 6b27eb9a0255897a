"""What is measured and noticed of a service now, for triggers, preconditions and verification.

metrics_of(playbook) ──gather_facts──> TriggerFacts      what cannot be read stays unknown
                         ├ Measure  one metric    `Measuring` does both over the real ports
                         └ Notice   cluster, changes and logs
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Protocol

from playbooks.schema import Playbook
from playbooks.triggers import TriggerFacts, parse
from tools.errors import BackendError, NotFoundError
from tools.fleet import pick
from tools.ports import Changes, Clock, Cluster, Logs, Metrics
from tools.workload_parts import events_about
from tools.world import (
    Catalogue,
    ChangeKind,
    Direction,
    MetricName,
    MetricSpec,
    ServiceName,
    Window,
)

LATELY = timedelta(minutes=30)
CHANGED_LATELY = timedelta(hours=3)
CHANGED: Mapping[ChangeKind, str] = MappingProxyType(  # names that triggers may use
    {
        ChangeKind.DEPLOY: "Deployed",
        ChangeKind.CONFIG: "ConfigChanged",
        ChangeKind.SCALE: "Scaled",
        ChangeKind.FLAG: "FlagChanged",
    }
)


class Measure(Protocol):
    """Reads one catalogued metric of a service now; None when nothing is known."""

    def __call__(self, metric: str, service: str) -> Awaitable[float | None]: ...


@dataclass(frozen=True, slots=True)
class Notices:
    """What cluster and logs said lately of a service; None: nobody could look."""

    events: frozenset[str] | None = None
    logs: tuple[str, ...] | None = None
    partial: bool = False  # what is not among them may have happened all the same


Notice = Callable[[str], Awaitable[Notices]]  # service → notices


async def nothing_noticed(_service: str) -> Notices:
    """Stand in where neither cluster nor logs are configured."""
    return Notices()


@dataclass(frozen=True, slots=True)
class Measuring:
    """A `Measure` and a `Notice` over the real ports; None is not configured."""

    clock: Clock
    catalogue: Callable[[], Catalogue]
    metrics: Metrics
    logs: Logs | None = None
    cluster: Cluster | None = None
    changes: Changes | None = None

    async def measure(self, metric: str, service: str) -> float | None:
        """Return a metric of a service now: its worst series; None when there is no data.

        Of a role it is the worst of its metrics, each as a share of its own limit.
        """
        if metric in self.catalogue().metrics:
            return await self._measure(self.catalogue().metrics[MetricName(metric)], service)
        specs = self.catalogue().measured_by(metric)
        values = await asyncio.gather(*(self._measure(spec, service) for spec in specs))
        shares = [
            share
            for spec, value in zip(specs, values, strict=True)
            if value is not None and (share := spec.share_of_limit(value)) is not None
        ]
        return max(shares, default=None)

    async def _measure(self, spec: MetricSpec, service: str) -> float | None:
        about = self.catalogue().services.get(ServiceName(service))
        place = pick(self.metrics, cluster=about.cluster if about else "")
        found = await place.query(spec.query, self.clock.now())
        values = [value for labels, value in found if spec.service_of(labels) == service]
        known = [value for value in values if value == value]  # noqa: PLR0124 - NaN is not itself
        return _worst(spec, known) if known else None

    async def notice(self, service: str) -> Notices:
        """Return event reasons, recent changes by name, and log lines; None: nobody can look."""
        reasons, changes = await self._reasons(service), await self._changes(service)
        partial = reasons is None or changes is None
        known = (reasons or frozenset()) | (changes or frozenset())
        events = None if reasons is None and changes is None else known
        return Notices(events, await self._lines(service), partial)

    async def _reasons(self, service: str) -> frozenset[str] | None:
        spec = self.catalogue().services.get(ServiceName(service))
        if self.cluster is None or spec is None:
            return None
        window = Window.ending(self.clock.now(), LATELY)
        reasons: set[str] = set()
        try:
            for ref in spec.workloads:
                place = pick(self.cluster, cluster=ref.cluster)
                told = await events_about(place, [ref], window)
                reasons.update(event.reason for event in told.events)
                for pod in await place.pods(ref):
                    reasons.update(pod.reasons_since(window.start))
        except (BackendError, NotFoundError):
            return None
        return frozenset(reasons)

    async def _changes(self, service: str) -> frozenset[str] | None:
        if self.changes is None:
            return None
        window = Window.ending(self.clock.now(), CHANGED_LATELY)
        try:
            found = await self.changes.recent(window, [service])
        except BackendError:
            return None
        return frozenset(CHANGED[each.kind] for each in found if each.kind in CHANGED)

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


def metrics_of(playbook: Playbook) -> frozenset[str]:
    """Return every metric that decides whether a playbook fits or may start."""
    texts = (*playbook.trigger_conditions, *playbook.preconditions)
    return frozenset().union(*(parse(text).metrics() for text in texts))


async def gather_facts(
    service: str, metrics: frozenset[str], measure: Measure, notice: Notice
) -> TriggerFacts:
    """Read what some expressions need; what cannot be read stays unknown."""
    names = sorted(metrics)
    values = await asyncio.gather(*(measured(measure, name, service) for name in names))
    seen = await notice(service)
    known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return TriggerFacts(known, seen.events, seen.logs, seen.partial)


async def measured(measure: Measure, metric: str, service: str) -> float | None:
    """Read one metric; a dead backend makes it unknown."""
    try:
        return await measure(metric, service)
    except BackendError:
        return None


def _worst(spec: MetricSpec, values: list[float]) -> float:
    if spec.bad_direction is Direction.BOTH:
        return max(values, key=abs)
    return min(values) if spec.bad_direction is Direction.DOWN else max(values)
