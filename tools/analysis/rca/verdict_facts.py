"""What a detector's verdicts say as facts: unusual series by role, and what was measured as usual.

SeenVerdict ──role──> start  slowness and errors that no callee explains, a crossed limit, a surge
                      carry  what fills, lags, is throttled
                      show   slowness that a callee explains, availability, business, unknown
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from tools.analysis.facts import Fact, Link, Measured, StartClass, service
from tools.analysis.metric_facts.own import OWN, Distress, OwnTrouble, own_troubles
from tools.analysis.metric_facts.roles import resource_of, role_of
from tools.analysis.symptoms import SeenVerdict
from tools.units import format_value
from tools.world import MetricRole, MetricSpec, ServiceName, Verdict

TOLERANCE = timedelta(minutes=2)  # a step, and the detector's smoothing
LARGEST = 8.0  # of a log-ratio: from nothing to something is no endless trouble
_FELT = frozenset({MetricRole.LATENCY, MetricRole.ERRORS})


def verdict_facts(
    verdicts: Sequence[SeenVerdict], calls: Mapping[ServiceName, Sequence[ServiceName]]
) -> tuple[tuple[Fact, ...], tuple[Measured, ...]]:
    """Return the facts of abnormal verdicts, and what was measured and is as usual."""
    own = own_of(verdicts, calls)
    facts = [_fact(each, own) for each in verdicts if each.verdict.anomalous]
    calm = [
        Measured(service(v.verdict.service), v.verdict.metric, _role(v), v.evidence)
        for v in verdicts
        if not v.verdict.anomalous and v.verdict.judged
    ]
    return tuple(facts), tuple(calm)


def own_of(
    verdicts: Iterable[SeenVerdict], calls: Mapping[ServiceName, Sequence[ServiceName]]
) -> dict[str, OwnTrouble]:
    """Return how much of each service's slowness and errors its callees leave unexplained."""
    worst: dict[str, float] = {}
    for each in verdicts:
        if each.verdict.anomalous and role_in(each) in _FELT:
            size = log_ratio(each.verdict)
            worst[each.verdict.service] = max(worst.get(each.verdict.service, 0.0), size)
    troubles = {name: Distress(size) for name, size in worst.items()}
    graph = {str(name): tuple(map(str, called)) for name, called in calls.items()}
    return {each.service: each for each in own_troubles(troubles, graph)}


def role_in(seen: SeenVerdict) -> MetricRole | None:
    """Return what a verdict's metric tells: by the catalogue, else by its unit and name."""
    verdict = seen.verdict
    return role_of(seen.spec or MetricSpec(verdict.metric, "", verdict.metric, verdict.unit, ""))


def log_ratio(verdict: Verdict) -> float:
    """Return ln of how many times as bad as usual a value is, never endless."""
    observed, usual = abs(verdict.observed), abs(verdict.expected)
    sigmas = abs(verdict.deviation_sigma)
    scale = abs(verdict.observed - verdict.expected) / sigmas if sigmas > 0 else 0.0
    floor = max(scale, 1e-12)
    return min(abs(math.log((observed + floor) / (usual + floor))), LARGEST)


def _fact(seen: SeenVerdict, own: Mapping[str, OwnTrouble]) -> Fact:
    verdict = seen.verdict
    about = own.get(verdict.service)
    role = role_in(seen)
    predicate, link, kind = _kind(seen, about)
    felt = role in _FELT
    return Fact(
        subject=service(verdict.service),
        predicate=predicate,
        role=link,
        sentence=_sentence(verdict),
        source="metrics",
        writer=_writer(verdict, role),
        start_class=kind,
        value=verdict.observed,
        usual=verdict.expected,
        unit=verdict.unit,
        log_ratio=log_ratio(verdict),
        since=verdict.started_at,
        tolerance=TOLERANCE,
        evidence=seen.evidence,
        metric=verdict.metric,
        unexplained=about.share if felt and about is not None else None,
        explained_by=about.explained_by if felt and about is not None else "",
        remedies=("hpa_scale",) if predicate in {"cpu-exhausted", "traffic-surge"} else (),
        settle=_settle(predicate, verdict),
    )


def _kind(seen: SeenVerdict, own: OwnTrouble | None) -> tuple[str, Link, StartClass]:
    spec, verdict = seen.spec, seen.verdict
    plain = StartClass.UNEXPLAINED
    role = role_in(seen)
    if role is None:
        return "metric-unusual", Link.SHOW, plain
    if role in _FELT:
        word = role.value
        alone = own is None or own.share >= OWN
        return (f"{word}-unexplained", Link.START, plain) if alone else (
            f"{word}-high", Link.SHOW, plain,
        )  # fmt: skip
    if role is MetricRole.SATURATION:
        resource = (resource_of(spec) if spec is not None else "") or "resource"
        if spec is not None and spec.is_beyond(verdict.observed):
            return f"{resource}-exhausted", Link.START, StartClass.EXHAUSTED
        return f"{resource}-filling", Link.CARRY, plain
    if role is MetricRole.LAG:
        return "lag-high", Link.CARRY, plain
    if role is MetricRole.TRAFFIC:
        up = verdict.observed > verdict.expected
        return ("traffic-surge", Link.START, StartClass.DRIVER) if up else (
            "traffic-low", Link.SHOW, plain,
        )  # fmt: skip
    return f"{role.value}-unusual", Link.SHOW, plain


def _role(seen: SeenVerdict) -> str:
    role = role_in(seen)
    return role.value if role is not None else ""


def _sentence(verdict: Verdict) -> str:
    observed = format_value(verdict.observed, verdict.unit)
    if verdict.limit is not None:
        limit = format_value(verdict.limit, verdict.unit)
        return f"{verdict.metric} of {verdict.service} is {observed}, beyond its limit of {limit}"
    usual = format_value(verdict.expected, verdict.unit)
    return f"{verdict.metric} of {verdict.service} is {observed}, usually {usual}"


def _writer(verdict: Verdict, role: MetricRole | None) -> str:
    if role is MetricRole.SATURATION:
        return "exporter"
    return f"application {verdict.service}"


def _settle(predicate: str, verdict: Verdict) -> str:
    who = verdict.service
    if predicate.endswith("-unexplained"):
        return f"logs and traces of {who} from {verdict.started_at:%H:%M} UTC on"
    if predicate.endswith("-exhausted"):
        return f"who holds it: by statement, host or route of {who}"
    if predicate == "traffic-surge":
        return f"which clients and routes of {who} ask more than before"
    return ""
