"""The metrics API, `metrics.k8s.io/v1beta1`: what pods and nodes use, where somebody measures it.

Who measures is given to the cluster (`Cluster.usage_provider`); without, the group is not served,
as in a cluster without metrics-server.
"""

from collections.abc import Mapping

from sandbox.kubernetes import access
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.resources import MEASURED, MEASURED_KINDS, METRICS_GROUP, NODES, PODS
from sandbox.kubernetes.status import Json, Target, forbidden, no_such_path, not_found
from sandbox.kubernetes.store import stamp

VERSION = "v1beta1"


def answer(cluster: Cluster, user: str, path: list[str]) -> Json:
    """Answer a GET below `/apis/metrics.k8s.io/v1beta1`."""
    provider = cluster.usage_provider
    match path:
        case ["namespaces", namespace, "pods" as plural, *rest]:
            pass
        case [("pods" | "nodes") as plural, *rest]:
            namespace = ""
        case _:
            raise no_such_path()
    if provider is None or len(rest) > 1:
        raise no_such_path()
    name = "".join(rest)
    kind = MEASURED_KINDS[plural]
    target = Target(plural, kind, METRICS_GROUP, name)
    verb = "get" if name else "list"
    if not access.allowed(user, verb, MEASURED[plural]):
        raise forbidden(user, verb, target, namespace, "")
    used = provider()
    items = _nodes(cluster, used) if plural == "nodes" else _pods(cluster, namespace, used)
    if name:
        found = next((item for item in items if item["metadata"]["name"] == name), None)
        if found is None:
            raise not_found(target)
        return {"kind": kind, "apiVersion": f"{METRICS_GROUP}/{VERSION}", **found}
    version = {"kind": f"{kind}List", "apiVersion": f"{METRICS_GROUP}/{VERSION}", "metadata": {}}
    return {**version, "items": items}


def _pods(
    cluster: Cluster, namespace: str, used: Mapping[tuple[str, str, str], tuple[float, float]]
) -> list[Json]:
    found = []
    for pod in cluster.store.every(PODS, namespace):
        meta = pod["metadata"]
        names = [each["name"] for each in pod["spec"]["containers"]]
        told = {name: used.get((meta["namespace"], meta["name"], name)) for name in names}
        containers = [
            {"name": name, "usage": _usage(*value)} for name, value in told.items() if value
        ]
        if containers:  # metrics-server leaves out what it could not measure
            own = {"name": meta["name"], "namespace": meta["namespace"]}
            found.append({**_measured(cluster, own), "containers": containers})
    return found


def _nodes(
    cluster: Cluster, used: Mapping[tuple[str, str, str], tuple[float, float]]
) -> list[Json]:
    names = [node["metadata"]["name"] for node in cluster.store.every(NODES, "")]
    return [
        {**_measured(cluster, {"name": name}), "usage": _usage(*used["", name, ""])}
        for name in names
        if ("", name, "") in used
    ]


def _measured(cluster: Cluster, own: Json) -> Json:
    at = stamp(cluster.now)
    return {"metadata": {**own, "creationTimestamp": at}, "timestamp": at, "window": "15s"}


def _usage(cores: float, size: float) -> Json:
    """Return quantities as metrics-server writes them: nanocores and kibibytes."""
    return {"cpu": f"{round(cores * 1e9)}n", "memory": f"{round(size / 1024)}Ki"}
