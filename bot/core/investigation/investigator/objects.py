"""What the investigator takes from examined objects: their facts, and what is not well.

Examined (state, signs) + whom error lines blame ──causes──> facts of services and objects
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tools.analysis.blame import Blame, blamed
from tools.analysis.facts import Edge, Fact, FactSubject, service
from tools.analysis.symptoms import SeenPattern
from tools.doctor import Found, Link, Object
from tools.doctor.object_facts import ON_PURPOSE, object_facts
from tools.observe.objects import Examined
from tools.world import Catalogue, ServiceName, WorkloadRef

Told = tuple[Examined, str]  # with the id of its evidence


def facts_of_objects(
    examined: Iterable[Told], patterns: Sequence[SeenPattern], catalogue: Catalogue
) -> tuple[list[Fact], list[Edge]]:
    """Return what objects say; `patterns` are new lines, which may blame a way through them."""
    lines: Counter[Blame] = Counter()
    for pattern in patterns:
        if (blame := blamed(pattern.sample)) is not None:
            lines[blame] += pattern.count
    facts: list[Fact] = []
    edges: list[Edge] = []
    for one, evidence in examined:

        def subject_of(each: Object, one: Examined = one) -> FactSubject:
            return _subject(each, one, catalogue)

        found, ways = object_facts(one.causes(lines), one.found, subject_of, evidence)
        facts += found
        edges += ways
    return facts, edges


def addresses_of(examined: Iterable[Told], catalogue: Catalogue) -> dict[str, ServiceName]:
    """Return the names and addresses in the clusters under which services are reached."""
    found: dict[str, ServiceName] = {}
    for one, _ in examined:
        for item in one.state.of("Service"):
            meta, spec = item.get("metadata") or {}, item.get("spec") or {}
            here = Object("Service", meta.get("namespace", ""), meta.get("name", ""))
            who = _subject(here, one, catalogue)
            if who.kind != "service":  # under another name it may still take a service's pods
                owners = {one.service(one.state.workload_of(p)) for p in one.state.selected(item)}
                who = service(next(iter(owners))) if len(owners) == 1 else who
            if who.kind == "service" and who.name:
                for name in (here.name, spec.get("clusterIP"), *(spec.get("clusterIPs") or ())):
                    if name and name != "None":
                        found.setdefault(str(name), ServiceName(who.name))
        for pod in one.state.pods:
            address = (pod.get("status") or {}).get("podIP")
            name = one.service(one.state.workload_of(pod))
            if address and name:
                found.setdefault(str(address), name)
    return found


def unwell_objects(
    examined: Iterable[Told], asked: Sequence[ServiceName]
) -> list[tuple[Found, str]]:
    """Return the symptoms that objects show now, of the services asked about or of all."""
    return [
        (found, evidence)
        for one, evidence in examined
        for found in one.found
        if found.present
        and found.by.role is Link.SHOW
        and found.by.name not in ON_PURPOSE
        and (not asked or one.service(found.sign.subject) in asked)
    ]


def _subject(each: Object, one: Examined, catalogue: Catalogue) -> FactSubject:
    """Return the service that an object belongs to, else the object itself."""
    name = one.service(each)
    if not name and each.namespace:
        spec = catalogue.service_of(WorkloadRef(one.cluster, each.namespace, each.kind, each.name))
        exact = spec is not None and (
            each.kind != "Service" or each.name == spec.label
        )  # what only continues a workload's name (a claim, a map) is itself
        if spec is not None and exact and each.kind in _OWN:
            name = spec.name
    return service(name) if name else FactSubject(each.kind.lower(), each.name, each.namespace)


_OWN = frozenset({"Service", "Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job"})
