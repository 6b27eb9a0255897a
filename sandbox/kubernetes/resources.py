"""Which resources the imitated API server serves, and what discovery says of them.

A *resource* is `deployments` in group `apps`, version `v1`; its *id* is `deployments.apps`.
One resource may be served in a second version (`horizontalpodautoscalers` as v1 and v2); it is
stored in the first.
"""

from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes.status import Json, Target

READ = ("get", "list", "watch")
WRITE = ("create", "update", "patch", "delete")


@dataclass(frozen=True)
class Resource:
    """One served resource."""

    group: str  # "" is the core group
    version: str
    plural: str
    kind: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    verbs: tuple[str, ...] = (*READ, *WRITE)
    subresources: tuple[str, ...] = ()
    has_status: bool = True  # status is written through its subresource only
    categories: tuple[str, ...] = ()
    custom: bool = False  # a custom resource takes no strategic merge patch
    also: tuple[str, ...] = field(default=())  # further versions it is served in

    @property
    def id(self) -> str:
        """`deployments.apps`, or `pods` for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def target(self, name: str = "", uid: str = "") -> Target:
        """How error messages name an object of this resource."""
        return Target(self.plural, self.kind, self.group, name, uid)


APPS, BATCH, POLICY = "apps", "batch", "policy"
HPA_GROUP, CNPG_GROUP, AUTH_GROUP = "autoscaling", "postgresql.cnpg.io", "authorization.k8s.io"

PODS = Resource(
    "",
    "v1",
    "pods",
    "Pod",
    ("po",),
    subresources=("log", "eviction", "status", "proxy"),
    categories=("all",),
)
EVENTS = Resource("", "v1", "events", "Event", ("ev",), has_status=False)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap", ("cm",), has_status=False)
SECRETS = Resource("", "v1", "secrets", "Secret", has_status=False)
SERVICES = Resource("", "v1", "services", "Service", ("svc",), categories=("all",))
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", ("ns",), namespaced=False)
NODES = Resource("", "v1", "nodes", "Node", ("no",), namespaced=False, subresources=("status",))
DEPLOYMENTS = Resource(
    APPS,
    "v1",
    "deployments",
    "Deployment",
    ("deploy",),
    subresources=("scale", "status"),
    categories=("all",),
)
REPLICA_SETS = Resource(
    APPS,
    "v1",
    "replicasets",
    "ReplicaSet",
    ("rs",),
    subresources=("scale", "status"),
    categories=("all",),
)
STATEFUL_SETS = Resource(
    APPS,
    "v1",
    "statefulsets",
    "StatefulSet",
    ("sts",),
    subresources=("scale", "status"),
    categories=("all",),
)
DAEMON_SETS = Resource(  # served, though no world has one yet: a client that lists them finds none
    APPS, "v1", "daemonsets", "DaemonSet", ("ds",), subresources=("status",), categories=("all",)
)
REVISIONS = Resource(APPS, "v1", "controllerrevisions", "ControllerRevision", has_status=False)
HPAS = Resource(
    HPA_GROUP,
    "v2",
    "horizontalpodautoscalers",
    "HorizontalPodAutoscaler",
    ("hpa",),
    subresources=("status",),
    categories=("all",),
    also=("v1",),
)
JOBS = Resource(BATCH, "v1", "jobs", "Job", subresources=("status",), categories=("all",))
CRON_JOBS = Resource(
    BATCH, "v1", "cronjobs", "CronJob", ("cj",), subresources=("status",), categories=("all",)
)
BUDGETS = Resource(
    POLICY, "v1", "poddisruptionbudgets", "PodDisruptionBudget", ("pdb",), subresources=("status",)
)
PG_CLUSTERS = Resource(
    CNPG_GROUP, "v1", "clusters", "Cluster", subresources=("status",), custom=True
)

STORED: tuple[Resource, ...] = (
    PODS, EVENTS, CONFIG_MAPS, SECRETS, SERVICES, NAMESPACES, NODES,
    DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS, REVISIONS, HPAS, JOBS, CRON_JOBS, BUDGETS,
    PG_CLUSTERS, DAEMON_SETS,
)  # fmt: skip
METRICS_GROUP = "metrics.k8s.io"
MEASURED_KINDS = {"nodes": "NodeMetrics", "pods": "PodMetrics"}
MEASURED = {plural: f"{plural}.{METRICS_GROUP}" for plural in MEASURED_KINDS}  # not stored
REVIEW = "selfsubjectaccessreviews"
RULES_REVIEW = "selfsubjectrulesreviews"
SERVER_VERSION: Json = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.4",
    "gitCommit": "sandbox",
    "gitTreeState": "clean",
    "buildDate": "2025-04-22T16:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "sandbox/imitated",
}


def find_resource(group: str, version: str, plural: str) -> Resource | None:
    """The resource served under this group, version and plural."""
    for resource in STORED:
        if (resource.group, resource.plural) == (group, plural) and version in (
            resource.version,
            *resource.also,
        ):
            return resource
    return None


def group_versions() -> dict[str, list[str]]:
    """Group -> versions served, the preferred first; the core group is left out."""
    found: dict[str, list[str]] = {}
    for resource in STORED:
        if resource.group:
            versions = found.setdefault(resource.group, [])
            for version in (resource.version, *resource.also):
                if version not in versions:
                    versions.append(version)
    found[AUTH_GROUP] = ["v1"]
    found[METRICS_GROUP] = ["v1beta1"]
    return found


def api_versions(server: str) -> Json:
    """`GET /api`."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
    }


def api_group(name: str, versions: list[str]) -> Json:
    """`GET /apis/GROUP`."""
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": listed,
        "preferredVersion": listed[0],
    }


def api_group_list() -> Json:
    """`GET /apis`."""
    groups = [api_group(name, versions) for name, versions in group_versions().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def resource_list(group: str, version: str) -> Json:
    """`GET /api/v1` or `GET /apis/GROUP/VERSION`."""
    listed: list[Json] = []
    for resource in STORED:
        if resource.group == group and version in (resource.version, *resource.also):
            listed.append(_described(resource))
            listed.extend(_described_part(resource, part) for part in resource.subresources)
    if group == AUTH_GROUP:
        for plural, kind in ((REVIEW, "SelfSubjectAccessReview"),
                             (RULES_REVIEW, "SelfSubjectRulesReview")):  # fmt: skip
            listed.append({
                "name": plural, "singularName": kind.lower(), "namespaced": False,
                "kind": kind, "verbs": ["create"],
            })  # fmt: skip
    if group == METRICS_GROUP:
        listed += [
            {
                "name": plural, "singularName": "", "namespaced": plural == "pods",
                "kind": kind, "verbs": ["get", "list"],
            }
            for plural, kind in MEASURED_KINDS.items()
        ]  # fmt: skip
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": listed,
    }


def _described(resource: Resource) -> Json:
    described: dict[str, Any] = {
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": sorted(resource.verbs),
    }
    if resource.short_names:
        described["shortNames"] = list(resource.short_names)
    if resource.categories:
        described["categories"] = list(resource.categories)
    return described


def _described_part(resource: Resource, part: str) -> Json:
    kind, group, version, verbs = {
        "scale": ("Scale", HPA_GROUP, "v1", ["get", "patch", "update"]),
        "eviction": ("Eviction", POLICY, "v1", ["create"]),
        "log": (resource.kind, "", "", ["get"]),
        "proxy": ("PodProxyOptions", "", "", ["get"]),
        "status": (resource.kind, "", "", ["get", "patch", "update"]),
    }[part]
    described: dict[str, Any] = {
        "name": f"{resource.plural}/{part}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": kind,
        "verbs": verbs,
    }
    if group:
        described |= {"group": group, "version": version}
    return described


def autoscaler_v1(item: Json) -> Json:
    """Convert a stored v2 HorizontalPodAutoscaler to v1."""
    spec, status = item["spec"], item.get("status", {})
    old_spec = {key: value for key, value in spec.items() if key not in {"metrics", "behavior"}}
    target = _cpu_target(spec.get("metrics", []), "target")
    if target is not None:
        old_spec["targetCPUUtilizationPercentage"] = target
    old_status = {
        key: value for key, value in status.items() if key not in {"currentMetrics", "conditions"}
    }
    current = _cpu_target(status.get("currentMetrics", []), "current")
    if current is not None:
        old_status["currentCPUUtilizationPercentage"] = current
    return item | {"apiVersion": "autoscaling/v1", "spec": old_spec, "status": old_status}


def autoscaler_v2(item: Json) -> Json:
    """Convert a v1 HorizontalPodAutoscaler, as a client wrote it, to the stored v2."""
    spec = dict(item.get("spec", {}))
    target = spec.pop("targetCPUUtilizationPercentage", None)
    if target is not None:
        wanted = {"type": "Utilization", "averageUtilization": target}
        resource = {"name": "cpu", "target": wanted}
        spec["metrics"] = [{"type": "Resource", "resource": resource}]
    return item | {"apiVersion": "autoscaling/v2", "spec": spec}


def _cpu_target(metrics: list[Json], field_name: str) -> int | None:
    for metric in metrics:
        resource = metric.get("resource", {})
        if resource.get("name") == "cpu":
            value: int | None = resource.get(field_name, {}).get("averageUtilization")
            return value
    return None
