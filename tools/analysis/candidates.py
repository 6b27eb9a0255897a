"""Candidates for a root cause while they are ranked, and the scene they are judged in.

symptoms --scene_of--> Scene: what is abnormal, since when, and how much of it is its own
Candidate --add clues--> weights --noisy or--> Cause
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools.analysis.symptoms import SeenVerdict, Symptoms
from tools.world import Cause, ServiceName

EXPLAINED_SHARE = 0.85  # how much of a caller an equally abnormal callee explains
SIGMA_SCALE = 6.0  # σ at which a verdict has 63 % of full strength
MAX_CONFIDENCE = 0.97
PROVED_FROM = 0.75  # what clues of different kinds must come to
OBSERVERS = 2  # pieces of evidence, each of another tool


@dataclass(slots=True)
class Candidate:
    """A cause under construction. Mutable on purpose: it lives only inside one ranking."""

    sentence: str
    service: ServiceName
    kind: str
    at: datetime | None = None
    weights: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    remediation: list[str] = field(default_factory=list)
    stated: bool = False  # an object's own state says it

    def add(self, weight: float, reason: str = "", evidence: Sequence[str] = ()) -> None:
        self.weights.append(min(max(weight, 0.0), 0.99))
        if reason and reason not in self.reasons:
            self.reasons.append(reason)
        self.evidence += [e for e in dict.fromkeys(evidence) if e and e not in self.evidence]

    def frozen(self) -> Cause:
        doubt = math.prod(1 - weight for weight in self.weights)
        return Cause(
            cause=self.sentence,
            service=self.service,
            kind=self.kind,
            confidence=round(min(1 - doubt, MAX_CONFIDENCE), 3),
            evidence=tuple(self.evidence),
            at=self.at,
            remediation=tuple(dict.fromkeys(self.remediation)),
            reasons=tuple(self.reasons),
            proved=self.stated or (1 - doubt >= PROVED_FROM and len(self.evidence) >= OBSERVERS),
        )


Candidates = dict[tuple[str, str, str], Candidate]  # by service, kind and what tells two apart


@dataclass(frozen=True, slots=True)
class Scene:
    """The symptoms with what follows from them."""

    symptoms: Symptoms
    abnormal: Mapping[ServiceName, tuple[SeenVerdict, ...]]  # strongest first
    own: Mapping[ServiceName, float]  # strength not explained by callees, in [0, 1]
    onset: Mapping[ServiceName, datetime]


def scene_of(symptoms: Symptoms) -> Scene:
    """Return what is abnormal, since when, and how much of it no abnormal callee explains."""
    by_service: dict[ServiceName, list[SeenVerdict]] = {}
    for seen in symptoms.verdicts:
        if seen.verdict.anomalous:
            by_service.setdefault(seen.verdict.service, []).append(seen)
    abnormal = {
        service: tuple(sorted(found, key=lambda s: -strength(s)))
        for service, found in by_service.items()
    }
    onset = {
        service: min(seen.verdict.started_at for seen in found)
        for service, found in abnormal.items()
    }
    own: dict[ServiceName, float] = {}
    for service, found in abnormal.items():
        # The square root of the count: three abnormal metrics say more than one, not thrice.
        total = 1 - (1 - strength(found[0])) ** math.sqrt(len(found))
        callees = callees_of(symptoms.dependencies, service)
        explained = max((strength(abnormal[c][0]) for c in callees if c in abnormal), default=0.0)
        own[service] = max(total - EXPLAINED_SHARE * explained, 0.03)
    return Scene(symptoms, abnormal, own, onset)


def strength(seen: SeenVerdict) -> float:
    """Return how abnormal a verdict is in its bad direction, in [0, 1)."""
    if not seen.verdict.anomalous:
        return 0.0
    return 1 - math.exp(-max(abs(seen.verdict.deviation_sigma), 3.0) / SIGMA_SCALE)


def callees_of(
    graph: Mapping[ServiceName, Sequence[ServiceName]], service: ServiceName
) -> tuple[ServiceName, ...]:
    """Return everything a service calls, directly or not, nearest first; cycles are harmless."""
    found: dict[ServiceName, None] = {}
    front = list(graph.get(service, ()))
    while front:
        name = front.pop(0)
        if name == service or name in found:
            continue
        found[name] = None
        front += graph.get(name, ())
    return tuple(found)


def affected_by(scene: Scene, service: ServiceName) -> list[ServiceName]:
    """Return abnormal services a change of `service` could have hurt: itself and its callers."""
    graph = scene.symptoms.dependencies
    return sorted(
        (name for name in scene.abnormal if name == service or service in callees_of(graph, name)),
        key=lambda name: (name != service, -scene.own[name], name),
    )
