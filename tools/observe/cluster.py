"""Tools that read the cluster and its changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from foundation.nearest import nearest
from tools.contract import Risk, ToolResult, tool
from tools.errors import BackendDeniedError, BadArgumentError, NotFoundError
from tools.fleet import pick, silence
from tools.kubernetes_objects import annotations_of, meta, revision_of
from tools.observe.asking import service_of, span, stamp, window_of
from tools.ports import Changes, Clock, Cluster
from tools.world import (
    Catalogue,
    Change,
    ClusterEvent,
    PodStatus,
    ServiceSpec,
    WorkloadRef,
)

SHOWN = 25


@tool(risk=Risk.READ)
async def list_events(
    clusters: Cluster,
    clock: Clock,
    catalogue: Catalogue,
    /,
    service: str = "",
    warnings_only: bool = False,  # noqa: FBT001, FBT002 - the model's arguments are keywords
    window: str = "1h",
    until: str = "",
    cluster: str = "",
) -> ToolResult:
    """List Kubernetes events, newest first: OOM kills, failing probes, rollouts, scaling.

    Args:
        service: Service name or alias; empty for all catalogued namespaces.
        warnings_only: True leaves out events of type Normal.
        window: Length of the window: 15m, 1h, 6h, 24h. Clusters keep events about an hour.
        until: End of the window as ISO time in UTC; empty means now.
        cluster: Cluster by name; empty for the service's own, or all.
    """
    asked = window_of(clock, window, until)
    chosen = [service_of(catalogue, service)] if service else list(catalogue.services.values())
    place = pick(clusters, cluster, cluster=chosen[0].cluster if service else "", what="cluster")
    found: list[ClusterEvent] = []
    for namespace in sorted({spec.namespace for spec in chosen}):
        found.extend(await place.events(asked, namespace))
    if service:
        found = [each for each in found if _is_about(each, chosen[0])]
    found = [each for each in found if not warnings_only or each.type == "Warning"]
    found.sort(key=lambda each: each.at, reverse=True)
    rows = [
        {
            "at": stamp(each.at),
            "object": str(each.workload),
            "type": each.type,
            "reason": each.reason,
            "message": each.message,
            "count": each.count,
        }
        for each in found
    ]
    bad = sum(each.type == "Warning" for each in found)
    lines = [f"{len(rows)} events, {bad} of them warnings, {span(asked)}"]
    ordered = sorted(rows, key=lambda row: row["type"] != "Warning")  # stable: newest first within
    lines += [
        f"- {row['at']} {row['type']} {row['reason']} {row['object']} x{row['count']}: "
        f"{str(row['message'])[:200]}"
        for row in ordered[:SHOWN]
    ]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence")
    lines += silence(place)
    payload = {"count": len(rows), "warnings": bad, "events": rows}
    return ToolResult("\n".join(lines), payload, value=tuple(found), window=asked)


def _is_about(event: ClusterEvent, spec: ServiceSpec) -> bool:
    return any(
        event.workload.name == ref.name or event.workload.name.startswith(f"{ref.name}-")
        for ref in spec.workloads
    )


@tool(risk=Risk.READ)
async def describe_workload(
    clusters: Cluster, clock: Clock, catalogue: Catalogue, /, service: str, cluster: str = ""
) -> ToolResult:
    """Describe a service's workloads now: replicas, image, revision, autoscaler, pods, bad nodes.

    Args:
        service: Service name or alias.
        cluster: Cluster by name; empty for the service's own.
    """
    spec = service_of(catalogue, service)
    place = pick(clusters, cluster, cluster=spec.cluster, what="cluster")
    rows, lines = [], []
    for known in spec.workloads:
        ref = replace(known, cluster=cluster or known.cluster)
        try:
            item = await place.get(ref)
        except NotFoundError:
            lines.append(f"- {ref}: not in the cluster")
            rows.append({"workload": str(ref), "found": False})
            continue
        pods = await place.pods(ref)
        hpa = await _autoscaler(place, ref)
        row = _workload(ref, item, pods, hpa)
        row["nodes"] = await _unwell_nodes(place, {pod.node for pod in pods if pod.node})
        rows.append(row)
        lines += _workload_lines(row)
        lines += [f"  node {name}: {why}" for name, why in row["nodes"].items()]
    head = f"{spec.name} (tier {spec.tier}, team {spec.team or 'unknown'}) at {stamp(clock.now())}"
    return ToolResult("\n".join([head, *lines]), {"service": spec.name, "workloads": rows})


async def _unwell_nodes(cluster: Cluster, names: set[str]) -> dict[str, str]:
    """Return which of these nodes are not well, and why; nothing when we may not read nodes."""
    try:
        nodes = await cluster.list("Node", "") if names else []
    except BackendDeniedError:
        return {}
    found: dict[str, str] = {}
    for node in nodes:
        name = str(meta(node).get("name", ""))
        bad = [
            f"{each.get('type')}={each.get('status')} ({each.get('reason', '')})"
            for each in (node.get("status") or {}).get("conditions") or ()
            if (each.get("status") == "True") != (each.get("type") == "Ready")
        ]
        if (node.get("spec") or {}).get("unschedulable"):
            bad.append("cordoned")
        if name in names and bad:
            found[name] = ", ".join(bad)
    return found


async def _autoscaler(cluster: Cluster, ref: WorkloadRef) -> Mapping[str, Any] | None:
    for hpa in await cluster.list("HorizontalPodAutoscaler", ref.namespace):
        aim = (hpa.get("spec") or {}).get("scaleTargetRef") or {}
        if (aim.get("kind"), aim.get("name")) == (ref.kind, ref.name):
            return hpa
    return None


def _workload(
    ref: WorkloadRef,
    item: Mapping[str, Any],
    pods: list[PodStatus],
    hpa: Mapping[str, Any] | None,
) -> dict[str, Any]:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    template = (spec.get("template") or {}).get("spec") or {}
    containers = [
        {
            "name": each.get("name", ""),
            "image": each.get("image", ""),
            "limits": (each.get("resources") or {}).get("limits") or {},
        }
        for each in template.get("containers") or ()
    ]
    limits = (hpa or {}).get("spec") or {}
    return {
        "workload": str(ref),
        "found": True,
        "replicas": spec.get("replicas", 1),
        "ready": status.get("readyReplicas", 0),
        "updated": status.get("updatedReplicas", 0),
        "revision": revision_of(item),
        "change_cause": annotations_of(item).get("kubernetes.io/change-cause", ""),
        "labels": meta(item).get("labels") or {},
        "containers": containers,
        "autoscaler": {
            "name": meta(hpa)["name"],
            "min": limits.get("minReplicas", 1),
            "max": limits.get("maxReplicas"),
        }
        if hpa
        else None,
        "pods": [
            {
                "name": pod.ref.name,
                "phase": pod.phase,
                "ready": pod.ready,
                "restarts": pod.restarts,
                "started_at": stamp(pod.started_at) if pod.started_at else "",
                "image": pod.image,
                "reason": pod.reason,
                "node": pod.node,
            }
            for pod in pods
        ],
    }


def _workload_lines(row: dict[str, Any]) -> list[str]:
    images = ", ".join(each["image"] for each in row["containers"])
    head = f"- {row['workload']}: {row['ready']} of {row['replicas']} pods ready, revision "
    head += f"{row['revision']}, image {images}"
    if row["change_cause"]:
        head += f" ({row['change_cause']})"
    scaler = row["autoscaler"]
    if scaler:
        head += f"; autoscaler {scaler['name']} {scaler['min']} to {scaler['max']}"
    lines = [head]
    for pod in row["pods"][:SHOWN]:
        ready = "ready" if pod["ready"] else "NOT READY"
        why = f", {pod['reason']}" if pod["reason"] else ""
        lines.append(
            f"  {pod['name']}: {pod['phase']}, {ready}, {pod['restarts']} restarts, started "
            f"{pod['started_at'] or 'never'}{why}"
        )
    return lines


@tool(risk=Risk.READ)
async def recent_changes(
    changes: Changes,
    clock: Clock,
    catalogue: Catalogue,
    /,
    service: str = "",
    window: str = "6h",
    until: str = "",
    cluster: str = "",
) -> ToolResult:
    """List what was changed in production: deploys, configuration, scaling; newest first.

    A change shortly before an anomaly began, on the service or one it calls, is the first suspect.

    Args:
        service: Service name or alias; its direct dependencies are included. Empty for all.
        window: Length of the window: 1h, 6h, 24h, 7d.
        until: End of the window as ISO time in UTC; empty means now.
        cluster: Only changes in this cluster; empty for all.
    """
    asked = window_of(clock, window, until)
    known = {spec.cluster for spec in catalogue.services.values()}
    if cluster and cluster not in known:
        raise BadArgumentError(f"no service runs in cluster {cluster!r}.{nearest(cluster, known)}")
    names: tuple[str, ...] = ()
    if service:
        spec = service_of(catalogue, service)
        names = (spec.name, *catalogue.dependencies(spec.name))
    found = [
        each
        for each in await changes.recent(asked, names)
        if not cluster or _cluster_of(each, catalogue) == cluster
    ]
    rows = [_change_row(each) for each in found]
    whose = f" for {', '.join(names)}" if names else ""
    lines = [f"{len(rows) or 'no'} changes{whose}, {span(asked)}"]
    lines += [_change_line(row) for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence")
    payload = {"count": len(rows), "changes": rows}
    return ToolResult("\n".join(lines), payload, value=tuple(found), window=asked)


def _cluster_of(change: Change, catalogue: Catalogue) -> str:
    """Return where a change was made: what it says, else where its service runs."""
    if change.workload is not None:
        return change.workload.cluster
    spec = next((s for s in catalogue.services.values() if s.name == change.service), None)
    return spec.cluster if spec else ""


def _change_row(change: Change) -> dict[str, Any]:
    row = asdict(change)
    row |= {"at": stamp(change.at), "kind": change.kind.value}
    row["workload"] = str(change.workload) if change.workload else ""
    return row


def _change_line(row: dict[str, Any]) -> str:
    who = f" by {row['author']}" if row["author"] else ""
    return f"- {row['at']} {row['kind']} {row['service']}: {row['summary'][:240]}{who}"
