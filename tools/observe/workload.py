"""The tool that describes a service's workloads: each by its kind, with what is wrong and why."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from tools.contract import Risk, ToolResult, tool
from tools.errors import BackendDeniedError, BackendError, BadArgumentError, NotFoundError
from tools.fleet import pick
from tools.kubernetes_objects import meta
from tools.observe.asking import service_of, stamp
from tools.observe.workload_lines import workload_lines
from tools.observe.workload_rows import (
    event_row,
    last_run,
    node_row,
    pod_row,
    run_row,
    workload_row,
)
from tools.ownership import HPA
from tools.ports import Clock, Cluster
from tools.workload_parts import events_about, scalers_of
from tools.world import Catalogue, PodStatus, Window, WorkloadRef

LATELY = timedelta(hours=1)  # how far back warnings are told; clusters keep them about as long


@tool(risk=Risk.READ)
async def describe_workload(
    clusters: Cluster, clock: Clock, catalogue: Catalogue, /, service: str, cluster: str = ""
) -> ToolResult:
    """Describe a service's workloads now: pods, why they are unwell, revision, bad nodes, runs.

    Of a pod: every container (init, sidecar, app, ephemeral), why it waits, how it ended last with
    exit code and age, and the conditions that are not met. Of a CronJob: how its last run ended.

    Args:
        service: Service name or alias.
        cluster: Cluster by name; empty for the service's own.
    """
    spec = service_of(catalogue, service)
    place = pick(clusters, cluster, cluster=spec.cluster, what="cluster")
    window = Window.ending(clock.now(), LATELY)
    rows, lines = [], []
    for known in spec.workloads:
        ref = replace(known, cluster=cluster or known.cluster)
        gaps: list[str] = []
        row = await _read(place, ref, gaps)
        if row is None:
            lines.append(f"- {ref}: not in the cluster")
            rows.append({"workload": str(ref), "found": False})
            continue
        pods = await place.pods(ref)
        await _surround(place, ref, row, pods, window, gaps)
        rows.append(row)
        lines += workload_lines(row, clock.now())
        lines += [f"  NOT LOOKED AT: {gap}" for gap in gaps]
    head = f"{spec.name} (tier {spec.tier}, team {spec.team or 'unknown'}) at {stamp(clock.now())}"
    return ToolResult("\n".join([head, *lines]), {"service": spec.name, "workloads": rows})


async def _read(place: Cluster, ref: WorkloadRef, gaps: list[str]) -> dict[str, Any] | None:
    """Return a workload's row, None when it is not there; what cannot be read is a gap."""
    try:
        item = await place.get(ref)
    except NotFoundError:
        return None
    except BadArgumentError:
        gaps.append(f"{ref.kind} is a kind we do not read: only the pods it owns are told")
        item = None
    except BackendDeniedError as error:
        gaps.append(f"{ref.kind} {ref.name}, only the pods it owns are told: {error}")
        item = None
    if item is None:
        return _unread(ref)
    scalers = scalers_of(await place.list(HPA, ref.namespace), ref)
    row = workload_row(ref, item, scalers[0] if scalers else None)
    if ref.kind == "CronJob":
        try:
            run = last_run(await place.list("Job", ref.namespace), item)
        except BackendDeniedError as error:
            gaps.append(f"its runs: {error}")
        else:
            row["last_run"] = run_row(run) if run is not None else None
    return row


def _unread(ref: WorkloadRef) -> dict[str, Any]:
    """Return the row of a workload whose own object cannot be read; its pods are counted later."""
    return {**workload_row(ref, {}, None), "found": None}


async def _surround(
    place: Cluster,
    ref: WorkloadRef,
    row: dict[str, Any],
    pods: list[PodStatus],
    window: Window,
    gaps: list[str],
) -> None:
    """Add the pods, the nodes they are on and, where something is wrong, the warnings about it."""
    row["pods"] = [pod_row(pod) for pod in pods]
    if row["found"] is None:
        row |= {"replicas": len(pods), "ready": sum(p.ready for p in pods), "updated": len(pods)}
    row["nodes"] = await _unwell_nodes(place, {pod.node for pod in pods if pod.node}, gaps)
    row["warnings"] = []
    well = all(pod.is_well for pod in pods) and row["ready"] >= row["replicas"]
    # what keeps a CronJob from running is told by nothing but its events
    if well and not row["conditions"] and not row["nodes"] and ref.kind != "CronJob":
        return
    try:
        told = await events_about(place, [ref], window)
    except BackendError as error:
        gaps.append(f"events: {error}")
        return
    gaps += told.unseen
    row["warnings"] = [event_row(each) for each in told.events if each.type == "Warning"]


async def _unwell_nodes(
    cluster: Cluster, names: set[str], gaps: list[str]
) -> dict[str, dict[str, Any]]:
    """Return what is wrong with which of these nodes."""
    try:
        nodes = await cluster.list("Node", "") if names else []
    except BackendDeniedError as error:
        gaps.append(f"nodes: {error}")
        return {}
    known = {str(meta(node).get("name", "")): node_row(node) for node in nodes}
    return {
        name: row
        for name, row in known.items()
        if name in names and (row["conditions"] or row["cordoned"])
    }
