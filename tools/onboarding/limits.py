"""Limits: where a metric begins to be bad, proposed from its history or from what is usual.

    a day of history and more    beyond what 99.5 % of it stayed within, with room
    less                         what is usual for its kind, or room above the little that was seen;
                                 one service far from all others does not raise it

A limit belongs to all services of a metric: the one that is worst by nature sets it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from tools.onboarding.drafts import Draft
from tools.onboarding.families import TIMES
from tools.world import Direction, Floats, MetricRole


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """What limits are made of; a person changes the limit itself, in the catalogue."""

    young: timedelta = timedelta(days=1)  # of history; less has not seen a night
    quantile: float = 0.995  # of the history of the worst service
    room: float = 1.5  # how far beyond it a limit stands
    young_room: float = 3.0  # the same for minutes of history
    apart: float = 10.0  # times the usual service: minutes of one so far away may be its trouble
    quiet: float = 0.1  # of the usual traffic of the least busy service
    latency_seconds: float = 1.0  # usual while nobody knows better
    errors_ratio: float = 0.05
    saturation_ratio: float = 0.9
    availability_ratio: float = 0.75  # one of four down


@dataclass(frozen=True, slots=True)
class Limit:
    """A proposed limit, and what it was made of."""

    value: float | None
    why: str


def limit_of(
    draft: Draft,
    seen: Sequence[Floats],
    span: timedelta,
    policy: LimitPolicy | None = None,
) -> Limit:
    """Return the limit of a metric; `seen` are the finite values of each service over `span`."""
    policy = policy or LimitPolicy()
    usual = _usual(draft, policy)
    values = [each for each in seen if each.size]
    young = span < policy.young
    told = f"{_span(span)} of history"
    if not values:
        return Limit(usual, "usual for its kind")
    if draft.direction is Direction.DOWN:
        return _low(draft, values, usual, policy, told)
    highs = sorted(float(np.quantile(each, policy.quantile)) for each in values)
    high = highs[-1]
    if draft.unit == "ratio":
        return _of_ratio(usual, high, told, young=young)
    if young and usual is not None and high * policy.young_room / 2 <= usual:
        return Limit(usual, f"usual for its kind; only {told}")
    if young and usual is not None and _stands_alone(highs, policy):
        raised = max(usual, rounded_up(highs[-2] * policy.young_room))
        return Limit(raised, f"as for the others; one service is far above in {told}, look at it")
    room = policy.young_room if young else policy.room
    if high <= 0:
        return Limit(usual, f"usual for its kind; it was 0 in {told}")
    how = f"{room:g} × the {policy.quantile:.1%} quantile of {told}"
    return Limit(rounded_up(high * room), how)


def _stands_alone(highs: Sequence[float], policy: LimitPolicy) -> bool:
    """Say whether the worst of at least three services is far from every other."""
    return len(highs) > 2 and highs[-1] >= policy.apart * highs[-2] > 0


def _of_ratio(usual: float | None, high: float, told: str, *, young: bool) -> Limit:
    """Return the limit of a share: what is usual, but above what it always was.

    Minutes of history raise no limit: they may be minutes of trouble.
    """
    usual = 0.9 if usual is None else usual
    if young or high < usual * 0.9:
        return Limit(usual, f"usual for its kind; at most {high:.3g} in {told}")
    if high >= 1:
        return Limit(rounded_up(high * 1.1), f"above what it was in {told}; look at it")
    above = round(high + (1 - high) / 2, 3)
    return Limit(max(above, usual), f"above what it was in {told}; look at it")


def _low(
    draft: Draft, values: Sequence[Floats], usual: float | None, policy: LimitPolicy, told: str
) -> Limit:
    if draft.role is not MetricRole.TRAFFIC:
        return Limit(usual, "usual for its kind")
    least = min(float(np.median(each)) for each in values)
    if least <= 0:
        return Limit(None, f"none: a service had no traffic in {told}")
    return Limit(
        float(f"{least * policy.quiet:.2g}"),
        f"{policy.quiet:.0%} of the usual traffic of the least busy service in {told}",
    )


def _usual(draft: Draft, policy: LimitPolicy) -> float | None:
    if draft.limit is not None:
        return draft.limit
    if draft.role is MetricRole.LATENCY and draft.unit in TIMES:
        return policy.latency_seconds / TIMES[draft.unit]
    if draft.unit != "ratio":
        return None
    return {
        MetricRole.ERRORS: policy.errors_ratio,
        MetricRole.SATURATION: policy.saturation_ratio,
        MetricRole.AVAILABILITY: policy.availability_ratio,
    }.get(draft.role)


def rounded_up(value: float) -> float:
    """Return a value rounded up to two digits, as a person would write a limit."""
    size = 10 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{math.ceil(value / size - 1e-9) * size:.6g}")


def _span(span: timedelta) -> str:
    minutes = span.total_seconds() / 60
    if minutes < 120:
        return f"{max(1, round(minutes))} minutes"
    return f"{minutes / 60:.0f} hours" if minutes < 48 * 60 else f"{minutes / 1440:.0f} days"
