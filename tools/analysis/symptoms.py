"""What was observed, each piece with the evidence it came from, and the rules that read it.

Symptoms(verdicts, changes, events, patterns, traces, rules, …) --rank_causes--> Cause
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools.tracing import TraceStudy
from tools.world import Change, ClusterEvent, Direction, ServiceName, Verdict


@dataclass(frozen=True, slots=True)
class SeenVerdict:
    """A verdict and the evidence it came from; `bad_direction` as in the catalogue."""

    verdict: Verdict
    evidence: str = ""
    bad_direction: Direction = Direction.UP


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
class SeenObject:
    """What is wrong with an object and may have begun it: `weight` in (0, 1) is how surely."""

    kind: str  # the analyser that saw it
    sentence: str
    service: ServiceName  # empty: a node, a namespace, nobody's
    weight: float
    since: datetime | None = None
    remediation: tuple[str, ...] = ()
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


@dataclass(frozen=True, slots=True)
class SeenTraces:
    """What slow or failed traces of a service have in common, and the evidence."""

    study: TraceStudy
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Correlated:
    """A second metric a rule asks for; without a threshold it must be anomalous."""

    metric: str
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class SuggestedAction:
    """An action a rule suggests and what it acts on ("deployment", "pod", …)."""

    action: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of `config/rca_rules.yaml`; every part of the condition must hold."""

    id: str
    primary_metric: str
    root_cause: str
    primary_threshold: float | None = None  # in the metric's unit; None: it must be anomalous
    correlated: tuple[Correlated, ...] = ()
    events: tuple[str, ...] = ()  # event reasons, any of them
    logs: tuple[str, ...] = ()  # texts, any of them, any case
    kind: str = "unknown"
    weight: float = 0.4
    remediation: tuple[SuggestedAction, ...] = ()


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
    objects: Sequence[SeenObject] = ()
