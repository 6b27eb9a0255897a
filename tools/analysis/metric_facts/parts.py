"""What part in a chain an unusual metric has: its predicate, its link, its class."""

from __future__ import annotations

from tools.analysis.facts import Link, StartClass
from tools.analysis.metric_facts.own import OWN, OwnTrouble
from tools.analysis.metric_facts.roles import (
    THROTTLED,
    counts_restarts,
    is_exhausted,
    is_hit_ratio,
    is_loss,
    is_throttling,
    resource_of,
)
from tools.analysis.metric_facts.unusual import Stretch
from tools.world import Direction, MetricRole, MetricSpec

FELT = 0.3  # of what its callers feel: what adds less is their cause as surely elsewhere
FAILING = (MetricRole.ERRORS, MetricRole.AVAILABILITY)
OWNED = (MetricRole.LATENCY, *FAILING)  # what callees may explain
Part = tuple[str, Link, StartClass]
_NONE = StartClass.UNEXPLAINED  # of what starts nothing the class says nothing
_PLAIN: dict[MetricRole | None, tuple[str, Link]] = {
    MetricRole.LAG: ("lag-high", Link.CARRY),
    MetricRole.BUSINESS: ("business-unusual", Link.SHOW),
    None: ("metric-unusual", Link.SHOW),
}


def part_of_chain(
    spec: MetricSpec, role: MetricRole | None, stretch: Stretch, own: OwnTrouble | None
) -> Part:
    """Return predicate, link and class of one unusual stretch."""
    if named := _by_name(spec, stretch):
        return named
    if role in {MetricRole.LATENCY, MetricRole.ERRORS}:
        # Errors that are counted, not a share, cannot be compared with a callee's.
        starts = own is None or (own.share >= OWN and own.felt >= FELT)
        what = role.value
        return (
            (f"{what}-unexplained", Link.START, _NONE)
            if starts
            else (f"{what}-high", Link.SHOW, _NONE)
        )
    low = spec.bad_direction is Direction.DOWN
    if role is MetricRole.AVAILABILITY:
        return "availability-low" if low else "restarts-high", Link.SHOW, _NONE
    if role is MetricRole.TRAFFIC:
        risen = not low and stretch.value > stretch.usual
        return (
            ("traffic-surge", Link.START, StartClass.DRIVER)
            if risen
            else ("traffic-low", Link.SHOW, _NONE)
        )
    if role is MetricRole.SATURATION:
        resource = resource_of(spec) or "resource"
        if is_exhausted(spec, stretch.value) and not low:
            return f"{resource}-exhausted", Link.START, StartClass.EXHAUSTED
        return f"{resource}-filling", Link.CARRY, _NONE
    return (*_PLAIN[role], _NONE)


def _by_name(spec: MetricSpec, stretch: Stretch) -> Part | None:
    """Return the part of what only a metric's own name tells."""
    if is_throttling(spec):
        held = spec.unit not in {"ratio", "percent", "%"} or stretch.value >= THROTTLED
        return "cpu-throttled", Link.START if held else Link.CARRY, StartClass.EXHAUSTED
    if counts_restarts(spec):
        return "restarts-high", Link.SHOW, _NONE
    if is_loss(spec):
        return "packets-lost", Link.CARRY, _NONE
    return ("hit-ratio-low", Link.CARRY, _NONE) if is_hit_ratio(spec) else None
