"""The tool that says what pods and nodes use now, as shares of what they asked for and may have.

metrics.k8s.io  PodMetrics, NodeMetrics   what is used: cores, bytes
the objects     requests, limits, allocatable   of how much
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tools.contract import Risk, ToolResult, tool
from tools.doctor.quantities import number_of
from tools.errors import BackendDeniedError, BackendError, GoneError, NotFoundError
from tools.fleet import members_of, pick
from tools.kubernetes_objects import Json, meta
from tools.observe.asking import service_of, stamp
from tools.ports import Clock, Cluster
from tools.world import DEFAULT_CLUSTER, Catalogue, ServiceSpec, WorkloadRef

SHOWN = 25
MIB = 2**20
ABSENT = (
    "serves no metrics.k8s.io: metrics-server, which kubectl top reads, is not installed there. "
    "Catalogued metrics (list_metrics) may tell the same, or query_promql over "
    "container_memory_working_set_bytes and container_cpu_usage_seconds_total"
)
"""What is told of a cluster without the metrics API."""


@dataclass
class Used:
    """What was read: rows, and what could not be."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def gap(self, error: Exception, told: str) -> None:
        """Remember what could not be read, each thing once."""
        self.errors.append(error)
        if told not in self.gaps:
            self.gaps.append(told)


@tool(risk=Risk.READ)
async def resource_usage(
    clusters: Cluster,
    clock: Clock,
    catalogue: Catalogue,
    /,
    what: Literal["pods", "nodes"] = "pods",
    service: str = "",
    cluster: str = "",
) -> ToolResult:
    """Say what containers or nodes use this minute: cores and MiB, of request, limit, allocatable.

    As kubectl top; fullest first. For the course over time use query_metric or query_promql.

    Args:
        what: pods (each container of them) or nodes.
        service: Only the pods of this service, by name or alias; empty for all catalogued ones.
        cluster: Cluster by name; empty for the service's own, or all.
    """
    spec = service_of(catalogue, service) if service.strip() else None
    place = pick(clusters, cluster, cluster=spec.cluster if spec else "", what="cluster")
    used = Used()
    for name, member in members_of(place).items():
        where = name or DEFAULT_CLUSTER
        try:
            if what == "nodes":
                await _nodes(member, where, used)
            else:
                await _pods(member, where, catalogue, spec, used)
        except NotFoundError as error:
            used.gap(error, f"cluster {where} {ABSENT}")
        except BackendError as error:
            used.gap(error, str(error))
    if not used.rows and used.errors:
        first = used.errors[0]
        if isinstance(first, NotFoundError):
            raise GoneError(used.gaps[0]) from first
        raise first
    rows = sorted(used.rows, key=lambda row: -row["fullest"])
    whose = f" of {spec.name}" if spec is not None and what == "pods" else ""
    noun = "nodes" if what == "nodes" else "containers"
    lines = [f"{len(rows) or 'no'} {noun}{whose} measured at {stamp(clock.now())}, fullest first"]
    lines += [_line(row) for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence, less full than these")
    lines += [f"NOT LOOKED AT: {gap}" for gap in used.gaps]
    payload = {"count": len(rows), "what": what, "used": rows, "gaps": used.gaps}
    return ToolResult("\n".join(lines), payload, value=tuple(rows), query="metrics.k8s.io/v1beta1")


async def _nodes(member: Cluster, cluster: str, used: Used) -> None:
    measured = await member.list("NodeMetrics", "")
    known = {str(meta(node).get("name")): node for node in await _listed(member, "Node", "", used)}
    for each in measured:
        name = str(meta(each).get("name") or "")
        room = (known.get(name, {}).get("status") or {}).get("allocatable") or {}
        row = {"object": str(WorkloadRef(cluster, "", "Node", name)), "node": name}
        row |= _of(each.get("usage") or {}, allocatable=room)
        used.rows.append(row)


async def _pods(
    member: Cluster, cluster: str, catalogue: Catalogue, spec: ServiceSpec | None, used: Used
) -> None:
    specs = [spec] if spec is not None else list(catalogue.services.values())
    own = [each for each in specs if cluster in {each.cluster, DEFAULT_CLUSTER} or not each.cluster]
    spaces = {each.namespace for each in own} | {w.namespace for e in own for w in e.workloads}
    for space in sorted(spaces - {""}):
        measured = await member.list("PodMetrics", space)
        pods = {str(meta(p).get("name")): p for p in await _listed(member, "Pod", space, used)}
        for each in measured:
            ref = WorkloadRef(cluster, space, "Pod", str(meta(each).get("name") or ""))
            whose = catalogue.services_of(ref)
            if spec is not None and spec not in whose:
                continue
            used.rows += _containers(ref, each, pods.get(ref.name, {}), whose)


async def _listed(member: Cluster, kind: str, space: str, used: Used) -> Sequence[Json]:
    """Return what tells the shares; without the right to read it the figures stand alone."""
    try:
        return await member.list(kind, space)
    except BackendDeniedError as error:
        told = f"of how much: {error}"
        if told not in used.gaps:
            used.gaps.append(told)
        return ()


def _containers(
    ref: WorkloadRef, measured: Json, pod: Json, whose: Sequence[ServiceSpec]
) -> list[dict[str, Any]]:
    spec = pod.get("spec") or {}
    declared = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    asked = {str(each.get("name")): each.get("resources") or {} for each in declared}
    rows = []
    for each in measured.get("containers") or ():
        name = str(each.get("name") or "")
        told = asked.get(name, {})
        row: dict[str, Any] = {"object": str(ref), "container": name}
        if whose:
            row["service"] = whose[0].name
        row |= _of(
            each.get("usage") or {},
            request=told.get("requests") or {},
            limit=told.get("limits") or {},
        )
        rows.append(row)
    return rows


def _of(usage: Json, **room: Json) -> dict[str, Any]:
    """Return what is used, and its share of each kind of room; `fullest` is the largest share.

    Of a request more than all may be used, so it counts only where nothing limits.
    """
    row: dict[str, Any] = {}
    shares: dict[str, list[float]] = {}
    for resource, unit, scale, digits in (("cpu", "cores", 1.0, 3), ("memory", "mib", MIB, 0)):
        value = _finite(number_of(usage.get(resource)))
        if value is None:
            continue
        row[f"{resource}_{unit}"] = _rounded(value / scale, digits)
        for kind, told in room.items():
            most = _finite(number_of(told.get(resource)))
            if most:
                row[f"{resource}_{kind}_{unit}"] = _rounded(most / scale, digits)
                row[f"{resource}_of_{kind}_percent"] = round(100 * value / most, 1)
                shares.setdefault(kind, []).append(value / most)
    hard = [*shares.get("limit", ()), *shares.get("allocatable", ())]
    row["fullest"] = round(
        max(hard or [min(each, 1.0) for each in shares.get("request", [0.0])]), 4
    )
    return row


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _rounded(value: float, digits: int) -> float | int:
    return round(value, digits) if digits else round(value)


def _line(row: dict[str, Any]) -> str:
    named = row["object"].replace("/Pod/", "/")
    inside = f" {row['container']}" if "container" in row else ""
    told = []
    for resource, unit, word in (("cpu", "cores", "cores"), ("memory", "mib", "MiB")):
        if f"{resource}_{unit}" not in row:
            told.append(f"{resource} not measured")
            continue
        shares = [
            f"{row[f'{resource}_of_{kind}_percent']:g} % of {kind} "
            f"{row[f'{resource}_{kind}_{unit}']:g}"
            for kind in ("request", "limit", "allocatable")
            if f"{resource}_of_{kind}_percent" in row
        ]
        limited = "" if shares else "no request or limit"
        told.append(
            f"{resource} {row[f'{resource}_{unit}']:g} {word} ({', '.join(shares) or limited})"
        )
    return f"- {named.lstrip('/')}{inside}: {'; '.join(told)}"
