"""What nobody described: which unknown families tell of requests, and which of a limit.

    settle_batch_seconds{result="ok"}        a duration, with outcomes ──> rate, errors, latency
    pricer_calls_total, pricer_call_errors_total                       ──> rate, errors
    settle_slots_in_use, settle_slots_max                              ──> saturation
    job_queue_depth                                                    ──> lag

A service needs one family per question: the likeliest is taken, others stand back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.onboarding.drafts import Counted
from tools.onboarding.families import Family, FamilyShape, is_timely, stem_of, words_of
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
    good = [f for f in families if f.shape is not FamilyShape.GAUGE and worth(f) > -3]
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
    chosen = Chosen()
    pairs: dict[tuple[str, str], tuple[Counted, Counted]] = {}
    for service in sorted({name for each in order for name in each.services}):
        own = [each for each in order if service in each.services]
        for each, roles in _of_service(own, set(known.get(service, ()))):
            taken.setdefault(each.family.name, set()).update(roles)
        if MetricRole.ERRORS in set(known.get(service, ())) or any(
            MetricRole.ERRORS in taken.get(each.family.name, ()) for each in own
        ):
            continue
        pair = _errors_of(own)
        if pair is not None:
            pairs[pair[0].family.name, pair[1].family.name] = pair
    chosen.families = [
        (each, frozenset(taken[each.family.name])) for each in order if each.family.name in taken
    ]
    chosen.errors = list(pairs.values())
    return chosen


def _worth(counted: Counted) -> float:
    described = 10.0 if counted.source else 0.0
    return described + worth(counted.family) + (1.5 if counted.failing else 0.0)


def _of_service(
    own: Sequence[Counted], have: set[MetricRole]
) -> list[tuple[Counted, frozenset[MetricRole]]]:
    found: list[tuple[Counted, frozenset[MetricRole]]] = []
    for each in own:
        lacking = each.roles - have
        if counts_errors(each.family) or len(found) == MOST_PER_SERVICE:
            continue
        if lacking and (_worth(each) > 0 or not have):
            # a new duration brings its own rate and errors: they explain each other
            found.append((each, each.roles if MetricRole.LATENCY in lacking else lacking))
            have |= each.roles
    return found


def _errors_of(own: Sequence[Counted]) -> tuple[Counted, Counted] | None:
    """Return a service's counter of failures and what it is a share of."""
    best, most = None, 0
    for errors in own:
        if not counts_errors(errors.family):
            continue
        stem = _singular(stem_of(errors.family.name, [*listed("errors"), "total"]))
        for whole in own:
            if counts_errors(whole.family) or whole.subject != errors.subject:
                continue
            common = len(stem & _singular(stem_of(whole.family.name, ["total"])))
            if common > most:
                best, most = (errors, whole), common
    return best


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
