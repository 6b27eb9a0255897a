"""What nobody described: which unknown families tell of requests, and which of a limit.

    settle_batch_seconds{result="ok"}        a duration, with outcomes ──> rate, errors, latency
    pricer_calls_total, pricer_call_errors_total                       ──> rate, errors
    settle_slots_in_use, settle_slots_max                              ──> saturation
    job_queue_depth                                                    ──> lag

A service needs one family per question: the likeliest is taken, others stand back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tools.onboarding.drafts import Counted, gauge_roles
from tools.onboarding.families import Family, FamilyShape, is_timely, stem_of, words_of
from tools.onboarding.subjects import Subject
from tools.onboarding.vocabulary import listed
from tools.world import MetricRole

RED = (MetricRole.TRAFFIC, MetricRole.ERRORS, MetricRole.LATENCY)
MOST_PER_SERVICE = 3  # families of requests; more is noise that a person may add


def worth(family: Family) -> float:
    """Return how likely a family counts what its service is there for, by name and shape."""
    words = set(words_of(family.name))
    score = 3.0 if words & listed("serving") else 0.0
    score += 1.5 if words & listed("working") else 0.0
    score -= 4.0 if words & listed("outgoing") else 0.0
    score -= 5.0 if words & listed("inner") else 0.0
    if family.shape is FamilyShape.GAUGE:
        ready = score > 0 and gauge_roles(family) and not words & listed("moments")
        return score - 1.0 if ready else -9.0
    if family.shape is FamilyShape.COUNTER:
        return score - (2.0 if words & (listed("other_counts") | listed("errors")) else 0.0)
    return score + (2.0 if is_timely(family) else -2.0)


def counts_errors(family: Family) -> bool:
    """Say whether a counter counts nothing but failures, by its name."""
    return family.shape is FamilyShape.COUNTER and bool(
        set(words_of(family.name)) & listed("errors")
    )


def worth_asking(families: Iterable[Family], most: int) -> list[Family]:
    """Return the families whose labels are worth a question, the likeliest first."""
    good = [f for f in families if worth(f) > -3]
    return sorted(good, key=lambda f: (-worth(f), f.name))[:most]


@dataclass(slots=True)
class Chosen:
    """Families with the roles they shall serve; and counters of errors with what they are of."""

    families: list[tuple[Counted, frozenset[MetricRole]]] = field(default_factory=list)
    errors: list[tuple[Counted, Counted]] = field(default_factory=list)  # errors over traffic


def choose(candidates: Sequence[Counted], known: Mapping[str, Collection[MetricRole]]) -> Chosen:
    """Return which families serve: every service gets what it lacks, from the likeliest family.

    `known` are the roles that services have already.
    """
    order = sorted(candidates, key=lambda each: (-_worth(each), each.family.name))
    taken: dict[str, set[MetricRole]] = {}
    pairs: dict[tuple[str, str], tuple[Counted, Counted]] = {}
    for service in sorted({name for each in order for name in each.services}):
        own = [each for each in order if service in each.services]
        have = set(known.get(service, ()))
        for each, roles in _of_service(own, service, have):
            taken.setdefault(each.family.name, set()).update(roles)
        pair = None if MetricRole.ERRORS in have else _errors_of(own)
        if pair is not None:
            pairs[pair[0].family.name, pair[1].family.name] = pair
            if MetricRole.TRAFFIC not in have:
                taken.setdefault(pair[1].family.name, set()).add(MetricRole.TRAFFIC)
    chosen = [
        (each, frozenset(taken[each.family.name])) for each in order if each.family.name in taken
    ]
    return Chosen(chosen, list(pairs.values()))


def _worth(counted: Counted) -> float:
    described = 10.0 if counted.source else 0.0
    return described + worth(counted.family) + (1.5 if counted.failing else 0.0)


Served = tuple[Counted, frozenset[MetricRole]]  # a family, and what it shall tell


def _of_service(own: Sequence[Counted], service: str, have: set[MetricRole]) -> list[Served]:
    """Return what tells of a service what it lacks; `have` grows by it."""
    found: list[Served] = []
    for each in own:
        roles = each.roles_of(service)
        lacking = roles - have
        if counts_errors(each.family) or len(found) == MOST_PER_SERVICE:
            continue
        if lacking and (_worth(each) > 0 or not have & set(RED)):
            # a new duration brings its own rate and errors: they explain each other
            found.append((each, roles if MetricRole.LATENCY in lacking else lacking))
            have |= roles
    return found


def _errors_of(own: Sequence[Counted]) -> tuple[Counted, Counted] | None:
    """Return a service's counter of failures and what it is a share of."""
    best, most = None, 0
    for errors in own:
        if not counts_errors(errors.family):
            continue
        stem = _singular(stem_of(errors.family.name, [*listed("errors"), "total"]))
        for whole in own:
            subject = _common(errors.subject, whole.subject)
            if whole.family.shape is FamilyShape.GAUGE or counts_errors(whole.family):
                continue
            common = len(stem & _singular(stem_of(whole.family.name, ["total"])))
            if common > most and subject is not None:
                best = replace(errors, subject=subject), replace(whole, subject=subject)
                most = common
    return best


def counts_good(family: Family) -> bool:
    """Say whether a counter counts what went well alone, by its name."""
    return bool(set(words_of(family.name)) & listed("goods"))


def _common(one: Subject, other: Subject) -> Subject | None:
    """Return the subject that names the services of both; None when they differ."""
    if set(one.labels) <= set(other.labels):
        return other
    return one if set(other.labels) <= set(one.labels) else None


def _singular(words: Iterable[str]) -> set[str]:
    return {word.removesuffix("s") for word in words}


@dataclass(frozen=True, slots=True)
class Filled:
    """Two gauges: how much of something is used, or free, and how much there is."""

    part: Family
    whole: Family
    free: bool

    @property
    def name(self) -> str:
        """What is filled, in the words that both names share."""
        without = listed("used") | listed("free") | {"bytes", "count"}
        return "_".join(stem_of(self.part.name, without)) or "capacity"


def filled(families: Iterable[Family]) -> list[Filled]:
    """Return the pairs of a gauge and its maximum."""
    gauges = [f for f in families if f.shape is FamilyShape.GAUGE]
    ends: dict[tuple[str, ...], Family] = {}
    for family in gauges:
        words = set(words_of(family.name))
        if words & listed("ends") and not words & (listed("used") | listed("free")):
            ends.setdefault(stem_of(family.name, listed("ends")), family)
    found: dict[str, Filled] = {}
    for family in gauges:
        words = set(words_of(family.name))
        free = bool(words & listed("free"))
        whole = ends.get(stem_of(family.name, listed("used") | listed("free") | {"count"}))
        if whole is None or whole is family or words & listed("ends"):
            continue
        pair = Filled(family, whole, free)
        known = found.get(whole.name)
        if known is None or (known.free and not free):
            found[whole.name] = pair
    return [found[name] for name in sorted(found)]


def is_behind(family: Family) -> bool:
    """Say whether a gauge tells how much waits, by its name."""
    words = set(words_of(family.name))
    queue = bool(words & {"queue", "queues", "buffer"} and words & listed("queue_sizes"))
    return (
        family.shape is FamilyShape.GAUGE
        and not words & {"max", "limit", "capacity"}
        and (queue or bool(words & listed("behind")))
    )
