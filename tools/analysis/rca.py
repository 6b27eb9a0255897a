"""Candidate root causes of what is abnormal, ranked, each with the evidence that speaks for it.

    anomalous verdicts --per service--> own strength (what abnormal callees do not explain)
    changes before onset, bad events, log bursts, matching rules --> clues for (service, kind)
    clues of one candidate --noisy or--> confidence --> list[Cause], best first

A *clue* is one weight in (0, 1) with a reason and the evidence id the caller gave. Nothing abnormal
means no cause: the list is empty, however many changes there were. Texts of logs and events are
data here: they are matched, never followed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tools.analysis.patterns import BAD_LEVELS
from tools.analysis.symptoms import (
    Correlated,
    Remedy,
    Rule,
    SeenChange,
    SeenEvent,
    SeenPattern,
    SeenTraces,
    SeenVerdict,
    Symptoms,
)
from tools.units import format_value
from tools.world import Cause, ChangeKind, Direction, ServiceName, Verdict

__all__ = [
    "Correlated",
    "Remedy",
    "Rule",
    "SeenChange",
    "SeenEvent",
    "SeenPattern",
    "SeenTraces",
    "SeenVerdict",
    "Symptoms",
    "rank_causes",
    "strength",
]

CHANGE_LOOKBACK = timedelta(hours=3)
CHANGE_TOLERANCE = timedelta(minutes=3)  # a change may be recorded a little after its effect
CHANGE_HALF_LIFE_SECONDS = 45 * 60.0
EXPLAINED_SHARE = 0.85  # how much of a caller an equally abnormal callee explains
SIGMA_SCALE = 6.0  # σ at which a verdict has 63 % of full strength
HOT_SHARE = 0.5  # of the slowest traces' time in one operation: from here on it says something
HOT_WEIGHT, HOT_CLUE = 0.4, 0.12  # for a callee that nothing else speaks about; for a known one
MAX_CONFIDENCE = 0.97
MIN_CONFIDENCE = 0.05
CHANGE_WEIGHTS: Mapping[ChangeKind, float] = {
    ChangeKind.DEPLOY: 0.72,
    ChangeKind.CONFIG: 0.68,
    ChangeKind.FLAG: 0.6,
    ChangeKind.SCALE: 0.35,
    ChangeKind.ACTION: 0.25,
}
CHANGE_REMEDIES: Mapping[ChangeKind, tuple[str, ...]] = {
    ChangeKind.DEPLOY: ("deployment_rollback",),
    ChangeKind.CONFIG: ("config_rollback",),
    ChangeKind.SCALE: ("hpa_scale",),
}
BAD_EVENTS: Mapping[str, tuple[str, float, tuple[str, ...]]] = {
    "OOMKilling": ("is killed for using more memory than its limit", 0.7, ("pod_restart",)),
    "OOMKilled": ("is killed for using more memory than its limit", 0.7, ("pod_restart",)),
    "SystemOOM": ("runs on a node that is out of memory", 0.6, ("drain",)),
    "BackOff": ("crashes again and again after its start", 0.5, ("deployment_rollback",)),
    "CrashLoopBackOff": ("crashes again and again after its start", 0.55, ("deployment_rollback",)),
    "Evicted": ("was evicted from its node", 0.5, ()),
    "FailedScheduling": ("has pods that no node can take", 0.45, ()),
    "NodeNotReady": ("runs on a node that is not ready", 0.6, ("drain",)),
    "FailedMount": ("has pods that cannot mount a volume", 0.5, ()),
    "ErrImagePull": ("has pods whose image cannot be pulled", 0.55, ("deployment_rollback",)),
    "ImagePullBackOff": ("has pods whose image cannot be pulled", 0.55, ("deployment_rollback",)),
}
_VERSION = re.compile(r"\d+(?:\.\d+){1,3}(?:[-+][\w.]+)?")


@dataclass(slots=True)
class _Candidate:
    """A cause under construction. Mutable on purpose: it lives only inside one ranking."""

    sentence: str
    service: ServiceName
    kind: str
    at: datetime | None = None
    weights: list[float] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    remediation: list[str] = field(default_factory=list)

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
        )


@dataclass(frozen=True, slots=True)
class _Scene:
    """The symptoms with what follows from them."""

    symptoms: Symptoms
    abnormal: Mapping[ServiceName, tuple[SeenVerdict, ...]]  # strongest first
    own: Mapping[ServiceName, float]  # strength not explained by callees, in [0, 1]
    onset: Mapping[ServiceName, datetime]


def rank_causes(symptoms: Symptoms, *, limit: int = 5) -> list[Cause]:
    """Return causes, most likely first; empty when neither a verdict nor an event is bad."""
    scene = _scene(symptoms)
    critical = [e for e in symptoms.events if _is_fatal(e)]
    if not scene.abnormal and not critical:
        return []
    candidates: dict[tuple[str, str, str], _Candidate] = {}
    _from_changes(scene, candidates)
    _from_events(scene, candidates)
    _from_rules(scene, candidates)
    _from_patterns(scene, candidates)
    _from_traces(scene, candidates)
    _from_verdicts(scene, candidates)
    causes = [candidate.frozen() for candidate in candidates.values()]
    kept = [cause for cause in causes if cause.confidence >= MIN_CONFIDENCE]
    return sorted(kept, key=lambda c: (-c.confidence, c.service, c.kind, c.cause))[:limit]


def strength(seen: SeenVerdict) -> float:
    """Return how abnormal a verdict is in its bad direction, in [0, 1)."""
    if not seen.verdict.anomalous:
        return 0.0
    return 1 - math.exp(-max(abs(seen.verdict.deviation_sigma), 3.0) / SIGMA_SCALE)


def _scene(symptoms: Symptoms) -> _Scene:
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
        callees = _callees(symptoms.dependencies, service)
        explained = max((strength(abnormal[c][0]) for c in callees if c in abnormal), default=0.0)
        own[service] = max(total - EXPLAINED_SHARE * explained, 0.03)
    return _Scene(symptoms, abnormal, own, onset)


def _callees(
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


def _from_changes(scene: _Scene, candidates: dict[tuple[str, str, str], _Candidate]) -> None:
    for seen in scene.symptoms.changes:
        change, service = seen.change, ServiceName(seen.change.service)
        affected = _affected_by(scene, service)
        if not affected:
            continue
        onset = min(scene.onset[name] for name in affected)
        lead = onset - change.at
        if lead < -CHANGE_TOLERANCE or lead > CHANGE_LOOKBACK:
            continue
        nearness = 0.5 ** (max(lead.total_seconds(), 0.0) / CHANGE_HALF_LIFE_SECONDS)
        # A change of a service that is itself well explains its callers' trouble only weakly.
        fit = 0.4 + 0.6 * scene.own[service] if service in scene.abnormal else 0.35
        first = scene.abnormal[service if service in scene.abnormal else affected[0]][0]
        move = f" ({change.before} → {change.after})" if change.before and change.after else ""
        candidate = _Candidate(
            f"{change.kind.value.capitalize()} of {service}{move} at {change.at:%H:%M} UTC"
            + ("" if move else f": {change.summary}"),
            service,
            change.kind.value,
            at=change.at,
            remediation=list(CHANGE_REMEDIES.get(change.kind, ())),
        )
        verdict = first.verdict
        candidate.add(
            CHANGE_WEIGHTS[change.kind] * nearness * fit,
            f"{_span(lead)} {verdict.service} {verdict.metric} left its normal range, "
            f"{_sigma(verdict)}",
            (seen.evidence, first.evidence),
        )
        explained = [name for name in affected if name != service]
        if service in scene.abnormal and explained:
            candidate.add(
                min(0.1 * len(explained), 0.25),
                f"its callers suffer too: {', '.join(explained)}",
                [scene.abnormal[name][0].evidence for name in explained],
            )
        candidates[service, change.kind.value, f"{change.at.isoformat()} {change.summary}"] = (
            candidate
        )


def _affected_by(scene: _Scene, service: ServiceName) -> list[ServiceName]:
    """Return abnormal services a change of `service` could have hurt: itself and its callers."""
    graph = scene.symptoms.dependencies
    return sorted(
        (name for name in scene.abnormal if name == service or service in _callees(graph, name)),
        key=lambda name: (name != service, -scene.own[name], name),
    )


def _from_events(scene: _Scene, candidates: dict[tuple[str, str, str], _Candidate]) -> None:
    for seen in scene.symptoms.events:
        known = BAD_EVENTS.get(seen.event.reason)
        if known is None or not _is_fatal(seen):
            continue
        what, weight, remedies = known
        key = (seen.service, "resource", what)
        candidate = candidates.get(key)
        times = f"{seen.event.count}×" if seen.event.count > 1 else ""
        reason = f"event {seen.event.reason} {times}on {seen.event.workload.name}".replace(
            "  ", " "
        )
        if candidate is None:
            candidate = _Candidate(
                f"{seen.service} {what}",
                seen.service,
                "resource",
                at=seen.event.at,
                remediation=list(remedies),
            )
            candidates[key] = candidate
            related = scene.abnormal.get(seen.service, ())
            candidate.add(weight * (1.0 if related or not scene.abnormal else 0.5))
            for verdict in related[:2]:
                memory = "memory" in verdict.verdict.metric or "restart" in verdict.verdict.metric
                candidate.add(
                    (0.4 if memory else 0.15) * strength(verdict),
                    f"{verdict.verdict.metric} {_sigma(verdict.verdict)}",
                    (verdict.evidence,),
                )
        candidate.add(0.02, reason, (seen.evidence,))
        candidate.at = min(candidate.at or seen.event.at, seen.event.at)


def _is_fatal(seen: SeenEvent) -> bool:
    # Kubernetes reports an OOM kill of a container as Warning on some versions, Normal on others.
    return seen.event.reason in BAD_EVENTS and (
        seen.event.type == "Warning" or "OOM" in seen.event.reason
    )


def _from_rules(scene: _Scene, candidates: dict[tuple[str, str, str], _Candidate]) -> None:
    for rule in scene.symptoms.rules:
        for service in scene.abnormal:
            matched = _match(rule, service, scene.symptoms)
            if matched is None:
                continue
            weight = rule.weight * (0.3 + 0.7 * scene.own[service])
            remedies = [remedy.action for remedy in rule.remediation]
            same = [c for (s, k, _), c in candidates.items() if s == service and k == rule.kind]
            if not same:
                verdict = scene.abnormal[service][0].verdict
                fresh = _Candidate(
                    f"{service}: {rule.root_cause}",
                    service,
                    rule.kind,
                    at=verdict.started_at,
                    remediation=remedies,
                )
                candidates[service, rule.kind, rule.id] = fresh
                same = [fresh]
            for candidate in same:
                candidate.add(weight, f"rule {rule.id}: {rule.root_cause}", matched)
                candidate.remediation += remedies


def _match(rule: Rule, service: ServiceName, symptoms: Symptoms) -> list[str] | None:
    """Return the evidence that fulfils the rule for a service, or None."""
    evidence: list[str] = []
    asked = (Correlated(rule.primary_metric, rule.primary_threshold), *rule.correlated)
    for part in asked:
        hits = [
            seen
            for seen in symptoms.verdicts
            if seen.verdict.service == service
            and seen.verdict.metric == part.metric
            and _is_beyond(seen, part.threshold)
        ]
        if not hits:
            return None
        evidence += [hit.evidence for hit in hits]
    if rule.events:
        events = [
            seen
            for seen in symptoms.events
            if seen.service == service and seen.event.reason in rule.events
        ]
        if not events:
            return None
        evidence += [seen.evidence for seen in events]
    if rule.logs:
        lines = [
            seen
            for seen in symptoms.patterns
            if seen.service == service
            and any(text.lower() in seen.sample.lower() for text in rule.logs)
        ]
        if not lines:
            return None
        evidence += [seen.evidence for seen in lines]
    return list(dict.fromkeys(e for e in evidence if e))


def _is_beyond(seen: SeenVerdict, threshold: float | None) -> bool:
    if threshold is None:
        return seen.verdict.anomalous
    if seen.bad_direction is Direction.DOWN:
        return seen.verdict.observed <= threshold
    return seen.verdict.observed >= threshold


def _from_patterns(scene: _Scene, candidates: dict[tuple[str, str, str], _Candidate]) -> None:
    """Log bursts strengthen candidates of their service, and the change whose version they name."""
    for seen in scene.symptoms.patterns:
        if not seen.is_burst or (seen.level and seen.level.lower() not in BAD_LEVELS):
            continue
        quoted = f"{seen.count} log lines like “{_short(seen.template)}”"
        versions = set(_VERSION.findall(seen.sample))
        for (service, kind, _), candidate in list(candidates.items()):
            if seen.service == service:
                candidate.add(0.12, quoted, (seen.evidence,))
            elif service in _callees(scene.symptoms.dependencies, seen.service) and _names(
                seen.sample, service
            ):
                candidate.add(0.12, f"{seen.service} complains of it: {quoted}", (seen.evidence,))
            after = set(_VERSION.findall(candidate.sentence))
            if kind == ChangeKind.DEPLOY and seen.service == service and versions & after:
                named = ", ".join(sorted(versions & after))
                candidate.add(0.35, f"the lines name version {named}", (seen.evidence,))


def _from_traces(scene: _Scene, candidates: dict[tuple[str, str, str], _Candidate]) -> None:
    """Time that one operation holds speaks for its service, and blames a callee nobody named."""
    for seen in scene.symptoms.traces:
        study = seen.study
        if not study.hot_spots or study.service not in scene.abnormal:
            continue
        hot = study.hot_spots[0]
        if hot.share < HOT_SHARE:
            continue
        reason = (
            f"{hot.share * 100:.0f} % of the time of the slowest traces of {study.service} is "
            f"{hot.service}'s own work in “{_short(hot.name)}”"
        )
        same = [c for (service, _, _), c in candidates.items() if service == hot.service]
        if not same and hot.service != study.service:
            fresh = _Candidate(
                f"{hot.service} holds up {study.service} in “{_short(hot.name)}”",
                hot.service,
                "dependency",
                at=scene.onset[study.service],
            )
            candidates[hot.service, "dependency", hot.name] = fresh
            fresh.add(HOT_WEIGHT * hot.share)
            same = [fresh]
        for candidate in same:
            candidate.add(HOT_CLUE, reason, (seen.evidence,))


def _names(text: str, service: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(service)}(?![\w-])", text) is not None


def _from_verdicts(scene: _Scene, candidates: dict[tuple[str, str, str], _Candidate]) -> None:
    """Say where the trouble starts for services nothing else speaks about."""
    spoken = {service for (service, _, _), c in candidates.items() if max(c.weights) >= 0.2}
    for service, found in scene.abnormal.items():
        if service in spoken:
            continue
        verdict = found[0].verdict
        blamed = [c for c in _callees(scene.symptoms.dependencies, service) if c in scene.abnormal]
        if blamed and scene.own[service] < 0.3:
            continue  # a caller that only suffers is not a cause
        candidate = _Candidate(
            f"{service} is abnormal by itself; no change, event or rule explains it",
            service,
            "unknown",
            at=verdict.started_at,
            reasons=[f"{verdict.metric} {_sigma(verdict)}"],
        )
        candidate.add(0.4 * scene.own[service], evidence=[seen.evidence for seen in found])
        for seen in scene.symptoms.patterns:
            if seen.is_burst and seen.service == service and seen.level.lower() in BAD_LEVELS:
                candidate.add(
                    0.08, f"{seen.count} log lines like “{_short(seen.template)}”", (seen.evidence,)
                )
        candidates[service, "unknown", ""] = candidate


def _short(text: str, length: int = 90) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _sigma(verdict: Verdict) -> str:
    observed = format_value(verdict.observed, verdict.unit)
    usual = format_value(verdict.expected, verdict.unit)
    return f"{observed}, expected {usual} ({verdict.deviation_sigma:+.1f} σ)"


def _span(lead: timedelta) -> str:
    minutes = lead.total_seconds() / 60
    if minutes < 1:
        return "at the same minute"
    return f"{minutes:.0f} min later" if minutes < 90 else f"{minutes / 60:.1f} h later"
