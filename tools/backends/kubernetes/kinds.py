"""Where the API serves each kind we know, and the RBAC rule that names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

from foundation.nearest import nearest
from tools.errors import BadArgumentError
from tools.world import WorkloadRef


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the API."""

    group: str  # "" is the core group
    version: str
    plural: str
    namespaced: bool = True

    @property
    def base(self) -> str:
        group = f"/apis/{self.group}" if self.group else "/api"
        return f"{group}/{self.version}"

    def collection(self, namespace: str) -> str:
        """Return the path of all objects, of one namespace when it is named."""
        inside = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        return f"{self.base}{inside}/{self.plural}"

    def path(self, ref: WorkloadRef, subresource: str = "") -> str:
        """Return the path of one object."""
        tail = f"/{subresource}" if subresource else ""
        return f"{self.collection(ref.namespace)}/{quote(ref.name, safe=':')}{tail}"


NEWER_EVENT = "Event.events.k8s.io"  # the same objects as `Event`, served by the newer API
KINDS: Mapping[str, Resource] = MappingProxyType(
    {
        "Deployment": Resource("apps", "v1", "deployments"),
        "ReplicaSet": Resource("apps", "v1", "replicasets"),
        "StatefulSet": Resource("apps", "v1", "statefulsets"),
        "DaemonSet": Resource("apps", "v1", "daemonsets"),
        "ControllerRevision": Resource("apps", "v1", "controllerrevisions"),
        "Pod": Resource("", "v1", "pods"),
        "ConfigMap": Resource("", "v1", "configmaps"),
        "Service": Resource("", "v1", "services"),
        "Event": Resource("", "v1", "events"),
        NEWER_EVENT: Resource("events.k8s.io", "v1", "events"),
        "Namespace": Resource("", "v1", "namespaces", namespaced=False),
        "PersistentVolumeClaim": Resource("", "v1", "persistentvolumeclaims"),
        "PersistentVolume": Resource("", "v1", "persistentvolumes", namespaced=False),
        "ResourceQuota": Resource("", "v1", "resourcequotas"),
        "StorageClass": Resource("storage.k8s.io", "v1", "storageclasses", namespaced=False),
        "Ingress": Resource("networking.k8s.io", "v1", "ingresses"),
        "NetworkPolicy": Resource("networking.k8s.io", "v1", "networkpolicies"),
        "Node": Resource("", "v1", "nodes", namespaced=False),
        "HorizontalPodAutoscaler": Resource("autoscaling", "v2", "horizontalpodautoscalers"),
        "PodDisruptionBudget": Resource("policy", "v1", "poddisruptionbudgets"),
        "Job": Resource("batch", "v1", "jobs"),
        "CronJob": Resource("batch", "v1", "cronjobs"),
        "PodMetrics": Resource("metrics.k8s.io", "v1beta1", "pods"),
        "NodeMetrics": Resource("metrics.k8s.io", "v1beta1", "nodes", namespaced=False),
        "Cluster": Resource("postgresql.cnpg.io", "v1", "clusters"),  # CloudNativePG
        "Rollout": Resource("argoproj.io", "v1alpha1", "rollouts"),  # Argo Rollouts
    }
)


def resource_of(kind: str) -> Resource:
    """Return where a kind is served. Raises BadArgumentError with the nearest kind."""
    try:
        return KINDS[kind]
    except KeyError:
        raise BadArgumentError(f"kind {kind!r} is not one we know.{nearest(kind, KINDS)}") from None


def rbac_rule(verb: str, resource: Resource, namespace: str, subresource: str = "") -> str:
    """Return the rule that is missing, as an operator would write it."""
    part = subresource.partition("/")[0]  # the rest of a proxied path is not the API's
    name = f"{resource.plural}/{part}" if part else resource.plural
    where = f" in namespace {namespace!r}" if namespace else " (cluster-wide)"
    return f'{{apiGroups: ["{resource.group}"], resources: ["{name}"], verbs: ["{verb}"]}}{where}'
