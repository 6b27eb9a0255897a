"""What a team says of its production: its metrics, its services, and who calls whom."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from tools.world.names import Direction, Labels, MetricName, MetricRole, ServiceName, WorkloadRef

ROLE = "role:"  # role:latency, role:saturation:cpu: every metric that plays it


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric of the catalogue."""

    name: MetricName
    category: str  # the heading it stands under
    query: str  # PromQL
    unit: str
    description: str
    bad_direction: Direction = Direction.UP
    threshold: float | None = None  # static limit, in `unit`
    group_by: str = "service"  # the label that names the service
    role: MetricRole | None = (
        None  # None: a catalogue that does not say; what speaks of roles skips it
    )
    resource: str = ""  # of a saturation: cpu, memory, disk, connections, …; empty: not said
    silent_after: timedelta | None = None  # without a sample for longer it is abnormal; None: never

    def service_of(self, labels: Labels) -> ServiceName:
        """Return which service a series tells of; empty when no label says so."""
        known = dict(labels)
        return ServiceName(known.get(self.group_by) or known.get("service", ""))

    @property
    def names(self) -> tuple[str, ...]:
        """What rules and playbooks may call it: its own name, its role, what is full of it."""
        if self.role is None:
            return (self.name,)
        role = f"{ROLE}{self.role.value}"
        return (self.name, role, f"{role}:{self.resource}") if self.resource else (self.name, role)

    def share_of_limit(self, value: float) -> float | None:
        """Return how much of its limit a value uses: beyond 1 it is crossed. None: no limit.

        Roles are compared by it, because their metrics have different units.
        """
        if self.threshold is None or math.isnan(value):
            return None
        if self.bad_direction is Direction.DOWN:
            used, limit = self.threshold, value
        else:
            used = abs(value) if self.bad_direction is Direction.BOTH else value
            limit = self.threshold
        if limit <= 0:  # no share of nothing: crossed or not
            return math.inf if self.is_beyond(value) else 0.0
        return used / limit

    def is_beyond(self, value: float) -> bool:
        """Say whether a value lies beyond the limit; in both directions it bounds the size."""
        if self.threshold is None:
            return False
        if self.bad_direction is Direction.DOWN:
            return value < self.threshold
        return (abs(value) if self.bad_direction is Direction.BOTH else value) > self.threshold


class ServiceMode(StrEnum):
    """How far the bot may go for a service; the stricter of all settings wins."""

    OBSERVE = "observe"
    SUGGEST = "suggest"
    APPROVE = "approve"
    AUTO = "auto"


class ModelData(StrEnum):
    """How much of a service's data a language model outside may read, laxest first."""

    ALL = "all"  # whatever a tool returns, without its secrets
    FIGURES = "figures"  # numbers, times, names, states and counts; no text that others wrote
    NOTHING = "nothing"  # that the service exists

    @property
    def rank(self) -> int:
        """Return 0 for all … 2 for nothing."""
        return list(ModelData).index(self)


DEFAULT_MODEL_DATA = ModelData.ALL
USUAL_TIER = 2  # of a service that does not say, and of what no catalogue knows; 1 is most critical


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service of the catalogue."""

    name: ServiceName
    namespace: str
    workloads: tuple[WorkloadRef, ...]
    team: str = ""
    channel: str = ""  # where its findings go; empty: the default incidents channel
    tier: int = USUAL_TIER
    dependencies: tuple[ServiceName, ...] = ()
    mode: ServiceMode = ServiceMode.APPROVE
    protected: bool = False
    aliases: tuple[str, ...] = ()  # how people call it in a question
    dashboards: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()
    cluster: str = ""  # where it runs; its workloads name the same
    model_data: ModelData = DEFAULT_MODEL_DATA  # for a service that does not say: the catalogue's

    @property
    def label(self) -> str:
        """How series and log lines call it: `my-api@us-1` runs in us-1 as `my-api`."""
        return self.name.partition("@")[0]


@dataclass(frozen=True, slots=True)
class Call:
    """One service calling another, as traces or the service mesh count it."""

    client: ServiceName
    server: ServiceName
    per_second: float
    failed_ratio: float = 0.0  # in [0, 1]
    source: str = ""  # "traces" | "istio"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All metrics and services the bot knows, by name, and who was seen calling whom."""

    metrics: Mapping[MetricName, MetricSpec]
    services: Mapping[ServiceName, ServiceSpec]
    calls: tuple[Call, ...] = ()  # discovered; what services.yaml declares holds without them
    model_data: ModelData = DEFAULT_MODEL_DATA  # of services that do not say
    words: Mapping[str, str] = field(default_factory=dict)  # what people say -> what is meant

    def measured_by(self, name: str) -> tuple[MetricSpec, ...]:
        """Return the metric of a name, or those of a role (`role:latency`) that have a limit."""
        spec = self.metrics.get(MetricName(name))
        if spec is not None:
            return (spec,)
        return tuple(
            s for s in self.metrics.values() if name in s.names and s.threshold is not None
        )

    @property
    def named(self) -> frozenset[str]:
        """Every name that rules may ask for: of metrics and of the roles they play."""
        return frozenset(name for spec in self.metrics.values() for name in spec.names)

    @property
    def measurable(self) -> frozenset[str]:
        """Every name that has a value: a role has one where one of its metrics has a limit."""
        return frozenset(name for name in self.named if self.measured_by(name))

    def whose(self, metric: str, labels: Labels) -> ServiceName:
        """Return which service a series tells of; empty when no label says so."""
        spec = self.metrics.get(MetricName(metric))
        return spec.service_of(labels) if spec else ServiceName(dict(labels).get("service", ""))

    def tier_of(self, service: ServiceName) -> int:
        """Return how critical a service is, 1 the most."""
        spec = self.services.get(service)
        return spec.tier if spec is not None else USUAL_TIER

    def service_at(self, label: str, cluster: str) -> ServiceName:
        """Return who a series' service label means in a cluster (empty: it does not say).

        The same label in another cluster is another service, called `label@cluster`.
        """
        spec = self.services.get(ServiceName(label))
        elsewhere = ServiceName(f"{label}@{cluster}")
        if elsewhere in self.services:
            return elsewhere
        if not label or not cluster or spec is None or spec.cluster in {"", cluster}:
            return ServiceName(label)
        return elsewhere

    def dependencies(self, service: ServiceName) -> tuple[ServiceName, ...]:
        """Return the services that `service` calls directly: declared, then discovered ones."""
        spec = self.services.get(service)
        declared = spec.dependencies if spec else ()
        seen = sorted(c.server for c in self.calls if c.client == service)
        return tuple(dict.fromkeys([*declared, *(s for s in seen if s in self.services)]))

    def topology(self) -> dict[ServiceName, tuple[ServiceName, ...]]:
        """Return every service with the services it calls."""
        return {name: self.dependencies(name) for name in self.services}

    def dependants(self, service: ServiceName) -> tuple[ServiceName, ...]:
        """Return who calls `service` directly, declared or seen, sorted."""
        declared = {s.name for s in self.services.values() if service in s.dependencies}
        return tuple(sorted(declared | {c.client for c in self.calls if c.server == service}))

    def service_of(self, ref: WorkloadRef) -> ServiceSpec | None:
        """Return the first of the services that an object belongs to, or None."""
        return next(iter(self.services_of(ref)), None)

    def services_of(self, ref: WorkloadRef) -> tuple[ServiceSpec, ...]:
        """Return the services that an object belongs to: those that name it.

        Where none does, those count whose workload's name it continues (a pod's, a ReplicaSet's),
        the longest name first in line: what belongs to `api-vault` is none of `api`. A
        Kubernetes Service also belongs to the service that bears its name. A workload of a cluster
        without an entry of its own counts as the one of the same name.
        """
        exact: list[tuple[bool, ServiceSpec]] = []
        begun: dict[int, list[tuple[bool, ServiceSpec]]] = {}
        for spec in self.services.values():
            for workload in spec.workloads:
                if ref.namespace != workload.namespace:
                    continue
                here = ref.cluster == workload.cluster
                if ref.name == workload.name:
                    exact.append((here, spec))
                elif ref.name.startswith(f"{workload.name}-"):
                    begun.setdefault(len(workload.name), []).append((here, spec))
            if ref.kind == "Service" and (ref.namespace, ref.name) == (spec.namespace, spec.label):
                exact.append((ref.cluster == spec.cluster, spec))
        found = exact or begun.get(max(begun, default=0), [])
        ours = [spec for here, spec in found if here] or [spec for _, spec in found]
        return tuple({spec.name: spec for spec in ours}.values())
