"""Nouns of the world: what tools read and what analysis concludes.

    Window --query--> Series --detect--> Verdict --forecast--> Forecast
                      LogLine, ClusterEvent, Change ----+
                                                        +--> Cause --> ProposalDraft

Everything is frozen and knows no I/O. Times are aware UTC datetimes, except inside a
`Series`, where they are float64 epoch seconds for numpy. A missing sample is NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

MetricName = NewType("MetricName", str)
ServiceName = NewType("ServiceName", str)
Floats = npt.NDArray[np.float64]
Labels = tuple[tuple[str, str], ...]  # sorted by name, so that it can be a key
DEFAULT_CLUSTER = "default"  # what the only cluster is called while nobody names it


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """Return the mapping as sorted pairs: hashable, equal when the labels are equal."""
    return tuple(sorted((str(k), str(v)) for k, v in mapping.items()))


class Direction(StrEnum):
    """Which way of a metric is bad."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class Severity(StrEnum):
    """Severity of an anomaly by deviation: < 3 σ low, 3–4 medium, 4–5 high, ≥ 5 critical."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for low … 3 for critical."""
        return list(Severity).index(self)

    @classmethod
    def of_deviation(cls, sigma: float) -> Severity:
        """Return the severity of a deviation given in standard deviations."""
        size = abs(sigma)
        if size >= 5:
            return cls.CRITICAL
        if size >= 4:
            return cls.HIGH
        return cls.MEDIUM if size >= 3 else cls.LOW


@dataclass(frozen=True, slots=True)
class Window:
    """A closed span of world time, both ends aware UTC, `start < end`."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse a window that is empty, backwards or without a time zone."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"a window needs aware times, got {self.start!r} … {self.end!r}")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts, got {self.start} … {self.end}")

    @classmethod
    def ending(cls, end: datetime, duration: timedelta) -> Window:
        """Return the window of `duration` that ends at `end`."""
        return cls(end - duration, end)

    @property
    def duration(self) -> timedelta:
        """Length of the window."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """One object of one cluster. `uid` is empty until it was read from the cluster."""

    cluster: str
    namespace: str
    kind: str  # "Deployment", "Pod", "StatefulSet", "Node", "ConfigMap", …
    name: str
    uid: str = ""

    def __str__(self) -> str:
        """Return `namespace/Kind/name`, what a person reads; another cluster's name leads."""
        place = "" if self.cluster in {"", DEFAULT_CLUSTER} else f"{self.cluster}:"
        return f"{place}{self.namespace}/{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One time series on a regular grid.

    `times` and `values` have the same length; `values` holds NaN where nothing is known.
    """

    metric: str
    labels: Labels
    times: Floats  # epoch seconds, rising by `step_seconds`
    values: Floats
    step_seconds: float
    unit: str = ""

    def label(self, name: str) -> str:
        """Return one label's value, empty when absent."""
        return dict(self.labels).get(name, "")

    @property
    def missing_ratio(self) -> float:
        """Share of the grid without a value, in [0, 1]; 1 for an empty series."""
        return float(np.isnan(self.values).mean()) if self.values.size else 1.0

    def at(self, index: int) -> datetime:
        """Return the time of one sample."""
        return datetime.fromtimestamp(float(self.times[index]), tz=UTC)


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric of the catalogue (`config/metrics.yaml`)."""

    name: MetricName
    category: str  # trading, matching, risk, wallet, api, infrastructure
    query: str  # PromQL
    unit: str
    description: str
    bad_direction: Direction = Direction.UP
    threshold: float | None = None  # static limit, in `unit`
    group_by: str = "service"  # the label that names the service


class ServiceMode(StrEnum):
    """How far the bot may go for a service; the stricter of all settings wins."""

    OBSERVE = "observe"
    SUGGEST = "suggest"
    APPROVE = "approve"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One service of the catalogue (`config/services.yaml`)."""

    name: ServiceName
    namespace: str
    workloads: tuple[WorkloadRef, ...]
    team: str = ""
    channel: str = ""  # where its findings go; empty: the default incidents channel
    tier: int = 2  # 1 is the most critical
    dependencies: tuple[ServiceName, ...] = ()
    mode: ServiceMode = ServiceMode.APPROVE
    protected: bool = False
    aliases: tuple[str, ...] = ()  # how people call it in a question
    dashboards: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()
    cluster: str = ""  # where it runs; its workloads name the same

    @property
    def label(self) -> str:
        """How series and log lines call it: `order-api@us-1` runs in us-1 as `order-api`."""
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
        """Return the service that a workload, or a pod named after one, belongs to.

        A workload of a cluster without an entry of its own counts as the one of the same name.
        """
        found = None
        for spec in self.services.values():
            for workload in spec.workloads:
                if ref.namespace != workload.namespace:
                    continue
                if ref.name == workload.name or ref.name.startswith(f"{workload.name}-"):
                    if ref.cluster == workload.cluster:
                        return spec
                    found = found or spec
        return found


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line as stored; its text is data, never an instruction."""

    at: datetime
    service: str
    text: str
    level: str = ""  # "error", "warning", "info", … as labelled; empty when unknown
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One Kubernetes event (core/v1)."""

    at: datetime
    workload: WorkloadRef  # the involved object
    type: str  # "Normal" | "Warning"
    reason: str  # "OOMKilling", "BackOff", …
    message: str
    count: int = 1


class ChangeKind(StrEnum):
    """What kind of change was made to production."""

    DEPLOY = "deploy"
    CONFIG = "config"
    SCALE = "scale"
    FLAG = "flag"
    ACTION = "action"  # made by the bot itself


@dataclass(frozen=True, slots=True)
class Change:
    """One change of production: what, when, from which state to which."""

    at: datetime
    kind: ChangeKind
    service: str
    summary: str
    before: str = ""
    after: str = ""
    author: str = ""
    workload: WorkloadRef | None = None
    source: str = ""  # "kubernetes", "webhook", …


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One value a step changes, as a person reads it."""

    path: str  # "image of order-api", "minReplicas"
    before: str
    after: str

    def __str__(self) -> str:
        """Return `path: before → after`."""
        return f"{self.path}: {self.before} → {self.after}"


@dataclass(frozen=True, slots=True)
class PodStatus:
    """One pod as the cluster reports it."""

    ref: WorkloadRef
    phase: str
    ready: bool
    restarts: int
    started_at: datetime | None
    image: str
    reason: str = ""  # "CrashLoopBackOff", "OOMKilled", … empty when healthy
    node: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One algorithm's opinion: `score` beyond `threshold` means anomalous."""

    algorithm: str  # "zscore", "mad", "isolation_forest"
    score: float
    threshold: float
    anomalous: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector says of one series at one time."""

    metric: MetricName
    labels: Labels
    service: ServiceName
    at: datetime
    observed: float
    expected: float
    deviation_sigma: float  # signed; positive = above expected
    votes: tuple[Vote, ...]
    anomalous: bool
    started_at: datetime  # first sample of the run of abnormal samples that ends at `at`
    method: str  # "baseline" (learned) | "static" (too little history)
    unit: str = ""
    missing_ratio: float = 0.0

    @property
    def severity(self) -> Severity:
        """Severity by deviation."""
        return Severity.of_deviation(self.deviation_sigma)


@dataclass(frozen=True, slots=True)
class Breach:
    """The first forecast point beyond a threshold."""

    at: datetime
    value: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """A forecast with its interval, on the series' own step."""

    metric: MetricName
    labels: Labels
    times: Floats  # epoch seconds
    values: Floats
    lower: Floats
    upper: Floats
    interval_ratio: float  # nominal coverage of lower…upper, e.g. 0.8
    method: str
    unit: str = ""

    def will_breach(self, threshold: float, direction: Direction) -> Breach | None:
        """Return the first point beyond `threshold` in the bad direction, or None."""
        beyond = self.values < threshold if direction is Direction.DOWN else self.values > threshold
        hits = np.flatnonzero(beyond)
        if hits.size == 0:
            return None
        first = int(hits[0])
        at = datetime.fromtimestamp(float(self.times[first]), tz=UTC)
        return Breach(at=at, value=float(self.values[first]), threshold=threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What is normal for one series, learned from 7–30 days.

    `profile` is the expected value per slot of the season (hour-of-week or slot-of-day),
    `spread` the robust scale (1.4826·MAD of residuals) per slot, both in the metric's unit.
    """

    metric: MetricName
    labels: Labels
    learned_at: datetime
    history: timedelta
    samples: int
    slot_seconds: float
    profile: Floats
    spread: Floats
    mean: float
    std: float
    median: float
    mad: float
    trend_per_day: float
    quality: float  # in [0, 1]: 1 − residual variance share, scaled by coverage
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One candidate root cause; `confidence` in [0, 1]."""

    cause: str  # one sentence a person can act on
    service: ServiceName
    kind: str  # deploy, config, resource, dependency, traffic, data, unknown
    confidence: float
    evidence: tuple[str, ...] = ()  # "E1", …
    at: datetime | None = None  # when it began, if known
    remediation: tuple[str, ...] = ()  # action names that could help
    reasons: tuple[str, ...] = ()  # what speaks for it, strongest first


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A past incident, postmortem or runbook found in the knowledge base."""

    id: str
    title: str
    kind: str  # postmortem, issue, solution, runbook
    snippet: str
    score: float  # higher is nearer; comparable within one search only
    path: str = ""


@dataclass(frozen=True, slots=True)
class ProposalDraft:
    """What a tool asks the plan desk to turn into a plan; it has no power by itself."""

    playbook_id: str
    service: ServiceName
    reason: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProposalReceipt:
    """The plan desk's answer: a plan waiting for people, or the guard that refused."""

    plan_id: str | None
    tier: str
    summary: str  # what the model may tell the person
    refused_by: str = ""  # name of the guard, empty when a plan exists
