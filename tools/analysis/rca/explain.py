"""From what was seen to causes: facts of every source, chains, tests, verdict, words.

Symptoms ──snapshot_of──> Snapshot ──decide──> Decided ──told──> Cause (path with every test)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tools.analysis.facts import (
    Edge,
    Fact,
    Gap,
    HopTest,
    Hypothesis,
    Measured,
    Snapshot,
    StartClass,
    service,
)
from tools.analysis.rca.chains import Concern
from tools.analysis.rca.confidence import cell_of, confidence_of
from tools.analysis.rca.log_facts import known_names, log_facts
from tools.analysis.rca.other_facts import alert_facts, change_facts, event_facts, trace_facts
from tools.analysis.rca.rule_facts import rule_facts
from tools.analysis.rca.verdict import Acquitted, Decided, decide, next_test
from tools.analysis.rca.verdict_facts import own_of, verdict_facts
from tools.analysis.symptoms import Symptoms
from tools.world import Cause, CauseStep, ServiceName, StepTest

_KINDS: Mapping[StartClass, str] = {
    StartClass.EXHAUSTED: "resource",
    StartClass.DRIVER: "traffic",
}


@dataclass(frozen=True, slots=True)
class Explained:
    """What was made of it: causes and suspects best first, and who did not do it."""

    causes: tuple[Cause, ...] = ()
    acquitted: tuple[Acquitted, ...] = ()
    gaps: tuple[Gap, ...] = ()
    facts: tuple[Fact, ...] = field(default=(), repr=False)
    reach: frozenset[str] = frozenset()  # services whose trouble can reach what was asked


def explain(
    symptoms: Symptoms,
    asked: Concern,
    at: datetime,
    *,
    aliases: Mapping[str, ServiceName] | None = None,
    complete: bool = True,
) -> Explained:
    """Explain what was seen; `complete`: every configured source answered."""
    snapshot = snapshot_of(symptoms, at, aliases or {})
    decided = decide(snapshot, asked)
    return Explained(
        told(decided, complete=complete),
        decided.acquitted,
        snapshot.gaps,
        snapshot.facts,
        _reach(symptoms, asked),
    )


def _reach(symptoms: Symptoms, asked: Concern) -> frozenset[str]:
    """Return the services asked about with all that they call; empty: all."""
    waiting = [who.name for who in asked.subjects if who.kind == "service"]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += symptoms.dependencies.get(ServiceName(name), ())
    return frozenset(found)


def snapshot_of(symptoms: Symptoms, at: datetime, aliases: Mapping[str, ServiceName]) -> Snapshot:
    """Return everything that was seen as facts."""
    calls = symptoms.dependencies
    from_verdicts, calm = verdict_facts(symptoms.verdicts, calls)
    # what the metric facts' own tool says of a quantity is told once
    told_better = {(f.subject, f.metric) for f in symptoms.facts if f.metric}
    metrics = [f for f in from_verdicts if (f.subject, f.metric) not in told_better]
    services = {*calls, *(name for called in calls.values() for name in called)}
    known = known_names(services, aliases)
    lines, seen_calls, gaps = log_facts(symptoms.patterns, known)
    traced, traced_calls = trace_facts(symptoms.traces)
    declared = [
        Edge(service(caller), service(callee), "calls", "declared")
        for caller, callees in calls.items()
        for callee in callees
    ]
    facts: list[Fact] = [
        *metrics,
        *symptoms.facts,
        *lines,
        *traced,
        *event_facts(symptoms.events),
        *change_facts(symptoms.changes),
        *alert_facts(symptoms.alerts),
        *rule_facts(symptoms, own_of(symptoms.verdicts, calls)),
    ]
    unusual = {(f.subject, f.metric) for f in facts if f.metric and f.present}
    measured: list[Measured] = [
        m for m in (*calm, *symptoms.measured) if (m.subject, m.metric) not in unusual
    ]
    return Snapshot(
        at,
        tuple(dict.fromkeys(facts)),
        tuple(sorted({*declared, *seen_calls, *traced_calls, *symptoms.edges})),
        tuple(sorted({*gaps, *symptoms.gaps})),
        tuple(sorted(set(measured))),
    )


def told(decided: Decided, *, complete: bool) -> tuple[Cause, ...]:
    """Return causes, then suspects, as an answer tells them."""
    rivals = len(decided.suspects)
    causes = [
        _cause(each, proved=True, rivals=rivals, complete=complete) for each in decided.causes
    ]
    others = len(decided.causes) + len(decided.suspects) - 1
    causes += [
        _cause(each, proved=False, rivals=others, complete=complete) for each in decided.suspects
    ]
    return tuple(causes)


def _cause(chain: Hypothesis, *, proved: bool, rivals: int, complete: bool) -> Cause:
    start, change = chain.start, chain.trigger
    subject = start.subject
    cell = cell_of(chain, proved=proved, rivals=rivals)
    remedies = (*(change.remedies if change is not None else ()), *start.remedies)
    return Cause(
        cause=f"{change.sentence}: {start.sentence}" if change is not None else start.sentence,
        service=_service(chain),
        kind=change.kind if change is not None else kind_of(start),
        confidence=confidence_of(cell, complete=complete),
        evidence=chain.evidence,
        at=change.since if change is not None else start.since,
        remediation=tuple(dict.fromkeys(remedies)),
        reasons=tuple(_reasons(chain)),
        proved=proved,
        subject="" if subject.kind == "service" else str(subject),
        path=path_of(chain),
        settle="" if proved else next_test(chain),
        cell=cell,
    )


def kind_of(start: Fact) -> str:
    """Return what kind of cause a start is."""
    if start.kind:
        return start.kind
    if start.source == "objects":
        return "object"
    return _KINDS.get(start.start_class, "unknown")


def _service(chain: Hypothesis) -> ServiceName:
    """Return the service a cause is told of: the start's own, else the first that it hurts."""
    told_of = [chain.start.subject, *chain.start.victims, *(h.effect.subject for h in chain.hops)]
    return ServiceName(next((who.name for who in told_of if who.kind == "service"), ""))


def _reasons(chain: Hypothesis) -> list[str]:
    said = [test.sentence for test in chain.trigger_tests]
    said += [witness.sentence for witness in chain.witnesses]
    said += [hop.effect.sentence for hop in chain.hops]
    return list(dict.fromkeys(said))


def path_of(chain: Hypothesis) -> tuple[CauseStep, ...]:
    """Return a chain step by step, each with the tests that lead to it."""
    steps = []
    if chain.trigger is not None:
        steps.append(_step(chain.trigger, chain.trigger_tests))
    steps.append(_step(chain.start, chain.start_tests))
    steps += [_step(hop.effect, hop.tests) for hop in chain.hops]
    return tuple(steps)


def _step(fact: Fact, tests: tuple[HopTest, ...]) -> CauseStep:
    return CauseStep(
        fact.sentence,
        (fact.evidence,) if fact.evidence else (),
        fact.since,
        tuple(StepTest(t.name, t.result.value, t.sentence, t.evidence) for t in tests),
    )
