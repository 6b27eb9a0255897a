"""What an alert is about and how severe it is, by the labels that platforms really write."""

from __future__ import annotations

import pytest

from bot.core.detection.alert_severity import WORDS, SeverityTable
from bot.core.detection.alert_subject import naming_of, service_of
from tools.world import Catalogue, ServiceName, ServiceSpec, Severity, WorkloadRef


def a_service(
    name: str, kind: str = "Deployment", workload: str = "", **more: object
) -> ServiceSpec:
    ref = WorkloadRef("default", "shop", kind, workload or name)
    return ServiceSpec(ServiceName(name), "shop", (ref,), **more)  # type: ignore[arg-type]


CATALOGUE = Catalogue(
    {},
    {
        spec.name: spec
        for spec in (
            a_service("checkout", aliases=("co",)),
            a_service("cart", workload="cart-web"),
            a_service("ledger", "StatefulSet", "ledger-db"),
            a_service("postgres", "StatefulSet"),
            a_service("checkout-worker"),
        )
    },
)
KSM = {"job": "kube-state-metrics", "service": "kube-state-metrics", "instance": "10.0.0.9:8080"}
DEPLOYMENT = WorkloadRef("", "shop", "Deployment", "cart-web", "u")
CASES = {
    "a plain service label": ({"service": "checkout"}, (), "checkout"),
    "an alias": ({"app": "co"}, (), "checkout"),
    "the recommended label": ({"app_kubernetes_io_name": "cart", "service": "x"}, (), "cart"),
    "kube-state-metrics, labels honoured": (
        {**KSM, "namespace": "shop", "deployment": "cart-web"}, (), "cart",
    ),
    "kube-state-metrics, labels renamed": (
        {**KSM, "namespace": "monitoring", "pod": "kube-state-metrics-0",
         "exported_namespace": "shop", "exported_pod": "cart-web-7f9-x2"}, (DEPLOYMENT,), "cart",
    ),
    "a stateful set": ({**KSM, "namespace": "shop", "statefulset": "ledger-db"}, (), "ledger"),
    "a pod by its owners": (
        {"job": "kubelet", "namespace": "shop", "pod": "cart-web-7f9-x2"}, (DEPLOYMENT,), "cart",
    ),
    "a pod whose name only looks like a service's": (
        {"job": "kubelet", "namespace": "shop", "pod": "checkout-migration-1"}, (),
        "checkout-migration-1",
    ),
    "an owner that no service names": (
        {"namespace": "shop", "pod": "batch-1-x"}, (WorkloadRef("", "shop", "CronJob", "batch"),),
        "batch",
    ),
    "the same name in another namespace": (
        {**KSM, "namespace": "test", "deployment": "checkout"}, (), "test/checkout",
    ),
    "a service label in another namespace": (
        {"service": "checkout", "namespace": "staging"}, (), "staging/checkout",
    ),
    "a workload without its namespace": ({"deployment": "checkout"}, (), "checkout"),
    "a namespace that is none": ({"service": "checkout", "namespace": "AWS/RDS"}, (), "checkout"),
    "an exporter beside its subject": (
        {"job": "postgres-exporter", "instance": "10.0.0.7:9187", "pod": "postgres-exporter-1",
         "namespace": "monitoring"}, (), "postgres",
    ),
    "a node": (
        {"job": "node-exporter", "instance": "10.0.0.3:9100", "node": "worker-3",
         "pod": "node-exporter-x", "namespace": "monitoring"}, (), "worker-3",
    ),
    "the exporter itself": ({**KSM, "severity": "warning"}, (), "kube-state-metrics"),
    "a push": ({"job": "pushgateway", "exported_job": "checkout"}, (), "checkout"),
    "kube-state-metrics, told by the labels of its own pod": (
        {"job": "kubernetes-service-endpoints", "app_kubernetes_io_name": "kube-state-metrics",
         "app_kubernetes_io_instance": "prom", "namespace": "shop", "deployment": "mail"}, (),
        "mail",
    ),
    "kube-state-metrics, told by a relabelled name": (  # kube-state-metrics #612
        {"app": "prometheus", "component": "kube-state-metrics", "container": "mail",
         "job": "kubernetes-service-endpoints", "kubernetes_namespace": "monitoring",
         "kubernetes_name": "prom-kube-state-metrics", "namespace": "shop", "pod": "mail-0"},
        (WorkloadRef("", "shop", "StatefulSet", "mail"),), "mail",
    ),
    "a recording rule of kubernetes-mixin": (
        {"namespace": "shop", "workload": "ledger-db", "workload_type": "statefulset"}, (),
        "ledger",
    ),
    "who made a pod": (
        {**KSM, "namespace": "shop", "created_by_kind": "DaemonSet", "created_by_name": "agent"},
        (), "agent",
    ),
    "an owner of no kind": (
        {**KSM, "namespace": "shop", "pod": "a-1", "owner_kind": "<none>", "owner_name": "<none>"},
        (), "a-1",
    ),
    "OpenTelemetry's resource, shown by Prometheus": (
        {"job": "otel-collector", "k8s_namespace_name": "shop", "k8s_deployment_name": "cart-web"},
        (), "cart",
    ),
    "OpenTelemetry's resource, names as they are": (
        {"service.name": "checkout", "k8s.pod.name": "checkout-7f-x"}, (), "checkout",
    ),
    "a mesh": (
        {"job": "istio-mesh", "reporter": "source", "destination_service_name": "cart",
         "destination_service_namespace": "shop"}, (), "cart",
    ),
    "a probe": (
        {"job": "blackbox", "instance": "https://status.example.com/health"}, (),
        "status.example.com",
    ),
    "a probe of a name inside the cluster": (
        {"job": "prometheus-blackbox-exporter", "service": "prometheus-blackbox-exporter",
         "pod": "prometheus-blackbox-exporter-1", "namespace": "monitoring",
         "target": "http://cart.shop.svc.cluster.local:8080"}, (), "cart",
    ),
    "a host without the name of its node": (
        {"job": "node-exporter", "instance": "10.0.0.3:9100", "namespace": "monitoring",
         "pod": "nodes-x", "service": "kps-prometheus-node-exporter"}, (), "10.0.0.3",
    ),
    "a host whose owner is written beside it": (
        {"job": "node", "instance": "db-1:9100", "service": "ledger"}, (), "ledger",
    ),
    "an exporter of hosts that is not there": (
        {"job": "node-exporter", "namespace": "monitoring", "service": "node-exporter"}, (),
        "node-exporter",
    ),
    "a job that is how targets were found": (
        {"job": "kubernetes-pods", "kubernetes_namespace": "shop",
         "kubernetes_pod_name": "cart-web-7f9-x2"}, (DEPLOYMENT,), "cart",
    ),
    "a container, where nothing else is named": (
        {"namespace": "shop", "container": "checkout"}, (), "checkout",
    ),
    "a release of a chart": (
        {"app_kubernetes_io_instance": "checkout", "namespace": "shop"}, (), "checkout",
    ),
    "nothing": ({"severity": "page"}, (), "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_an_alert_is_about_its_subject_and_never_about_who_exported_it(case: str) -> None:
    labels, owners, service = CASES[case]
    assert service_of(naming_of(labels, ""), owners, CATALOGUE, "") == service


def test_the_object_it_is_about_is_named_with_its_namespace() -> None:
    found = naming_of({**KSM, "exported_namespace": "shop", "exported_pod": "a-1"}, "eu-1")
    assert str(found.workload) == "eu-1:shop/Pod/a-1"
    place = naming_of({**KSM, "namespace": "shop", "persistentvolumeclaim": "data-0"}, "").place
    assert str(place) == "shop/PersistentVolumeClaim/data-0"


@pytest.mark.parametrize(
    ("labels", "severity", "word", "known"),
    [
        ({"severity": "critical"}, Severity.CRITICAL, "critical", True),
        ({"severity": " Warning "}, Severity.MEDIUM, "Warning", True),
        ({"severity": "none"}, Severity.LOW, "none", True),
        ({"severity": "info"}, Severity.LOW, "info", True),
        ({"priority": "P1"}, Severity.CRITICAL, "P1", True),
        ({"severity": "nuisance"}, Severity.LOW, "nuisance", True),  # the platform's own
        ({"severity": "page"}, Severity.HIGH, "page", True),  # the platform says otherwise
        ({"severity": "sehr schlimm"}, Severity.HIGH, "sehr schlimm", False),
        ({"severity": ""}, Severity.HIGH, "", False),
        ({}, Severity.HIGH, "", False),
    ],
)
def test_a_severity_is_read_from_a_table_and_what_is_in_none_is_said(
    labels: dict[str, str], severity: Severity, word: str, known: bool
) -> None:
    table = SeverityTable({"nuisance": Severity.LOW, "page": Severity.HIGH})
    found, said = table.of(labels)
    assert (found, said.text, said.known) == (severity, word, known)


def test_a_team_may_take_unknown_words_otherwise() -> None:
    assert SeverityTable(unknown=Severity.LOW).of({"severity": "?"})[0] is Severity.LOW


def test_no_word_has_two_meanings() -> None:
    assert len(WORDS) >= 40
    assert all(word == word.lower().strip() for word in WORDS)
