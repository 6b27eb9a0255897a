"""From every start along the edges to what was asked about: chains, each hop tested.

    start ──at most 5 hops──> asked subject (nothing asked: the farthest that suffers)
    change of the same subject ──trigger──> start

A subject on the way without a fact is passed through: nobody looked at it. One that was measured
and is as usual lets nothing through.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tools.analysis.facts import (
    Edge,
    Fact,
    FactSubject,
    Hop,
    HopResult,
    HopTest,
    Hypothesis,
    Link,
    Snapshot,
    StartClass,
)
from tools.analysis.rca import hop_tests
from tools.analysis.rca.graph import Graph, Way

ENDS = frozenset({"latency", "errors"})
_FELT = {"latency": 0, "errors": 0, "error": 0, "replicas": 1, "service": 1}


@dataclass(frozen=True, slots=True)
class Concern:
    """What a question is about; no subjects: everything. `metrics` are of the catalogue."""

    subjects: tuple[FactSubject, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """A snapshot with its indexes."""

    snapshot: Snapshot
    asked: Concern
    graph: Graph
    facts: tuple[Fact, ...]  # in one order, whatever order they came in
    of: Mapping[FactSubject, tuple[Fact, ...]]
    effects: Mapping[FactSubject, tuple[Fact, ...]]  # what each suffers from, most felt first
    naming: tuple[Fact, ...]  # facts whose words name somebody
    calm: frozenset[FactSubject] = field(default_factory=frozenset)


def scene_of(snapshot: Snapshot, asked: Concern) -> Scene:
    """Return the scene of a snapshot."""
    facts = tuple(sorted(snapshot.facts, key=_fact_order))
    by: dict[FactSubject, list[Fact]] = {}
    for each in facts:
        by.setdefault(each.subject, []).append(each)
    roles: dict[FactSubject, set[str]] = {}
    for told in snapshot.measured:
        roles.setdefault(told.subject, set()).add(told.role)
    troubled = frozenset(f.subject for f in facts if f.present and f.source != "changes")
    calm = hop_tests.calm_subjects({w: frozenset(r) for w, r in roles.items()}, troubled)
    edges = [*snapshot.edges, *_of_victims(facts)]
    return Scene(
        snapshot=snapshot,
        asked=asked,
        graph=Graph(edges),
        facts=facts,
        of={who: tuple(found) for who, found in by.items()},
        effects={
            who: tuple(sorted(filter(_may_suffer, found), key=lambda f: _effect_order(f, asked)))
            for who, found in by.items()
        },
        naming=tuple(each for each in facts if each.names),
        calm=calm,
    )


def hypotheses(scene: Scene) -> list[Hypothesis]:
    """Return a chain from every start that reaches what was asked about, in no special order."""
    found: list[Hypothesis] = []
    for start in scene.facts:
        if start.role is Link.START and (start.source != "changes" or _may_begin(scene, start)):
            chain = _chain(scene, start)
            if chain is not None:
                found.append(chain)
    return found


def _chain(scene: Scene, start: Fact) -> Hypothesis | None:
    ways = scene.graph.ways(start.subject)
    target = _target(scene, start, ways)
    covers = target is not None
    if target is None:
        if scene.asked.subjects and not any(each in ways for each in scene.asked.subjects):
            return None  # it cannot reach what was asked about
        target = start.subject
    hops = _hops(scene, start, ways[target], target)
    symptom = hops[-1].effect if hops else None
    if start.source == "traces" and symptom is None:
        return None  # slow traces of who is well accuse nobody
    if start.source == "changes" and not hop_tests.is_soon(start, symptom):
        return None
    if start.start_class is StartClass.MISFIT and symptom is None and not start.felt:
        return None  # it may have been so for months, and nobody feels it
    if start.start_class is StartClass.DRIVER and start.source != "rules" and not _hurts(hops):
        return None  # load that nobody suffers from
    if start.until is not None and symptom is None:
        return None  # what is over and felt by nothing
    tests = [test for test in (hop_tests.own(start),) if test is not None]
    tests.append(hop_tests.still(start, symptom, scene.snapshot.at))
    callers = frozenset(who for who, way in ways.items() if len(way) == 1)
    named, witnesses = hop_tests.mechanism(start, _near(scene, start, ways, callers), callers)
    tests.append(named)
    change, of_change = _trigger(scene, start)
    return Hypothesis(
        start=start,
        hops=tuple(hops),
        start_tests=tuple(tests),
        trigger=change,
        trigger_tests=of_change,
        covers=covers,
        witnesses=witnesses,
    )


def _target(scene: Scene, start: Fact, ways: Mapping[FactSubject, Way]) -> FactSubject | None:
    """Return where the chain ends: an asked subject that suffers, else the farthest that does."""
    suffering = [who for who in ways if _effect(scene, who, start) is not None]
    if not scene.asked.subjects:
        far = sorted(suffering, key=lambda who: (-len(ways[who]), who))
        return far[0] if far else start.subject
    asked = [who for who in scene.asked.subjects if who in suffering]
    if asked:
        return asked[0]
    return start.subject if start.subject in scene.asked.subjects else None


def _hops(scene: Scene, start: Fact, way: Way, target: FactSubject) -> list[Hop]:
    """Return the hops along a way; subjects without a fact are passed through."""
    hops: list[Hop] = []
    cause, passed = start, list[Edge]()
    between: list[FactSubject] = []
    if not way:
        effect = _effect(scene, target, start)
        return [_hop(scene, start, effect, (), [])] if effect is not None else []
    for edge in way:
        passed.append(edge)
        who = edge.way[1]
        effect = _effect(scene, who, start)
        if effect is None:
            between.append(who)
            continue
        hops.append(_hop(scene, cause, effect, tuple(passed), between))
        cause, passed, between = effect, [], []
    return hops


def _hop(scene: Scene, cause: Fact, effect: Fact, way: Way, between: Sequence[FactSubject]) -> Hop:
    tests: list[HopTest] = [hop_tests.reach(way, between, scene.calm)]
    tests.append(hop_tests.order(cause, effect))
    dose = hop_tests.dose(cause, effect)
    if dose is not None:
        tests.append(dose)
    return Hop(cause, effect, way, tuple(tests))


def _effect(scene: Scene, who: FactSubject, start: Fact) -> Fact | None:
    """Return what a subject suffers from: the asked metric first, then what people feel."""
    for each in scene.effects.get(who, ()):
        if each is not start and (
            who != start.subject or each.role is not Link.START or _is_felt(each)
        ):
            return each
    return None


def _may_suffer(fact: Fact) -> bool:
    misfit = fact.role is Link.START and fact.start_class is StartClass.MISFIT
    return fact.present and fact.source != "changes" and not misfit


def _is_felt(fact: Fact) -> bool:
    return fact.predicate.partition("-")[0] in {"latency", "errors"}


def _hurts(hops: Sequence[Hop]) -> bool:
    """Say whether something more than a filling resource is at a chain's hops."""
    return any(not hop.effect.predicate.endswith("-filling") for hop in hops)


def _may_begin(scene: Scene, change: Fact) -> bool:
    """Say whether a change may be suspected by itself: nothing else tells of its subject."""
    others = [f for f in scene.of.get(change.subject, ()) if f.source != "changes"]
    told = any(f.role is Link.START or f.unexplained is not None for f in others)
    return not told and change.subject not in scene.calm


def _effect_order(fact: Fact, asked: Concern) -> tuple[object, ...]:
    felt = _FELT.get(fact.predicate.partition("-")[0], 2)
    return (fact.metric not in asked.metrics, felt, -fact.log_ratio, *_fact_order(fact))


def _trigger(scene: Scene, start: Fact) -> tuple[Fact | None, tuple[HopTest, ...]]:
    """Return the change that made a start, with its tests; None when none passes."""
    best: tuple[Fact, tuple[HopTest, ...]] | None = None
    if start.source == "changes" or start.predicate == "traffic-surge":
        return None, ()  # a deploy of who is asked brings nobody who asks
    for each in scene.of.get(start.subject, ()):
        if each.source != "changes":
            continue
        tests = hop_tests.trigger(each, start, scene.facts)
        passes = all(test.result is HopResult.PASSED for test in tests)
        if passes and (best is None or _newer(each, tests, best)):
            best = (each, tests)
    return best if best is not None else (None, ())


def _newer(
    change: Fact, tests: tuple[HopTest, ...], best: tuple[Fact, tuple[HopTest, ...]]
) -> bool:
    one, other = change.since, best[0].since
    if len(tests) != len(best[1]):
        return len(tests) > len(best[1])  # the lines name its version
    return one is not None and other is not None and one > other


def _near(
    scene: Scene,
    start: Fact,
    ways: Mapping[FactSubject, Way],
    callers: frozenset[FactSubject],
) -> list[Fact]:
    """Return the facts of a start's subject and its callers, and of others that name somebody."""
    close = [f for who in sorted({start.subject, *callers}) for f in scene.of.get(who, ())]
    far = (f for f in scene.naming if f.subject in ways and f.subject not in callers)
    return [each for each in (*close, *far) if each is not start]


def _of_victims(facts: Sequence[Fact]) -> list[Edge]:
    return [
        Edge(victim, each.subject, "configured_by", each.source)
        for each in facts
        for victim in each.victims
        if victim != each.subject
    ]


def _fact_order(fact: Fact) -> tuple[object, ...]:
    since = fact.since.timestamp() if fact.since is not None else float("inf")
    return (fact.rank, since, fact.subject, fact.predicate, fact.metric, fact.sentence)
