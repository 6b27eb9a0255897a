"""Whom a series tells of, what is not known of it, and what was measured and is as usual."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from tools.analysis.facts import Fact, FactSubject, Gap, Measured, service
from tools.analysis.metric_facts.judged import JudgedMetric

SOURCE = "metrics"
STALE = 5  # steps without a sample: nothing is known of now
NODE_LABELS = ("node", "nodename", "kubernetes_node")


def subject_of(judged: JudgedMetric, row: int) -> FactSubject:
    """Return whom a series tells of: a service of the catalogue, a node; without a name nobody."""
    if name := judged.subjects[row]:
        return service(name)
    labels = dict(judged.readings.labels[row])
    node = next((labels[key] for key in NODE_LABELS if labels.get(key)), "")
    if not node and "node_" in judged.spec.query:
        node = labels.get("instance", "").partition(":")[0]
    return FactSubject("node", node) if node else FactSubject("service", "")


def gaps_of(judged: Sequence[JudgedMetric]) -> Iterator[Gap]:
    """Yield the series that nothing can be said of, or nothing of now."""
    for each in judged:
        for row in each.young:
            if name := subject_of(each, row).name:
                yield Gap(
                    SOURCE,
                    name,
                    f"{each.spec.name} is too young to show what is usual",
                    _role(each),
                )
        for row in _stale(each):
            if name := subject_of(each, row).name:
                yield Gap(SOURCE, name, f"{each.spec.name} has no recent sample", _role(each))


def _stale(judged: JudgedMetric) -> list[int]:
    readings = judged.readings
    if readings.times.size == 0:
        return []
    recent = ~np.isnan(readings.values[:, -STALE:])
    ever = ~np.isnan(readings.values)
    return np.flatnonzero(ever.any(axis=1) & ~recent.any(axis=1)).tolist()


def no_graph(facts: Sequence[Fact], calls: Mapping[str, Sequence[str]]) -> Iterator[Gap]:
    """Yield what cannot be told where nobody says who calls whom."""
    slow = sorted({
        each.subject.name for each in facts
        if each.predicate.startswith("latency") and each.subject.kind == "service"
    })  # fmt: skip
    known = {name for caller, callees in calls.items() for name in (caller, *callees) if callees}
    alone = [name for name in slow if name not in known]
    if len(slow) > 1 and alone:
        yield Gap(
            "traces", ", ".join(alone), "who calls whom is not known of them",
            "whether they are slow themselves or wait for one another",
        )  # fmt: skip


def unmeasured_callees(
    facts: Sequence[Fact], calls: Mapping[str, Sequence[str]], known: Collection[str]
) -> Iterator[Gap]:
    """Yield whom a service calls that seems slow by itself, and of whom no latency is known."""
    for each in facts:
        if each.predicate == "latency-unexplained" and each.subject.kind == "service":
            for callee in calls.get(each.subject.name, ()):
                if callee not in known:
                    slower = f"whether it slows {each.subject.name}"
                    yield Gap(SOURCE, callee, "its latency is not measured", slower)


def measured_of(judged: Sequence[JudgedMetric]) -> Iterator[Measured]:
    """Yield every quantity that could be judged."""
    for each in judged:
        unknown = {*each.young, *_stale(each)}
        for row in range(len(each.subjects)):
            subject = subject_of(each, row)
            if row not in unknown and subject.name:
                yield Measured(subject, each.spec.name, _role(each))


def _role(judged: JudgedMetric) -> str:
    return judged.role.value if judged.role is not None else ""
