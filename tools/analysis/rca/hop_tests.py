"""The tests that a chain must stand: what passes, what fails, what nobody could look at.

    of the start   own        what callees do not explain        fails: an abnormal callee does
                   still      it is so now                       fails: over before the symptom
                   mechanism  another writer names it
    of a hop       reach      an edge carries it                 fails: who lies between is as usual
                   order      cause ≤ effect + tolerance         fails: later by 5 min more
                   dose       courses rise together (ρ ≥ .5)
    of a trigger   order      a change −3 … +15 min before       leaks: up to hours

A test that nobody could make is unseen, which is neither passed nor failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from tools.analysis.facts import (
    Edge,
    Fact,
    FactSubject,
    HopResult,
    HopTest,
    Link,
    StartClass,
)
from tools.analysis.rca.themes import themes_of
from tools.world import Floats

OWN = 0.3  # share of a service's trouble that callees must leave unexplained
LATE = timedelta(minutes=5)  # a cause later than its effect by so much more than its tolerance
RECENT = timedelta(minutes=10)  # what ended so shortly ago may still be felt
DOSE = 0.5  # rank correlation of cause and effect
MOST_WITNESSES = 3
LEAST_COMMON = 8  # samples that two courses must share
BEFORE, AFTER = timedelta(minutes=15), timedelta(minutes=3)
LEAKS = timedelta(hours=3)  # what a change can take to fill memory, a disk, a pool
SLOW = frozenset({"memory", "disk", "connections", "lag"})

_PASSED, _FAILED, _UNSEEN = HopResult.PASSED, HopResult.FAILED, HopResult.UNSEEN


def own(start: Fact) -> HopTest | None:
    """Test that a start is not its callees' trouble; None where that makes no sense."""
    if start.unexplained is None:
        return None
    share = f"{100 * start.unexplained:.0f} %"
    if start.unexplained >= OWN:
        said = f"{share} of it is explained by nothing that {start.subject} calls"
        return HopTest("own", _PASSED, said, _ids(start))
    said = f"{start.explained_by or 'what it calls'} explains all but {share} of it"
    return HopTest("own", _FAILED, said, _ids(start))


def still(start: Fact, symptom: Fact | None, at: datetime) -> HopTest:
    """Test that a start is there together with its symptom."""
    if start.until is None:
        return HopTest("still", _PASSED, "it is so now", _ids(start))
    begun = symptom.since if symptom is not None else None
    slack = symptom.tolerance + LATE if symptom is not None else LATE
    if begun is not None and start.until < begun - slack:
        said = f"it was over at {_clock(start.until)}, before that began at {_clock(begun)}"
        return HopTest("still", _FAILED, said, _ids(start))
    if at - start.until > RECENT:
        return HopTest("still", _FAILED, f"it was over at {_clock(start.until)}", _ids(start))
    return HopTest("still", _UNSEEN, f"it was over at {_clock(start.until)}", _ids(start))


def mechanism(
    start: Fact, facts: Iterable[Fact], callers: frozenset[FactSubject] = frozenset()
) -> tuple[HopTest, tuple[Fact, ...]]:
    """Test that somebody else names it: by its name, or by the same mechanism of the same subject.

    What is exhausted is also named by lines of its direct `callers` that lack the same.
    """
    found: dict[str, Fact] = {}
    for each in facts:
        if each.present and each.writer != start.writer and _witnesses(each, start, callers):
            found.setdefault(each.writer, each)
    if not found:
        return HopTest("mechanism", _UNSEEN, "nobody else was seen to name it"), ()
    told = tuple(found.values())[:MOST_WITNESSES]
    said = f"{told[0].writer}: {told[0].sentence}"
    return HopTest("mechanism", _PASSED, said, _ids(*told)), told


def _witnesses(fact: Fact, start: Fact, callers: frozenset[FactSubject]) -> bool:
    """Say whether another writer's fact names what a start says, and not only where it is."""
    if fact.source in {"changes", "rules"}:  # what came before, and what a team made of it
        return False
    if start.source == "rules" and fact.source == "metrics":
        return False  # it was made of them
    same = fact.subject == start.subject
    if start.start_class is StartClass.UNEXPLAINED:  # that others find it slow too is still where
        if fact.source == "traces":
            return same  # they name the operation that holds the time
        own = same and fact.role is Link.START and fact.source in {"logs", "objects"}
        return own and fact.start_class is not StartClass.UNEXPLAINED
    if _names(fact, start):
        return True
    lacks = start.start_class is StartClass.EXHAUSTED and fact.source == "logs"
    near = same or (lacks and fact.subject in callers)
    return near and bool(themes_of(start) & themes_of(fact))


def reach(
    way: Sequence[Edge], between: Iterable[FactSubject], calm: frozenset[FactSubject]
) -> HopTest:
    """Test that trouble can get from the one to the other."""
    if not way:
        return HopTest("reach", _PASSED, "the same subject")
    quiet = [str(each) for each in between if each in calm]
    if quiet:
        return HopTest("reach", _FAILED, f"{', '.join(quiet)} lies between and is as usual")
    said = "; ".join(f"{e.a} {e.kind.replace('_', ' ')} {e.b} ({e.source})" for e in way)
    return HopTest("reach", _PASSED, said)


def order(cause: Fact, effect: Fact) -> HopTest:
    """Test that the cause did not come later than its effect."""
    ids = _ids(cause, effect)
    if cause.since is None or effect.since is None:
        if cause.start_class is StartClass.TERMINAL and cause.felt and effect.source == "objects":
            return HopTest("order", _PASSED, "the effect is that state, seen from outside", ids)
        return HopTest("order", _UNSEEN, "when it began is not known", ids)
    tolerance = cause.tolerance + effect.tolerance
    late = cause.since - effect.since
    times = f"{_clock(cause.since)}, then {_clock(effect.since)}"
    if late <= tolerance:
        return HopTest("order", _PASSED, times, ids)
    if late > tolerance + LATE:
        said = f"it began at {_clock(cause.since)}, after that at {_clock(effect.since)}"
        return HopTest("order", _FAILED, said, ids)
    return HopTest("order", _UNSEEN, f"{times}: too near to tell", ids)


def dose(cause: Fact, effect: Fact) -> HopTest | None:
    """Test that more of the cause is more of the effect; None where there is nothing to compare."""
    if not cause.course or not effect.course:
        return None
    one, other = dict(cause.course), dict(effect.course)
    common = sorted(one.keys() & other.keys())
    if len(common) < LEAST_COMMON:
        return HopTest("dose", _UNSEEN, "too few samples in common")
    rho = spearman([one[t] for t in common], [other[t] for t in common])
    result = _PASSED if abs(rho) >= DOSE else _UNSEEN
    return HopTest("dose", result, f"rank correlation {rho:.2f}", _ids(cause, effect))


def trigger(change: Fact, start: Fact, facts: Sequence[Fact]) -> tuple[HopTest, ...]:
    """Test a change as what made a start of the same subject; time alone is not enough to pass."""
    ids = _ids(change, start)
    if change.since is None or start.since is None:
        return (HopTest("order", _UNSEEN, "when it began is not known", ids),)
    lead = start.since - change.since
    longest = LEAKS if _leaks(start, facts) else BEFORE
    minutes = round(lead.total_seconds() / 60)
    if lead < -(AFTER + start.tolerance):
        said = f"the change came {-minutes} min after it began"
        return (HopTest("order", _FAILED, said, ids),)
    if lead > longest + start.tolerance:
        said = f"the change was {minutes} min before it began"
        return (HopTest("order", _FAILED, said, ids),)
    when = f"{minutes} min after the change" if minutes > 0 else "at the minute of the change"
    tests = [HopTest("order", _PASSED, f"it began {when}", ids)]
    version = set(change.names)
    for each in facts:
        if each.source == "logs" and each.subject == start.subject and version & set(each.names):
            named = ", ".join(sorted(version & set(each.names)))
            tests.append(HopTest("mechanism", _PASSED, f"the lines name {named}", _ids(each)))
            break
    return tuple(tests)


def _leaks(start: Fact, facts: Sequence[Fact]) -> bool:
    """Say whether a start is what something filled that was seen to grow."""
    about = themes_of(start) & SLOW
    return any(
        each.subject == start.subject
        and each != start
        and each.predicate.rpartition("-")[2] in {"filling", "growing", "exhausted"}
        and about & themes_of(each)
        for each in facts
    )


def is_soon(change: Fact, symptom: Fact | None) -> bool:
    """Say whether a symptom began so shortly after a change that it may be suspected."""
    if symptom is None or symptom.since is None or change.since is None:
        return False
    lead = symptom.since - change.since
    return lead + symptom.tolerance >= -AFTER and lead - symptom.tolerance <= BEFORE


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the rank correlation in [-1, 1]; 0 where one of them does not move."""
    a, b = _ranks(np.array(one)), _ranks(np.array(other))
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def calm_subjects(
    measured: Mapping[FactSubject, frozenset[str]], troubled: frozenset[FactSubject]
) -> frozenset[FactSubject]:
    """Return who was measured in what people feel and is as usual in it."""
    felt = {"latency", "errors"}
    return frozenset(
        who for who, roles in measured.items() if felt <= roles and who not in troubled
    )


def _names(fact: Fact, start: Fact) -> bool:
    return start.subject.name in fact.names and fact.subject != start.subject


def _ids(*facts: Fact) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.evidence for each in facts if each.evidence))


def _clock(at: datetime) -> str:
    return f"{at:%H:%M} UTC"
