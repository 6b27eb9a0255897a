"""How much of a service's trouble is its own: what the services it calls do not explain.

    strength of a service     ln of how many times as bad as usual, mean of its worse half
    what a callee explains    its strength × √(its calls per call of the caller), at most all
    own                       strength − the best callee's explanation
    rank                      own × √(its share of the asked service's traffic) × is it enough
    enough                    its excess times its calls is a tenth of the asked one's or more

The largest absolute latency misleads: whoever waits longest is asked last. Logarithms of ratios put
a callee of 5 ms and its caller of 200 ms on one scale. The square root, because a call in a hundred
can still hold everybody up. Ties go by name: the same answer twice.

What only watches a call from its caller's side (a client's span, a balancer) cannot be the cause.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

OWN = 0.3  # of its distress must be unexplained for a service to be where it begins
MOST_HOPS = 5  # from where it begins to where it is felt
ENOUGH = 0.1  # of the asked service's excess; what adds less is as surely elsewhere


@dataclass(frozen=True, slots=True)
class OwnTrouble:
    """How much of a service's trouble is its own."""

    service: str
    strength: float  # ≥ 0, natural log of how many times as bad as usual
    own: float  # ≥ 0: what no callee explains
    explained_by: str  # the callee that explains most; empty: none does
    weight: float  # in [0, 1]: its share of the asked service's traffic, and is it enough
    felt: float  # in [0, 1]: is it enough for what is felt furthest up; 1 where nobody calls it

    @property
    def rank(self) -> float:
        """What services are ordered by."""
        return self.own * self.weight

    @property
    def share(self) -> float:
        """How much of its strength is its own, in [0, 1]."""
        return self.own / self.strength if self.strength > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Distress:
    """How bad one service is."""

    strength: float  # ≥ 0, natural log of how many times as bad as usual
    excess: float = math.nan  # above usual, in one unit for all (seconds, share); NaN: not known
    traffic: float = math.nan  # requests, in one unit for all; NaN: not known
    statistic: str = ""  # what of the requests: mean, median, tail; empty: the same of all


def own_troubles(
    troubles: Mapping[str, Distress],
    calls: Mapping[str, Iterable[str]],
    *,
    asked: str = "",
    watching: Collection[str] = (),
) -> list[OwnTrouble]:
    """Return the services that may have begun it, the likeliest first.

    With `asked`, only what it calls at any depth, and itself, is ranked, by what it can add to it.
    Who is `watching` explains nothing and is never returned; what it calls is its caller's.
    """
    reach = _reach(troubles, calls, asked, watching) if asked else set(troubles)
    callees = {who: _beyond(calls, who, watching) for who in troubles}
    found = [
        _standing(who, troubles, callees, asked)
        for who in sorted(troubles)
        if who in reach and who not in watching
    ]
    return sorted(found, key=lambda each: (-each.rank, each.service))


def _standing(
    who: str, troubles: Mapping[str, Distress], callees: Mapping[str, Sequence[str]], asked: str
) -> OwnTrouble:
    trouble = troubles[who]
    best, by = 0.0, ""
    for callee in callees[who]:
        if callee in troubles:
            explains = troubles[callee].strength * _weight(troubles[callee], trouble)
            if explains > best:
                best, by = explains, callee
    return OwnTrouble(
        service=who,
        strength=trouble.strength,
        own=max(trouble.strength - best, 0.0),
        explained_by=by,
        weight=_weight(trouble, troubles[asked]) if asked in troubles else 1.0,
        felt=_felt(who, troubles, callees, {who}),
    )


def _felt(
    who: str,
    troubles: Mapping[str, Distress],
    callees: Mapping[str, Sequence[str]],
    seen: set[str],
) -> float:
    """Return how much of it is felt where nobody in distress calls any more, in [0, 1]."""
    hurt = [
        caller for caller in sorted(troubles)
        if caller not in seen and troubles[caller].strength > 0 and who in callees[caller]
    ]  # fmt: skip
    if not hurt or len(seen) > MOST_HOPS:
        return 1.0
    return max(
        enough and enough * _felt(caller, troubles, callees, {*seen, caller})
        for caller in hurt
        for enough in [_enough(troubles[who], troubles[caller])]
    )


def _weight(callee: Distress, caller: Distress) -> float:
    """Return how much of a caller's trouble one of its callees can be, in [0, 1]."""
    return math.sqrt(min(_per_call(callee, caller), 1.0)) * _enough(callee, caller)


def _per_call(callee: Distress, caller: Distress) -> float:
    per_call = callee.traffic / caller.traffic if caller.traffic > 0 else math.nan
    return 1.0 if math.isnan(per_call) else per_call


def _enough(callee: Distress, caller: Distress) -> float:
    """Return whether what a callee adds is a tenth of its caller's excess: 1, or less."""
    if callee.statistic != caller.statistic or not caller.excess > 0:
        return 1.0  # a mean and a 99th percentile cannot be set against each other
    adds = callee.excess * _per_call(callee, caller) / caller.excess
    return 1.0 if math.isnan(adds) else min(max(adds / ENOUGH, 0.0), 1.0)


def _beyond(calls: Mapping[str, Iterable[str]], who: str, watching: Collection[str]) -> list[str]:
    """Return whom a service calls; in place of one that only watches, whom that one calls."""
    found: dict[str, None] = {}
    waiting, seen = list(calls.get(who, ())), {who}
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        if name in watching:
            waiting += list(calls.get(name, ()))
        else:
            found[name] = None
    return list(found)


def _reach(
    troubles: Mapping[str, Distress],
    calls: Mapping[str, Iterable[str]],
    asked: str,
    watching: Collection[str],
) -> set[str]:
    """Return what can have reached the asked service: each hop between is in trouble or unseen."""
    reach, waiting = set[str](), [asked]
    while waiting:
        name = waiting.pop()
        if name in reach:
            continue
        reach.add(name)
        sick = name not in troubles or troubles[name].strength > 0
        if name == asked or name in watching or sick:
            waiting += list(calls.get(name, ()))
    return reach
