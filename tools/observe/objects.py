"""The tool that examines a cluster's objects: what is wrong with them, without any metric."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from foundation.shortened import shortened_line
from tools.contract import Risk, ToolResult, tool
from tools.doctor import ClusterState, Found, Object, examine
from tools.doctor.causes import ObjectCause, causes
from tools.errors import BackendDeniedError, NotFoundError
from tools.fleet import members_of, pick, silence
from tools.kubernetes_objects import Json
from tools.observe.asking import service_of, span, stamp
from tools.ports import Clock, Cluster
from tools.workload_parts import SHARED
from tools.world import Catalogue, ClusterEvent, ServiceName, ServiceSpec, Window

LATELY = timedelta(hours=1)  # clusters keep their events about as long
SHOWN = 20
LONGEST = 320  # characters of a sentence in the lines
SYSTEM = "kube-system"
IN_SPACES = (
    "Pod", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Service",
    "PersistentVolumeClaim", "ResourceQuota", "Ingress", "NetworkPolicy",
    "HorizontalPodAutoscaler", "PodDisruptionBudget",
)  # fmt: skip
EVERYWHERE = ("Node", "PersistentVolume", "StorageClass")
OF_SYSTEM = ("Pod", "Deployment", "DaemonSet", "ReplicaSet")


@dataclass(frozen=True, slots=True, eq=False)
class Examined:
    """One cluster as it was read, and what is wrong with it."""

    cluster: str
    state: ClusterState
    found: tuple[Found, ...]
    services: dict[Object, ServiceName]  # of the workloads that the catalogue knows

    def service(self, subject: Object) -> ServiceName:
        """Return the service an object belongs to, empty when it is nobody's."""
        return self.services.get(subject, ServiceName(""))

    def placed(self) -> dict[ServiceName, set[str]]:
        """Return on which nodes the pods of each service run."""
        found: dict[ServiceName, set[str]] = {}
        for pod in self.state.pods:
            name = self.service(self.state.workload_of(pod))
            node = str((pod.get("spec") or {}).get("nodeName") or "")
            if name and node:
                found.setdefault(name, set()).add(node)
        return found

    def causes(self, lines: dict[Any, int]) -> tuple[ObjectCause, ...]:
        """Return what may have begun it; `lines` counts whom error lines blame."""
        return causes(self.state, self.found, lines)


@tool(risk=Risk.READ)
async def examine_objects(
    clusters: Cluster,
    clock: Clock,
    catalogue: Catalogue,
    /,
    service: str = "",
    cluster: str = "",
) -> ToolResult:
    """Examine Kubernetes objects for what is wrong with them now, and since when.

    Pods that cannot be placed or begun and why, images, probes, quotas, volumes, Services that lead
    nowhere, addresses that nobody has, nodes. START may be a cause, CARRY was made so, SHOW is a
    symptom; PAST is over. Secrets are not read.

    Args:
        service: Service name or alias; what it calls is included. Empty for all.
        cluster: Cluster by name; empty for the service's own, or all.
    """
    spec = service_of(catalogue, service) if service else None
    wanted = (
        _with_callees(catalogue, spec) if spec is not None else tuple(catalogue.services.values())
    )
    place = pick(clusters, cluster, cluster=spec.cluster if spec else "", what="cluster")
    window = Window.ending(clock.now(), LATELY)
    examined, gaps = [], []
    for name, member in members_of(place).items():
        here = [each for each in wanted if not name or each.cluster in {"", name}]
        if here:
            read, missing = await _read(member, here, window)
            known = {
                Object(ref.kind, ref.namespace, ref.name): each.name
                for each in here
                for ref in each.workloads
            }
            found = await asyncio.to_thread(examine, read)  # hundreds of pods, 147 analysers
            examined.append(Examined(name, read, found, known))
            gaps += missing
    rows = [_row(each, one) for one in examined for each in one.found]
    present = [row for row in rows if not row["past"]]
    lines = [f"{len(present)} signs now, {len(rows) - len(present)} past, {span(window)}"]
    lines += [_line(row) for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence")
    lines += [f"NOT LOOKED AT: {gap}" for gap in dict.fromkeys(gaps)]
    lines += silence(place)
    payload = {"count": len(present), "past": len(rows) - len(present), "signs": rows}
    return ToolResult("\n".join(lines), payload, value=tuple(examined), window=window)


def _with_callees(catalogue: Catalogue, spec: ServiceSpec) -> tuple[ServiceSpec, ...]:
    """Return a service and everything it calls, at any depth."""
    found: dict[ServiceName, ServiceSpec] = {}
    waiting = [spec.name]
    while waiting:
        name = waiting.pop()
        known = catalogue.services.get(name)
        if known is not None and name not in found:
            found[name] = known
            waiting += catalogue.dependencies(name)
    return tuple(found.values())


async def _read(
    cluster: Cluster, services: Iterable[ServiceSpec], window: Window
) -> tuple[ClusterState, list[str]]:
    """Read what the doctor looks at; what may not be read is a gap, what is not served is none."""
    spaces = sorted({spec.namespace for spec in services if spec.namespace})
    wanted = [(kind, space) for space in spaces for kind in IN_SPACES]
    wanted += [(kind, "") for kind in EVERYWHERE]
    wanted += [(kind, SYSTEM) for kind in OF_SYSTEM if SYSTEM not in spaces]
    gaps: list[str] = []
    objects: dict[str, list[Json]] = {}
    told = await asyncio.gather(*(_listed(cluster, *each, gaps) for each in wanted))
    for (kind, _), items in zip(wanted, told, strict=True):
        if items is not None:
            objects.setdefault(kind, []).extend(items)
    events: list[ClusterEvent] = []
    for space in dict.fromkeys([*spaces, SHARED]):
        try:
            events += await cluster.events(window, space)
        except BackendDeniedError as error:
            gaps.append(str(error))
    return ClusterState(window.end, objects, events), gaps


async def _listed(cluster: Cluster, kind: str, space: str, gaps: list[str]) -> list[Json] | None:
    try:
        return list(await cluster.list(kind, space))
    except BackendDeniedError as error:
        gaps.append(str(error))
    except NotFoundError:
        pass  # the cluster serves no such kind: nothing of it can be wrong
    return None


def _row(found: Found, one: Examined) -> dict[str, Any]:
    sign, subject = found.sign, found.sign.subject
    return {
        "service": one.service(subject),
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "cluster": one.cluster,
        "reason": found.by.name,
        "role": found.by.role.value,
        "past": not found.present,
        "since": stamp(sign.since) if sign.since else "",
        "message": sign.sentence,
        "settle": found.by.settle,
        "who": [str(each) for each in sign.victims],
    }


def _line(row: dict[str, Any]) -> str:
    since = f" since {row['since']}" if row["since"] else ""
    past = "PAST " if row["past"] else ""
    where = f"{row['namespace']}/{row['kind']}/{row['name']}".lstrip("/")
    said = shortened_line(row["message"], LONGEST)
    return f"- {past}{row['role'].upper()} {row['reason']} {where}{since}: {said}"
