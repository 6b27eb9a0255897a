"""What an alert is about: the workload and service that its labels name, never who exported it.

    labels ──without the exporter's own──> service=…  in the catalogue?        that service
                                           deployment=…, pod=… and its owners? the service of it
                                           else what the labels call it

kube-state-metrics tells of others' objects. Where Prometheus keeps the exporter's own labels, those
of the object are called `exported_…`; where it honours the object's, only `job`, `service`,
`instance` and `endpoint` are the exporter's (Prometheus documentation, `honor_labels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tools.world import Catalogue, ServiceName, ServiceSpec, WorkloadRef, is_namespace

UNKNOWN = ServiceName("unknown")
EXPORTED = "exported_"
# Label names by which teams call a service, the most telling first.
SERVICE_LABELS = (
    "service", "service_name", "app", "app_kubernetes_io_name", "label_app_kubernetes_io_name",
    "label_app", "k8s_app", "application", "component", "job",
)  # fmt: skip
# Labels of kube-state-metrics (its documentation of metrics) and the kind that each one names.
WORKLOAD_LABELS: Mapping[str, str] = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "rollout": "Rollout",
    "cronjob": "CronJob",
    "job_name": "Job",
    "replicaset": "ReplicaSet",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "hpa": "HorizontalPodAutoscaler",
    "poddisruptionbudget": "PodDisruptionBudget",
    "pod": "Pod",
    "pod_name": "Pod",
}
PLACE_LABELS: Mapping[str, str] = {
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "node": "Node",
    "nodename": "Node",
    "namespace": "Namespace",
}
_OF_THE_TARGET = frozenset({"job", "service", "instance", "endpoint", "app", "k8s_app"})
_OF_ITS_POD = frozenset({"pod", "pod_name", "namespace", "container", "deployment", "daemonset"})
_EXPORTERS = frozenset({"kubelet", "cadvisor", "pushgateway", "kube_state_metrics"})
_ENDINGS = ("kube-state-metrics", "-exporter", "_exporter", "pushgateway", "-kubelet")


@dataclass(frozen=True, slots=True)
class Naming:
    """What labels name, before any cluster was asked."""

    services: tuple[str, ...]  # values that may be a service's name, the most telling first
    namespace: str  # where it is, empty: the labels do not say
    workload: WorkloadRef | None  # the object it is about, where one is named
    place: WorkloadRef | None  # a node, a volume, a namespace: no workload


def naming_of(labels: Mapping[str, str], cluster: str) -> Naming:
    """Return what an alert's labels name. `cluster` is where they were observed, empty: unsaid."""
    own = _of_the_subject(labels)
    space = own.get("namespace", "")
    space = space if is_namespace(space) else ""  # CloudWatch has `namespace="AWS/RDS"`
    services = tuple(dict.fromkeys(own[name] for name in SERVICE_LABELS if own.get(name)))
    return Naming(
        services,
        space,
        _named(own, WORKLOAD_LABELS, space, cluster),
        _named(own, PLACE_LABELS, space, cluster),
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
    refs = [*([naming.workload] if naming.workload else []), *owners]
    for ref in refs:
        found = [spec for spec in catalogue.services.values() if _runs(spec.workloads, ref)]
        if found:
            return found[0].name
    named = owners[-1] if owners else naming.workload or naming.place
    name = naming.services[0] if naming.services else named.name if named is not None else ""
    known = _called(name, catalogue)
    if known is not None and naming.namespace:  # one of the same name, somewhere else
        return ServiceName(f"{naming.namespace}/{name}")
    if known is not None:  # the labels do not say where: then it is the one that is known
        return catalogue.service_at(known.name, cluster)
    return ServiceName(name) if name else UNKNOWN


def _of_the_subject(labels: Mapping[str, str]) -> dict[str, str]:
    """Leave out what says who exported the series; what is left is about its subject."""
    exported = {
        name.removeprefix(EXPORTED): value
        for name, value in labels.items()
        if name.startswith(EXPORTED)
    }
    plain = {name: value for name, value in labels.items() if not name.startswith(EXPORTED)}
    reporter = next((plain[name] for name in ("job", "service") if _exports(plain, name)), "")
    if exported:
        return _without(plain, _OF_THE_TARGET | _OF_ITS_POD) | exported
    if not reporter:
        return plain
    left = _without(plain, _OF_THE_TARGET)
    if not _tells_of_others(reporter):  # an exporter beside its subject: its pod is its own
        left = _without(left, _OF_ITS_POD)
        left["service"] = _beside(reporter)
    names = (*WORKLOAD_LABELS, *PLACE_LABELS, *SERVICE_LABELS)
    # With nothing else named it is the exporter that is in trouble.
    return left if any(left.get(name) for name in names) else plain


def _exports(labels: Mapping[str, str], name: str) -> bool:
    value = labels.get(name, "").lower().rpartition("/")[2]
    return value in _EXPORTERS or value.endswith(_ENDINGS)


def _tells_of_others(reporter: str) -> bool:
    """Whether its series carry the labels of the objects they tell of."""
    return not reporter.lower().endswith(("-exporter", "_exporter"))


def _beside(reporter: str) -> str:
    """Return whom an exporter stands beside: `postgres-exporter` tells of postgres."""
    name = reporter.rpartition("/")[2]
    for ending in ("-exporter", "_exporter"):
        name = name.removesuffix(ending)
    return "" if name.lower().endswith("node") else name


def _without(labels: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    left_out = frozenset(names)
    return {name: value for name, value in labels.items() if name not in left_out}


def _named(
    labels: Mapping[str, str], kinds: Mapping[str, str], space: str, cluster: str
) -> WorkloadRef | None:
    for name, kind in kinds.items():
        if labels.get(name):
            inside = "" if kind in {"Node", "Namespace"} else space
            return WorkloadRef(cluster, inside, kind, labels[name])
    return None


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
