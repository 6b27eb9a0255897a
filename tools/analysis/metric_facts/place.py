"""When what is slow by itself stands in one place: its node, not its services.

Two or more services are slow by themselves, about as much, on one node, and whatever runs elsewhere
at most half as much: the node is where it begins.
Packets that it lost as well say that its network is slow.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from tools.analysis.facts import Fact, FactSubject, Link, Measured, StartClass
from tools.world import MetricRole

LEAST_EXPOSED = 2
TIMES = 2.0  # as bad as what does not run there
MOST_HEALTHY = 0.5  # of what runs there and was measured may be as usual


def place_facts(
    facts: Sequence[Fact],
    measured: Sequence[Measured],
    runs_on: Mapping[str, Collection[str]],
) -> list[Fact]:
    """Return the nodes that slowness has in common; `runs_on` says where each service's pods are.

    A service on several nodes is exposed to none of them alone.
    """
    own = _own_latency(facts, measured)
    used_up = {
        each.subject.name for each in facts
        if each.role is Link.START and each.start_class is StartClass.EXHAUSTED
    }  # fmt: skip
    slow = {each.subject.name for each in facts if each.predicate.startswith("latency")}
    placed = {who: next(iter(nodes)) for who, nodes in runs_on.items() if len(nodes) == 1}
    found = []
    for node in sorted(set(placed.values())):
        here = [who for who in own if placed.get(who) == node and who not in used_up]
        elsewhere = [who for who in own if placed.get(who) != node]
        sick = [who for who in here if own[who] > 0]
        well = [who for who in here if who not in slow]
        if len(sick) < LEAST_EXPOSED or len(well) > MOST_HEALTHY * len(here):
            continue
        # The second worst: one service alone is itself, wherever it runs.
        exposed = sorted((own[who] for who in sick), reverse=True)
        unexposed = max((own[who] for who in elsewhere), default=0.0)
        alike = exposed[1] >= exposed[0] / TIMES
        if elsewhere and alike and exposed[1] >= TIMES * unexposed:
            found.append(_fact(node, sick, facts))
    return found


def _own_latency(facts: Sequence[Fact], measured: Sequence[Measured]) -> dict[str, float]:
    """Return how much of its latency is each service's own, in nats; 0 of what is as usual."""
    own: dict[str, float] = {
        each.subject.name: 0.0 for each in measured
        if each.role == MetricRole.LATENCY and each.subject.kind == "service"
    }  # fmt: skip
    for each in facts:
        if each.predicate.startswith("latency") and each.subject.kind == "service":
            starts = each.predicate == "latency-unexplained"
            share = (each.unexplained if each.unexplained is not None else 1.0) if starts else 0.0
            own[each.subject.name] = max(own.get(each.subject.name, 0.0), share * each.log_ratio)
    return own


def _fact(node: str, sick: Sequence[str], facts: Sequence[Fact]) -> Fact:
    slow = [
        each for each in facts
        if each.subject.name in sick and each.predicate == "latency-unexplained"
    ]  # fmt: skip
    slow = slow or [each for each in facts if each.subject.name in sick]
    first = min(slow, key=lambda each: (each.since is None, each.since, each.id))
    subject = FactSubject("node", node)
    lost = [e for e in facts if e.predicate == "packets-lost" and e.subject == subject]
    also = f", and {lost[0].sentence}" if lost else ""
    return replace(
        first,
        subject=subject,
        predicate="node-network-slow" if lost else "node-slow",
        role=Link.START,
        start_class=StartClass.UNEXPLAINED,
        sentence=(
            f"what is slow by itself runs on node {node}: {', '.join(sorted(sick))}; "
            f"what runs elsewhere is not{also}"
        ),
        value=None, usual=None, metric="", unexplained=None, explained_by="",
        victims=tuple(FactSubject("service", who) for who in sorted(sick)),
    )  # fmt: skip
