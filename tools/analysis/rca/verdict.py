"""Which chains are causes, which are suspects, and what was ruled out.

    hypotheses ──rank──> first that is proved: a cause
                         the others: suspects, each with what would settle it
                         a failed test, a change that came too late: acquitted

A chain is *proved* when every hop's reach and order passed, nothing failed, and its start is a
state that cannot lie or two writers tell of it. A second cause is named only for a symptom that the
first leaves over. What only shows is never named.
"""

from __future__ import annotations

from dataclasses import dataclass

from tools.analysis.facts import (
    Fact,
    HopResult,
    Hypothesis,
    Link,
    Snapshot,
    StartClass,
)
from tools.analysis.rca import hop_tests
from tools.analysis.rca.chains import Concern, Scene, hypotheses, scene_of

MOST_SUSPECTS = 4
_CLASSES = {each: place for place, each in enumerate(StartClass)}
_TRIGGERED = 1.5  # a start that a change made: after what is exhausted, before what loads it
Key = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Acquitted:
    """A change or a start that did not do it, and why."""

    fact: Fact
    why: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What a snapshot comes to."""

    causes: tuple[Hypothesis, ...]
    suspects: tuple[Hypothesis, ...]
    acquitted: tuple[Acquitted, ...] = ()


def decide(snapshot: Snapshot, asked: Concern) -> Decided:
    """Return causes, suspects and acquitted, each in order."""
    scene = scene_of(snapshot, asked)
    found = _one_each(sorted(hypotheses(scene), key=lambda h: _rank(h, asked)))
    standing = [each for each in found if not _failed(each)]
    causes: list[Hypothesis] = []
    covered: set[str] = set()
    for each in standing:
        if not is_proved(each, scene):
            continue
        # what stands at the end of a chain, or is itself the trouble, is explained
        felt = {each.symptom.id, each.start.id, *(hop.effect.id for hop in each.hops)}
        if not causes or not (_felt(each) & covered):
            causes.append(each)
            covered |= felt
    if causes and standing and standing[0] is not causes[0]:
        before = standing[: standing.index(causes[0])]
        if any(_is_stronger(each, causes[0]) for each in before):
            causes = []  # what ranks before it is not settled
    suspects = [each for each in standing if each not in causes and not _is_shadow(each, causes)]
    acquitted = _acquitted(scene, [*causes, *suspects], found)
    return Decided(tuple(causes), tuple(suspects[:MOST_SUSPECTS]), acquitted)


def is_proved(chain: Hypothesis, scene: Scene) -> bool:
    """Say whether a chain may be called the cause."""
    if _failed(chain):
        return False
    if scene.asked.subjects and not chain.covers and scene.calm & {*scene.asked.subjects}:
        return False  # what was asked about is as usual: whatever broke elsewhere is not its cause
    for hop in chain.hops:
        for test in hop.tests:
            if test.result is HopResult.PASSED or test.name not in {"reach", "order"}:
                continue
            if test.name == "order" and _needs_no_time(chain.start):
                continue
            return False
    kind = chain.start.start_class
    if kind is StartClass.TERMINAL:
        return chain.start.present or bool(chain.hops)
    writers = {
        fact.writer
        for fact in chain.witnesses
        if kind is not StartClass.UNEXPLAINED or fact.source != "traces"  # they say where, not what
    }
    if chain.trigger is not None and any(t.name == "mechanism" for t in chain.trigger_tests):
        writers.add(chain.trigger.writer)  # a change that is only near in time proves nothing
    return bool(writers - {chain.start.writer})


def _needs_no_time(start: Fact) -> bool:
    """Say whether a state is proved by being so now: it cannot lie, and nothing tells its begin."""
    return start.start_class is StartClass.TERMINAL and start.present and start.since is None


def next_test(chain: Hypothesis) -> str:
    """Return what would settle a suspect: its first unseen test, else the start's own word."""
    if chain.start.settle:
        return chain.start.settle
    for test in chain.tests:
        if test.result is HopResult.UNSEEN:
            return f"{test.name}: {test.sentence}"
    return ""


def passed_share(chain: Hypothesis) -> float:
    """Return the share of a chain's tests that passed, in [0, 1]."""
    tests = chain.tests
    return sum(t.result is HopResult.PASSED for t in tests) / len(tests) if tests else 0.0


def unseen(chain: Hypothesis) -> int:
    """Return how many of a chain's tests nobody could make."""
    return sum(test.result is HopResult.UNSEEN for test in chain.tests)


def _failed(chain: Hypothesis) -> int:
    return sum(test.result is HopResult.FAILED for test in chain.tests)


def _rank(chain: Hypothesis, asked: Concern) -> Key:
    start = chain.start
    since = start.since.timestamp() if start.since is not None else float("inf")
    return (
        _failed(chain),
        bool(asked.subjects) and not chain.covers,
        bool(asked.metrics) and chain.symptom.metric not in asked.metrics,
        _class(chain),
        start.rank,
        -round(passed_share(chain), 3),
        since,
        -round(start.log_ratio, 3),
        start.subject,
        start.predicate,
        start.metric,
        start.sentence,
    )


def _class(chain: Hypothesis) -> float:
    kind = chain.start.start_class
    place = float(_CLASSES[kind])
    if chain.trigger is not None and kind is not StartClass.TERMINAL:
        place = min(place, _TRIGGERED)
    return place


def _one_each(chains: list[Hypothesis]) -> list[Hypothesis]:
    """Return one chain per subject and trigger, the best: three metrics of one are one trouble."""
    kept: dict[tuple[object, ...], Hypothesis] = {}
    for each in chains:
        change = each.trigger.id if each.trigger is not None else ""
        alone = each.start.id if each.start.start_class is StartClass.MISFIT else ""
        kept.setdefault((each.start.subject, change, alone), each)
    # without its trigger the same trouble is told once already
    triggered = {key[0] for key in kept if key[1]}
    return [
        each
        for key, each in kept.items()
        if key[1] or key[0] not in triggered or each.start.start_class is StartClass.TERMINAL
    ]


def _felt(chain: Hypothesis) -> set[str]:
    return {chain.symptom.id}


def _is_stronger(one: Hypothesis, other: Hypothesis) -> bool:
    """Say whether an unproved chain speaks against a proved one: it covers what that does not."""
    return one.covers and not other.covers


def _is_shadow(chain: Hypothesis, causes: list[Hypothesis]) -> bool:
    """Say whether a chain only repeats the trouble of a cause: its start is an effect of it."""
    effects = {hop.effect.id for cause in causes for hop in cause.hops}
    effects |= {witness.id for cause in causes for witness in cause.witnesses}
    subjects = {cause.start.subject for cause in causes}
    weak = chain.start.start_class in {StartClass.UNEXPLAINED, StartClass.MISFIT}
    return chain.start.id in effects or (weak and chain.start.subject in subjects)


def _acquitted(
    scene: Scene, told: list[Hypothesis], found: list[Hypothesis]
) -> tuple[Acquitted, ...]:
    """Return changes that made nothing and starts that failed a test, each with the reason."""
    guilty = {c.trigger.id for c in told if c.trigger is not None} | {c.start.id for c in told}
    rows = [
        Acquitted(each, _alibi(scene, each))
        for each in scene.facts
        if each.source == "changes" and each.id not in guilty
    ]
    for chain in found:
        failed = [test for test in chain.tests if test.result is HopResult.FAILED]
        if failed and chain.start.source != "changes" and chain.start.present:
            rows.append(Acquitted(chain.start, f"{failed[0].name}: {failed[0].sentence}"))
    return tuple(rows)


def _alibi(scene: Scene, change: Fact) -> str:
    starts = [
        each
        for each in scene.of.get(change.subject, ())
        if each.role is Link.START and each.source != "changes"
    ]
    for each in starts:
        for test in hop_tests.trigger(change, each, scene.facts):
            if test.result is HopResult.FAILED:
                return test.sentence
    if change.subject in scene.calm:
        return f"{change.subject} is as usual"
    return f"nothing that began there was seen on {change.subject}"
