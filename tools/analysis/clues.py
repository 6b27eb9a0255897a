"""What speaks for a candidate: changes, events, rules, log bursts, traces, the verdicts themselves.

Each function reads one kind of symptom and adds clues to candidates, or makes new ones. Texts of
logs and events are data here: they are matched, never followed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta

import re2

from foundation.encodings import writable
from tools.analysis.candidates import (
    Candidate,
    Candidates,
    Scene,
    affected_by,
    callees_of,
    strength,
)
from tools.analysis.patterns import BAD_LEVELS, QUIET_LEVELS
from tools.analysis.symptoms import (
    Correlated,
    Rule,
    SeenChange,
    SeenEvent,
    SeenObject,
    Symptoms,
)
from tools.units import format_value
from tools.world import ROLE, Change, ChangeKind, ServiceName, Verdict

CHANGE_LOOKBACK = timedelta(hours=3)
CHANGE_TOLERANCE = timedelta(minutes=3)  # a change may be recorded a little after its effect
APART = 0.4  # what is left of an object's word about services that do not depend on it
TRIGGER_WITHIN = timedelta(minutes=15)  # a change so long before an object went wrong is behind it
CHANGE_HALF_LIFE_SECONDS = 45 * 60.0
MEMORY, AVAILABILITY = f"{ROLE}saturation:memory", f"{ROLE}availability"  # what kills show in
HOT_SHARE = 0.5  # of the slowest traces' time in one operation: from here on it says something
HOT_WEIGHT, HOT_CLUE = 0.4, 0.12  # for a callee that nothing else speaks about; for a known one
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
_VERSION = re2.compile(r"\d+(?:\.\d+){1,3}(?:[-+][\w.]+)?")


def from_changes(scene: Scene, candidates: Candidates) -> None:
    """Make a candidate of each change shortly before the onset of what it could have hurt."""
    for seen in scene.symptoms.changes:
        change, service = seen.change, ServiceName(seen.change.service)
        affected = affected_by(scene, service)
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
        candidate = Candidate(
            _change_sentence(change),
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


def _change_sentence(change: Change) -> str:
    move = f" ({change.before} → {change.after})" if change.before and change.after else ""
    said = "" if move else f": {change.summary}"
    return (
        f"{change.kind.value.capitalize()} of {change.service}{move} at {change.at:%H:%M} UTC{said}"
    )


def from_events(scene: Scene, candidates: Candidates) -> None:
    """Make a candidate of what fatal events say about a service."""
    for seen in scene.symptoms.events:
        known = BAD_EVENTS.get(seen.event.reason)
        if known is None or not is_fatal(seen):
            continue
        what, weight, remedies = known
        key = (seen.service, "resource", what)
        candidate = candidates.get(key)
        times = f"{seen.event.count}×" if seen.event.count > 1 else ""
        reason = f"event {seen.event.reason} {times}on {seen.event.workload.name}".replace(
            "  ", " "
        )
        if candidate is None:
            candidate = Candidate(
                f"{seen.service} {what}",
                seen.service,
                "resource",
                at=seen.event.began,
                remediation=list(remedies),
            )
            candidates[key] = candidate
            related = scene.abnormal.get(seen.service, ())
            candidate.add(weight * (1.0 if related or not scene.abnormal else 0.5))
            for verdict in related[:2]:
                close = verdict.is_of(MEMORY) or verdict.is_of(AVAILABILITY)
                candidate.add(
                    (0.4 if close else 0.15) * strength(verdict),
                    f"{verdict.verdict.metric} {_sigma(verdict.verdict)}",
                    (verdict.evidence,),
                )
        candidate.add(0.02, reason, (seen.evidence,))
        candidate.at = min(candidate.at or seen.event.began, seen.event.began)


def from_objects(scene: Scene, candidates: Candidates) -> None:
    """Make a candidate of what an object says is wrong with it; a change before it is its trigger.

    It says more than the event that came with it, so it takes that candidate's place.
    """
    for seen in scene.symptoms.objects:
        for key in [k for k in candidates if k[:2] == (seen.service, "resource")]:
            del candidates[key]
        weight = seen.weight
        if not _reaches(scene, seen):
            weight *= APART  # it is wrong, and nothing says that what is abnormal comes from it
        change = _trigger(scene, seen)
        candidate = None if change is None else _of_change(candidates, change)
        if candidate is None:
            candidate = Candidate(
                seen.sentence, seen.service, "object", at=seen.since,
                remediation=list(seen.remediation),
            )  # fmt: skip
            candidates[seen.service, "object", seen.kind] = candidate
            candidate.add(weight, "", (seen.evidence,))
            candidate.stated = weight == seen.weight
        else:
            candidate.add(weight, seen.sentence, (seen.evidence,))


def _reaches(scene: Scene, seen: SeenObject) -> bool:
    """Say whether something abnormal is the object's service or calls it, or nothing is."""
    return not scene.abnormal or any(affected_by(scene, each) for each in seen.services)


def _trigger(scene: Scene, seen: SeenObject) -> SeenChange | None:
    """Return the last change of the same service shortly before an object began to be wrong."""
    if seen.since is None or not seen.service:
        return None
    near = [
        each
        for each in scene.symptoms.changes
        if each.change.service == seen.service
        and -CHANGE_TOLERANCE <= seen.since - each.change.at <= TRIGGER_WITHIN
    ]
    return max(near, key=lambda each: each.change.at, default=None)


def _of_change(candidates: Candidates, seen: SeenChange) -> Candidate:
    """Return the candidate of a change, made when no metric had made it."""
    change, service = seen.change, ServiceName(seen.change.service)
    key = (service, change.kind.value, f"{change.at.isoformat()} {change.summary}")
    if key not in candidates:
        candidates[key] = Candidate(
            _change_sentence(change), service, change.kind.value, at=change.at,
            remediation=list(CHANGE_REMEDIES.get(change.kind, ())),
        )  # fmt: skip
        candidates[key].add(0.0, "", (seen.evidence,))
    return candidates[key]


def is_fatal(seen: SeenEvent) -> bool:
    """Say whether an event alone is trouble."""
    # Kubernetes reports an OOM kill of a container as Warning on some versions, Normal on others.
    return seen.event.reason in BAD_EVENTS and (
        seen.event.type == "Warning" or "OOM" in seen.event.reason
    )


def from_rules(scene: Scene, candidates: Candidates) -> None:
    """Strengthen, or make, the candidate that a rule whose condition holds names."""
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
                fresh = Candidate(
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
            and seen.is_of(part.metric)
            and seen.is_beyond(part.metric, part.threshold)
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


def from_patterns(scene: Scene, candidates: Candidates) -> None:
    """Log bursts strengthen candidates of their service, and the change whose version they name."""
    for seen in scene.symptoms.patterns:
        if not seen.is_burst or seen.level.lower() in QUIET_LEVELS:
            continue
        quoted = f"{seen.count} log lines like “{_short(seen.template)}”"
        versions = set(_VERSION.findall(writable(seen.sample)))
        for (service, kind, _), candidate in list(candidates.items()):
            if seen.service == service:
                candidate.add(0.12, quoted, (seen.evidence,))
            elif service in callees_of(scene.symptoms.dependencies, seen.service) and _names(
                seen.sample, service
            ):
                candidate.add(0.12, f"{seen.service} complains of it: {quoted}", (seen.evidence,))
            after = set(_VERSION.findall(writable(candidate.sentence)))
            if kind == ChangeKind.DEPLOY and seen.service == service and versions & after:
                named = ", ".join(sorted(versions & after))
                candidate.add(0.35, f"the lines name version {named}", (seen.evidence,))


def from_traces(scene: Scene, candidates: Candidates) -> None:
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
            fresh = Candidate(
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


def from_verdicts(scene: Scene, candidates: Candidates) -> None:
    """Say where the trouble starts for services nothing else speaks about."""
    spoken = {service for (service, _, _), c in candidates.items() if max(c.weights) >= 0.2}
    for service, found in scene.abnormal.items():
        if service in spoken:
            continue
        verdict = found[0].verdict
        blamed = [
            c for c in callees_of(scene.symptoms.dependencies, service) if c in scene.abnormal
        ]
        if blamed and scene.own[service] < 0.3:
            continue  # a caller that only suffers is not a cause
        candidate = Candidate(
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
