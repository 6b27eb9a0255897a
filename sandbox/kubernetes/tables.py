"""Server-side printing: the `Table` form of objects that `kubectl get` shows.

Each resource has its columns; a column of priority 1 appears with `-o wide` only.
"""

from collections.abc import Callable
from typing import Any

from sandbox.kubernetes.resources import (
    BUDGETS,
    CONFIG_MAPS,
    CRON_JOBS,
    DEPLOYMENTS,
    EVENTS,
    HPAS,
    JOBS,
    NAMESPACES,
    NODES,
    PG_CLUSTERS,
    PODS,
    REPLICA_SETS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import moment

Cells = Callable[[Json, float], list[Any]]
WIDE = 1
MINUTE, HOUR, DAY = 60, 3600, 86400


def age(text: str | None, now: float) -> str:
    """Age as kubectl writes it: 45s, 12m, 5h12m, 13d."""
    if not text:
        return "<unknown>"
    seconds = max(0, int(now - moment(text)))
    if seconds < 2 * MINUTE:
        return f"{seconds}s"
    if seconds < 10 * MINUTE:
        rest = seconds % MINUTE
        return f"{seconds // MINUTE}m{rest}s" if rest else f"{seconds // MINUTE}m"
    if seconds < 3 * HOUR:
        return f"{seconds // MINUTE}m"
    if seconds < 8 * HOUR:
        return f"{seconds // HOUR}h{seconds % HOUR // MINUTE}m"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR}h"
    return f"{seconds // DAY}d"


def _born(item: Json, now: float) -> str:
    return age(item["metadata"].get("creationTimestamp"), now)


def _containers(item: Json) -> list[Json]:
    found: list[Json] = item["spec"]["template"]["spec"]["containers"]
    return found


def _images(item: Json) -> str:
    return ",".join(container["image"] for container in _containers(item))


def _names(item: Json) -> str:
    return ",".join(container["name"] for container in _containers(item))


def _selector(item: Json) -> str:
    labels = item["spec"].get("selector", {})
    return ",".join(f"{k}={v}" for k, v in labels.get("matchLabels", labels).items())


def _pod(item: Json, now: float) -> list[Any]:
    statuses = item["status"].get("containerStatuses", [])
    word = item["status"].get("reason") or item["status"]["phase"]
    restarts, last = 0, None
    for status in statuses:
        restarts += status["restartCount"]
        last = status.get("lastState", {}).get("terminated", {}).get("finishedAt") or last
        state = status["state"]
        if "waiting" in state:
            word = state["waiting"]["reason"]
        elif "terminated" in state:
            word = state["terminated"]["reason"]
    if item["metadata"].get("deletionTimestamp"):
        word = "Terminating"
    ready = sum(status["ready"] for status in statuses)
    shown = f"{restarts} ({age(last, now)} ago)" if last else str(restarts)
    spec = item["spec"]
    return [
        item["metadata"]["name"], f"{ready}/{len(spec['containers'])}", word, shown,
        _born(item, now), item["status"].get("podIP", "<none>"), spec.get("nodeName", "<none>"),
        "<none>", "<none>",
    ]  # fmt: skip


def _deployment(item: Json, now: float) -> list[Any]:
    status = item.get("status", {})
    return [
        item["metadata"]["name"], f"{status.get('readyReplicas', 0)}/{item['spec']['replicas']}",
        status.get("updatedReplicas", 0), status.get("availableReplicas", 0), _born(item, now),
        _names(item), _images(item), _selector(item),
    ]  # fmt: skip


def _replica_set(item: Json, now: float) -> list[Any]:
    status = item.get("status", {})
    return [
        item["metadata"]["name"], item["spec"]["replicas"], status.get("replicas", 0),
        status.get("readyReplicas", 0), _born(item, now), _names(item), _images(item),
        _selector(item),
    ]  # fmt: skip


def _stateful(item: Json, now: float) -> list[Any]:
    ready = f"{item.get('status', {}).get('readyReplicas', 0)}/{item['spec']['replicas']}"
    return [item["metadata"]["name"], ready, _born(item, now), _names(item), _images(item)]


def _autoscaler(item: Json, now: float) -> list[Any]:
    spec, status = item["spec"], item.get("status", {})
    reference = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
    goal = "<none>"
    for metric in spec.get("metrics", []):
        goal = f"cpu: <unknown>/{metric['resource']['target']['averageUtilization']}%"
    return [
        item["metadata"]["name"], reference, goal, str(spec.get("minReplicas", 1)),
        spec["maxReplicas"], status.get("currentReplicas", 0), _born(item, now),
    ]  # fmt: skip


def _event(item: Json, now: float) -> list[Any]:
    about = item.get("involvedObject", {})
    last = item.get("lastTimestamp") or item["metadata"].get("creationTimestamp")
    return [
        age(last, now), item.get("type", ""), item.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}", about.get("fieldPath", ""),
        item.get("source", {}).get("component", ""), item.get("message", "").strip(),
        age(item.get("firstTimestamp") or last, now), item.get("count", 1),
        item["metadata"]["name"],
    ]  # fmt: skip


def _node(item: Json, now: float) -> list[Any]:
    conditions = {c["type"]: c["status"] for c in item["status"]["conditions"]}
    word = "Ready" if conditions.get("Ready") == "True" else "NotReady"
    if item["spec"].get("unschedulable"):
        word += ",SchedulingDisabled"
    facts = item["status"]["nodeInfo"]
    return [
        item["metadata"]["name"], word, "worker", _born(item, now), facts["kubeletVersion"],
        item["status"]["addresses"][0]["address"], "<none>", facts["osImage"],
        facts["kernelVersion"], facts["containerRuntimeVersion"],
    ]  # fmt: skip


def _service(item: Json, now: float) -> list[Any]:
    spec = item["spec"]
    ports = ",".join(f"{port['port']}/{port['protocol']}" for port in spec["ports"])
    return [
        item["metadata"]["name"], spec["type"], spec["clusterIP"], "<none>", ports,
        _born(item, now), _selector(item),
    ]  # fmt: skip


def _config_map(item: Json, now: float) -> list[Any]:
    return [item["metadata"]["name"], len(item.get("data") or {}), _born(item, now)]


def _job(item: Json, now: float) -> list[Any]:
    status = item.get("status", {})
    ended = [c["type"] for c in status.get("conditions", []) if c["status"] == "True"]
    done = f"{status.get('succeeded', 0)}/{item['spec'].get('completions', 1)}"
    finished = status.get("completionTime")
    until = moment(finished) if finished else now
    took = age(status["startTime"], until) if "startTime" in status else ""
    return [item["metadata"]["name"], *(ended or ["Running"])[:1], done, took, _born(item, now)]


def _budget(item: Json, now: float) -> list[Any]:
    spec = item["spec"]
    return [
        item["metadata"]["name"], str(spec.get("minAvailable", "N/A")),
        str(spec.get("maxUnavailable", "N/A")), item["status"].get("disruptionsAllowed", 0),
        _born(item, now),
    ]  # fmt: skip


def _namespace(item: Json, now: float) -> list[Any]:
    return [item["metadata"]["name"], item["status"]["phase"], _born(item, now)]


def _postgres(item: Json, now: float) -> list[Any]:
    status = item.get("status", {})
    return [
        item["metadata"]["name"], _born(item, now), status.get("instances", 0),
        status.get("readyInstances", 0), status.get("phase", ""), status.get("currentPrimary", ""),
    ]  # fmt: skip


def _cron_job(item: Json, now: float) -> list[Any]:
    spec = item["spec"]
    suspended = str(bool(spec.get("suspend", False)))
    return [item["metadata"]["name"], spec["schedule"], suspended, _born(item, now)]


def _plain(item: Json, now: float) -> list[Any]:
    return [item["metadata"]["name"], _born(item, now)]


PRINTED: dict[str, tuple[str, Cells]] = {  # columns, those after "|" only with -o wide
    PODS.id: ("Name Ready Status Restarts Age | IP Node Nominated_Node Readiness_Gates", _pod),
    DEPLOYMENTS.id: ("Name Ready Up-to-date Available Age | Containers Images Selector",
                     _deployment),
    REPLICA_SETS.id: ("Name Desired Current Ready Age | Containers Images Selector", _replica_set),
    STATEFUL_SETS.id: ("Name Ready Age | Containers Images", _stateful),
    HPAS.id: ("Name Reference Targets MinPods MaxPods Replicas Age", _autoscaler),
    EVENTS.id: ("Last_Seen Type Reason Object | Subobject Source Message- First_Seen Count Name",
                _event),
    NODES.id: (
        "Name Status Roles Age Version | Internal-IP External-IP OS-Image Kernel-Version Runtime",
        _node,
    ),
    SERVICES.id: ("Name Type Cluster-IP External-IP Port(s) Age | Selector", _service),
    CONFIG_MAPS.id: ("Name Data Age", _config_map),
    JOBS.id: ("Name Status Completions Duration Age", _job),
    CRON_JOBS.id: ("Name Schedule Suspend Age", _cron_job),
    BUDGETS.id: ("Name Min_Available Max_Unavailable Allowed_Disruptions Age", _budget),
    NAMESPACES.id: ("Name Status Age", _namespace),
    PG_CLUSTERS.id: ("Name Age Instances Ready Status Primary", _postgres),
}  # fmt: skip


def columns(resource: Resource) -> list[Json]:
    """Column definitions of a resource's table."""
    listed = PRINTED.get(resource.id, ("Name Age", _plain))[0]
    found: list[Json] = []
    priority = 0
    for word in listed.split():
        if word == "|":
            priority = WIDE
            continue
        shown = word.rstrip("-").replace("_", " ")
        found.append({
            "name": shown,
            "type": "string",
            "format": "name" if shown == "Name" else "",
            "description": "",
            "priority": 0 if word.endswith("-") else priority,
        })  # fmt: skip
    return found


def table(resource: Resource, items: list[Json], meta: Json, now: float, include: str) -> Json:
    """The Table of some objects; `include` is the client's `includeObject`."""
    cells = PRINTED.get(resource.id, ("", _plain))[1]
    rows: list[Json] = []
    for item in items:
        row: Json = {"cells": cells(item, now)}
        if include == "Object":
            row["object"] = item
        elif include != "None":
            row["object"] = {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": item["metadata"],
            }
        rows.append(row)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": meta,
        "columnDefinitions": columns(resource),
        "rows": rows,
    }
