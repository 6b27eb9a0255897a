"""What was observed, each piece with the evidence it came from, and the rules that read it.

Symptoms(verdicts, changes, events, patterns, …) --snapshot_of--> facts --explain--> Cause
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools.analysis.facts import Edge, Fact, Gap, Measured
from tools.tracing import TraceStudy
from tools.world import (
    ROLE,
    Change,
    ClusterEvent,
    Direction,
    FiringAlert,
    MetricSpec,
    ServiceName,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class SeenVerdict:
    """A verdict, the evidence it came from, and what the catalogue says of its metric."""

    verdict: Verdict
    evidence: str = ""
    spec: MetricSpec | None = None

    def is_of(self, name: str) -> bool:
        """Say whether a rule means this metric by a name: its own, or its role."""
        return name == self.verdict.metric or (self.spec is not None and name in self.spec.names)

    def is_beyond(self, name: str, threshold: float | None) -> bool:
        """Say whether a rule's part holds: abnormal, or beyond the rule's threshold.

        Beside a role the threshold is a share of each metric's own limit.
        """
        if threshold is None:
            return self.verdict.anomalous
        value = self.verdict.observed
        if name.startswith(ROLE):
            used = self.spec.share_of_limit(value) if self.spec is not None else None
            return used is not None and used >= threshold
        down = self.spec is not None and self.spec.bad_direction is Direction.DOWN
        return value <= threshold if down else value >= threshold


@dataclass(frozen=True, slots=True)
class SeenChange:
    """A change and the evidence it came from."""

    change: Change
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """A cluster event, the service its object belongs to, and the evidence."""

    event: ClusterEvent
    service: ServiceName
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert that fires, and the evidence it came from."""

    alert: FiringAlert
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class SeenPattern:
    """A log template of one service that is new or much more frequent than before."""

    service: ServiceName
    template: str
    sample: str
    count: int
    level: str = ""
    is_burst: bool = True
    evidence: str = ""
    since: datetime | None = None  # its first line


@dataclass(frozen=True, slots=True)
class SeenTraces:
    """What slow or failed traces of a service have in common, and the evidence."""

    study: TraceStudy
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Correlated:
    """A metric, or a role, that a rule asks for; without a threshold it must be anomalous."""

    metric: str
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class SuggestedAction:
    """An action a rule suggests and what it acts on ("deployment", "pod", …)."""

    action: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One root-cause rule; every part of the condition must hold."""

    id: str
    primary_metric: str
    root_cause: str
    primary_threshold: float | None = None  # see Correlated; in the metric's unit, or of its limit
    correlated: tuple[Correlated, ...] = ()
    events: tuple[str, ...] = ()  # event reasons, any of them
    logs: tuple[str, ...] = ()  # texts, any of them, any case
    kind: str = "unknown"
    weight: float = 0.4
    remediation: tuple[SuggestedAction, ...] = ()

    @property
    def asked(self) -> frozenset[str]:
        """The metrics and roles it asks for."""
        return frozenset({self.primary_metric, *(each.metric for each in self.correlated)})


@dataclass(frozen=True, slots=True)
class Symptoms:
    """Everything that was observed; `dependencies` maps a service to the services it calls."""

    verdicts: Sequence[SeenVerdict]
    changes: Sequence[SeenChange] = ()
    events: Sequence[SeenEvent] = ()
    patterns: Sequence[SeenPattern] = ()
    dependencies: Mapping[ServiceName, Sequence[ServiceName]] = field(default_factory=dict)
    rules: Sequence[Rule] = ()
    traces: Sequence[SeenTraces] = ()
    alerts: Sequence[SeenAlert] = ()
    facts: Sequence[Fact] = ()  # of objects and metrics, as their tools made them
    edges: Sequence[Edge] = ()
    gaps: Sequence[Gap] = ()
    measured: Sequence[Measured] = ()
