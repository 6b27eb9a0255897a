"""What labels are called by those who write them, and which of them are an exporter's own.

kube-state-metrics tells of others' objects. Where Prometheus keeps the exporter's own labels, those
of the object are called `exported_…`; where it honours the object's, only `job`, `service`,
`instance`, `endpoint` and the labels of its pod are the exporter's (Prometheus documentation,
`honor_labels`). Read in November 2026: kube-state-metrics' documentation of metrics, the recording
rules of kubernetes-mixin (`workload`), OpenTelemetry's conventions for Kubernetes as Prometheus
shows them, Istio's standard metrics, Prometheus' example of scraping Kubernetes (`kubernetes_…`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

EXPORTED = "exported_"
# Label names by which teams call a service, the most telling first.
SERVICE_LABELS = (
    "destination_service_name", "service", "service_name", "app", "app_kubernetes_io_name",
    "label_app_kubernetes_io_name", "label_app", "k8s_app", "application", "component",
    "app_kubernetes_io_instance", "job",
)  # fmt: skip
WORKLOAD_LABELS: Mapping[str, str] = {  # and the kind that each one names
    "deployment": "Deployment",
    "k8s_deployment_name": "Deployment",
    "statefulset": "StatefulSet",
    "k8s_statefulset_name": "StatefulSet",
    "daemonset": "DaemonSet",
    "k8s_daemonset_name": "DaemonSet",
    "rollout": "Rollout",
    "cronjob": "CronJob",
    "k8s_cronjob_name": "CronJob",
    "job_name": "Job",
    "k8s_job_name": "Job",
    "replicaset": "ReplicaSet",
    "horizontalpodautoscaler": "HorizontalPodAutoscaler",
    "hpa": "HorizontalPodAutoscaler",
    "poddisruptionbudget": "PodDisruptionBudget",
    "pod": "Pod",
    "pod_name": "Pod",
    "k8s_pod_name": "Pod",
    "kubernetes_pod_name": "Pod",
}
OWNER_LABELS: Mapping[str, str] = {  # where an owner's kind stands, and its name
    "workload_type": "workload",
    "created_by_kind": "created_by_name",
    "owner_kind": "owner_name",
}
PLACE_LABELS: Mapping[str, str] = {
    "persistentvolumeclaim": "PersistentVolumeClaim",
    "node": "Node",
    "nodename": "Node",
    "k8s_node_name": "Node",
    "namespace": "Namespace",
}
NAMESPACE_LABELS = (
    "namespace", "k8s_namespace_name", "kubernetes_namespace", "namespace_name",
    "destination_service_namespace", "destination_workload_namespace",
)  # fmt: skip
_KINDS = {
    kind.lower(): kind for kind in (*WORKLOAD_LABELS.values(), *PLACE_LABELS.values())
}  # kubernetes-mixin writes them small
_OF_THE_TARGET = frozenset(
    {
        "job", "service", "instance", "endpoint", "app", "k8s_app", "component",
        "app_kubernetes_io_name", "app_kubernetes_io_instance", "kubernetes_name",
        "kubernetes_namespace", "kubernetes_pod_name",
    }
)  # fmt: skip
_OF_ITS_POD = frozenset({"pod", "pod_name", "namespace", "container", "deployment", "daemonset"})
_SAYS_WHO = (
    "job", "service", "app_kubernetes_io_name", "app", "k8s_app", "component", "kubernetes_name",
)  # fmt: skip
_MEASURES_HOSTS = frozenset({"node", "nodes", "windows", "ipmi"})  # what the exporter is called
_PROBES = frozenset({"blackbox", "snmp", "probe"})
_EXPORTERS = frozenset({"kubelet", "cadvisor", "pushgateway", "kube_state_metrics"})
_ENDINGS = ("kube-state-metrics", "-exporter", "_exporter", "pushgateway", "-kubelet")
# Jobs that are named after how they find their targets, or after who hands series on.
_SCRAPES = frozenset(
    {
        "kubernetes-pods", "kubernetes-pods-slow", "kubernetes-service-endpoints",
        "kubernetes-service-endpoints-slow", "kubernetes-services", "kubernetes-nodes",
        "kubernetes-nodes-cadvisor", "otel-collector", "opentelemetry-collector", "istio-mesh",
        "envoy-stats", "federate",
    }
)  # fmt: skip


def of_the_subject(labels: Mapping[str, str]) -> dict[str, str]:
    """Leave out what says who exported the series; what is left is about its subject."""
    named = {name.replace(".", "_"): value for name, value in labels.items()}
    exported = {
        name.removeprefix(EXPORTED): value
        for name, value in named.items()
        if name.startswith(EXPORTED)
    }
    plain = {name: value for name, value in named.items() if not name.startswith(EXPORTED)}
    if exported:
        return _without(plain, _OF_THE_TARGET | _OF_ITS_POD) | exported
    reporter = next((_bare(plain[name]) for name in _SAYS_WHO if _exports(plain, name)), "")
    if not reporter:
        scraped = plain.get("job", "") in _SCRAPES
        left = _without(plain, {"job"} if scraped else ())
    else:
        left = _without(plain, _OF_THE_TARGET)
    if _stands_beside_its_subject(reporter):  # then its pod is its own
        left = _without(left, _OF_ITS_POD)
        left["service"], left["namespace"] = _beside(reporter, plain)
    names = (*WORKLOAD_LABELS, *OWNER_LABELS, *PLACE_LABELS, *SERVICE_LABELS)
    # With nothing else named it is the exporter that is in trouble.
    return left if any(left.get(name) for name in names) else plain


def kind_called(name: str) -> str:
    """Return a kind as Kubernetes writes it; empty for what is none that we know."""
    return _KINDS.get(name.lower(), "")


def _bare(value: str) -> str:
    return value.lower().rpartition("/")[2]


def _exports(labels: Mapping[str, str], name: str) -> bool:
    value = _bare(labels.get(name, ""))
    if name == "job" and value in _MEASURES_HOSTS | _PROBES:
        return True
    return value in _EXPORTERS or value.endswith(_ENDINGS)


def _stands_beside_its_subject(reporter: str) -> bool:
    """Whether its series carry none of the labels of what they tell of."""
    return reporter.endswith(("-exporter", "_exporter")) or reporter in _MEASURES_HOSTS | _PROBES


def _beside(reporter: str, labels: Mapping[str, str]) -> tuple[str, str]:
    """Return whom an exporter tells of, and its namespace where a probe's target says it.

    `postgres-exporter` tells of postgres, a probe of its target.
    """
    name = reporter
    for ending in ("-exporter", "_exporter"):
        name = name.removesuffix(ending)
    what = name.replace("_", "-").rpartition("-")[2]
    if what not in _MEASURES_HOSTS | _PROBES:
        return name, ""
    for said in ("service", "app"):  # written beside a target by hand: whose host or address it is
        if labels.get(said) and not _exports(labels, said):
            return labels[said], ""
    if what in _MEASURES_HOSTS and any(labels.get(each) for each in ("node", "nodename")):
        return "", ""
    return _inside(_host(labels.get("target") or labels.get("instance", "")))


def _host(target: str) -> str:
    """Return the host of an address or URL; what is none of both as it is."""
    try:
        return urlsplit(target if "://" in target else f"//{target}").hostname or target
    except ValueError:  # an unclosed bracket
        return target


def _inside(host: str) -> tuple[str, str]:
    """Return name and namespace of a service by its name inside a cluster, else the host alone."""
    name, _, rest = host.partition(".")
    space, _, rest = rest.partition(".")
    return (name, space) if rest == "svc" or rest.startswith("svc.") else (host, "")


def _without(labels: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    left_out = frozenset(names)
    return {name: value for name, value in labels.items() if name not in left_out}
