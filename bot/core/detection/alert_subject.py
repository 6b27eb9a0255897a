"""What an alert is about: the workload and service that its labels name, never who exported it.

    labels ──without the exporter's own──> service=…  in the catalogue?        that service
                                           deployment=…, pod=… and its owners? the service of it
                                           else what the labels call it

What the labels are called by whom, and which of them are an exporter's, is in `alert_conventions`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.core.detection.alert_conventions import (
    NAMESPACE_LABELS,
    OWNER_LABELS,
    PLACE_LABELS,
    SERVICE_LABELS,
    WORKLOAD_LABELS,
    kind_called,
    of_the_subject,
)
from tools.world import Catalogue, ServiceName, ServiceSpec, WorkloadRef, is_namespace

UNKNOWN = ServiceName("unknown")


@dataclass(frozen=True, slots=True)
class Naming:
    """What labels name, before any cluster was asked."""

    services: tuple[str, ...]  # values that may be a service's name, the most telling first
    namespace: str  # where it is, empty: the labels do not say
    workload: WorkloadRef | None  # the object it is about, where one is named
    place: WorkloadRef | None  # a node, a volume, a namespace: no workload
    above: tuple[WorkloadRef, ...] = ()  # who owns the object, where the labels say so


def naming_of(labels: Mapping[str, str], cluster: str) -> Naming:
    """Return what an alert's labels name. `cluster` is where they were observed, empty: unsaid."""
    own = of_the_subject(labels)
    space = next((own[name] for name in NAMESPACE_LABELS if own.get(name)), "")
    space = space if is_namespace(space) else ""  # CloudWatch has `namespace="AWS/RDS"`
    above = _owners_in(own, space, cluster)
    workload = _named(own, WORKLOAD_LABELS, space, cluster) or next(iter(above), None)
    called = [own[name] for name in SERVICE_LABELS if own.get(name)]
    if workload is None and own.get("container"):  # of a pod it is the pod that tells more
        called.append(own["container"])
    return Naming(
        tuple(dict.fromkeys(called)),
        space,
        workload,
        _named(own, PLACE_LABELS, space, cluster),
        above,
    )


def service_of(
    naming: Naming, owners: Sequence[WorkloadRef], catalogue: Catalogue, cluster: str
) -> ServiceName:
    """Return the catalogued service it is about, else what its labels call it.

    `owners` stand above the workload, as the cluster tells; a name's beginning is no owner.
    """
    for name in naming.services:
        known = _called(name, catalogue)
        if known is not None and _is_in(known, naming.namespace):
            return catalogue.service_at(known.name, cluster)
    refs = [*([naming.workload] if naming.workload else []), *naming.above, *owners]
    for ref in refs:
        found = [spec for spec in catalogue.services.values() if _runs(spec.workloads, ref)]
        if found:
            return found[0].name
    owners = owners or naming.above
    named = owners[-1] if owners else naming.workload or naming.place
    name = naming.services[0] if naming.services else named.name if named is not None else ""
    known = _called(name, catalogue)
    if known is not None and naming.namespace:  # one of the same name, somewhere else
        return ServiceName(f"{naming.namespace}/{name}")
    if known is not None:  # the labels do not say where: then it is the one that is known
        return catalogue.service_at(known.name, cluster)
    return ServiceName(name) if name else UNKNOWN


def _named(
    labels: Mapping[str, str], kinds: Mapping[str, str], space: str, cluster: str
) -> WorkloadRef | None:
    for name, kind in kinds.items():
        if labels.get(name):
            inside = "" if kind in {"Node", "Namespace"} else space
            return WorkloadRef(cluster, inside, kind, labels[name])
    return None


def _owners_in(labels: Mapping[str, str], space: str, cluster: str) -> tuple[WorkloadRef, ...]:
    """Return the owners that labels name by kind and name."""
    found = []
    for kind_label, name_label in OWNER_LABELS.items():
        kind, name = kind_called(labels.get(kind_label, "")), labels.get(name_label, "")
        if kind and name:
            inside = "" if kind == "Node" else space
            found.append(WorkloadRef(cluster, inside, kind, name))
    return tuple(found)


def _called(name: str, catalogue: Catalogue) -> ServiceSpec | None:
    """Return the catalogued service of that name or alias."""
    if ServiceName(name) in catalogue.services:
        return catalogue.services[ServiceName(name)]
    return next((s for s in catalogue.services.values() if name in s.aliases), None)


def _is_in(spec: ServiceSpec, namespace: str) -> bool:
    """Whether a service is where an alert is from; the same name in a test namespace is another."""
    own = {spec.namespace, *(ref.namespace for ref in spec.workloads)} - {""}
    return not namespace or not own or namespace in own


def _runs(workloads: Sequence[WorkloadRef], ref: WorkloadRef) -> bool:
    return any(
        (each.namespace, each.name) == (ref.namespace, ref.name)
        and ref.cluster in {"", each.cluster}
        and each.kind == ref.kind
        for each in workloads
    )
