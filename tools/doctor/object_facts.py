"""What objects say, as facts: starts that are felt, misfits that nobody feels, what shows.

Found + whom lines blame ──causes──> ObjectCause ──> Fact (start) with its victims
Found ──> Fact (carry, show; ended where it is past)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

from tools.analysis.facts import Edge, Fact, FactSubject, StartClass
from tools.doctor.causes import Felt, ObjectCause
from tools.doctor.named import Object
from tools.doctor.sign import Found, Link

ON_PURPOSE = frozenset({"node-cordoned"})  # it shows that somebody wants it so
TOLERANCE = timedelta(minutes=1)
SubjectOf = Callable[[Object], FactSubject]
_EDGES = {
    "Node": "runs_on",
    "PersistentVolumeClaim": "mounts",
    "PersistentVolume": "mounts",
    "StorageClass": "mounts",
}


def plain_subject(each: Object) -> FactSubject:
    """Return the subject of an object that no service of a catalogue is."""
    return FactSubject(each.kind.lower(), each.name, each.namespace)


def object_facts(
    causes: Iterable[ObjectCause],
    found: Iterable[Found],
    subject_of: SubjectOf = plain_subject,
    evidence: str = "",
) -> tuple[tuple[Fact, ...], tuple[Edge, ...]]:
    """Return facts and edges of one examined cluster; `causes` come best first."""
    facts: list[Fact] = []
    edges: list[Edge] = []
    for place, cause in enumerate(causes):
        facts.append(_start(cause, place, subject_of, evidence))
        own = subject_of(cause.found.sign.subject)
        kind = _EDGES.get(cause.found.sign.subject.kind, "configured_by")
        for name in cause.found.sign.victims:
            victim = subject_of(name)
            if victim != own:
                edges.append(Edge(victim, own, kind, "objects"))
    for each in found:
        if each.by.name in ON_PURPOSE or each.starts:
            continue
        facts.append(_told(each, subject_of, evidence))
    return tuple(dict.fromkeys(facts)), tuple(sorted(set(edges)))


def _start(cause: ObjectCause, place: int, subject_of: SubjectOf, evidence: str) -> Fact:
    sign, by = cause.found.sign, cause.found.by
    sure = cause.felt in {Felt.IN_OBJECTS, Felt.IN_LINES}
    return Fact(
        subject=subject_of(sign.subject),
        predicate=by.name,
        role=Link.START,
        sentence=sign.sentence,
        source="objects",
        writer="cluster",
        start_class=StartClass.TERMINAL if sure else StartClass.MISFIT,
        value=float(cause.blamed) if cause.blamed else None,
        since=sign.since,
        tolerance=TOLERANCE,
        evidence=evidence,
        names=sign.names,
        remedies=by.remedies,
        settle=by.settle,
        felt=cause.is_cause,
        victims=tuple(dict.fromkeys(subject_of(each) for each in sign.victims)),
        rank=place,
    )


def _told(each: Found, subject_of: SubjectOf, evidence: str) -> Fact:
    sign = each.sign
    return Fact(
        subject=subject_of(sign.subject),
        predicate=each.by.name,
        # what is over starts nothing now; it may still be told
        role=each.by.role,
        sentence=sign.sentence,
        source="objects",
        writer="cluster",
        start_class=StartClass.TERMINAL,
        since=sign.since,
        until=sign.ended,
        tolerance=TOLERANCE,
        evidence=evidence,
        names=sign.names,
        remedies=each.by.remedies,
        settle=each.by.settle,
        victims=tuple(dict.fromkeys(subject_of(victim) for victim in sign.victims)),
        rank=9,
    )
