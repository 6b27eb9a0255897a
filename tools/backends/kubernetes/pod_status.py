"""Reads a pod object: containers of every class, how each ended, which conditions are not met."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from tools.backends.kubernetes.failures import Object
from tools.kubernetes_conditions import time_of, unmet
from tools.world import NOT_BEGUN, ContainerKind, ContainerStatus, Ending, PodStatus, Stated
from tools.world import WorkloadRef as Ref

# Where a pod's status lists the containers that its specification has elsewhere.
_LISTED = (
    ("initContainerStatuses", "initContainers", ContainerKind.INIT),
    ("containerStatuses", "containers", ContainerKind.APP),
    ("ephemeralContainerStatuses", "ephemeralContainers", ContainerKind.EPHEMERAL),
)


def pod_status(pod: Object, cluster: str) -> PodStatus:
    """Return what a pod object says."""
    meta, status, spec = pod["metadata"], pod.get("status") or {}, pod.get("spec") or {}
    containers = tuple(_containers(spec, status))
    deleted = time_of(meta.get("deletionTimestamp"))
    phase = "Terminating" if deleted else str(status.get("phase", ""))
    conditions = () if phase == "Succeeded" else (*unmet(pod, "Pod"), *_unset_gates(spec, status))
    return PodStatus(
        ref=Ref(cluster, meta.get("namespace", ""), "Pod", meta["name"], meta["uid"]),
        phase=phase,
        ready=any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in status.get("conditions") or ()
        ),
        restarts=sum(each.restarts for each in containers),
        started_at=_started(status, containers),
        image=((spec.get("containers") or [{}])[0]).get("image", ""),
        reason=_reason(status, containers, conditions),
        node=spec.get("nodeName", ""),
        message=str(status.get("message") or ""),
        created_at=time_of(meta.get("creationTimestamp")),
        containers=containers,
        conditions=conditions,
        deleted_at=deleted,
        finalizers=tuple(meta.get("finalizers") or ()) if deleted else (),
    )


def _containers(spec: Object, status: Object) -> Iterator[ContainerStatus]:
    for listed, declared, kind in _LISTED:
        stays = {
            str(each.get("name"))
            for each in spec.get(declared) or ()
            if each.get("restartPolicy") == "Always"
        }
        for each in status.get(listed) or ():
            is_sidecar = kind is ContainerKind.INIT and str(each.get("name")) in stays
            yield _container(each, ContainerKind.SIDECAR if is_sidecar else kind)


def _container(told: Object, kind: ContainerKind) -> ContainerStatus:
    state = told.get("state") or {}
    phase = next((p for p in ("running", "waiting", "terminated") if state.get(p)), "unknown")
    # Without any member a state reads as waiting, says the API's reference: nothing is known yet.
    now = state.get(phase) or {}
    ended = state.get("terminated") or (told.get("lastState") or {}).get("terminated")
    waits = phase == "waiting"
    return ContainerStatus(
        name=str(told.get("name", "")),
        kind=kind,
        image=str(told.get("image", "")),
        phase=phase,
        ready=bool(told.get("ready")),
        restarts=int(told.get("restartCount") or 0),
        reason=str(now.get("reason") or "") if waits else "",
        message=str(now.get("message") or "") if waits else "",
        since=time_of(now.get("startedAt")) if phase == "running" else None,
        last=_ending(ended) if ended else None,
    )


def _ending(told: Object) -> Ending:
    return Ending(
        exit_code=int(told.get("exitCode") or 0),
        signal=int(told.get("signal") or 0),
        reason=str(told.get("reason") or ""),
        message=str(told.get("message") or ""),
        began=time_of(told.get("startedAt")),
        at=time_of(told.get("finishedAt")),
    )


def _unset_gates(spec: Object, status: Object) -> Iterator[Stated]:
    """Yield the readiness gates that nobody has answered: they hold the pod back all the same."""
    told = {each.get("type") for each in status.get("conditions") or ()}
    for gate in spec.get("readinessGates") or ():
        name = str(gate.get("conditionType", ""))
        if name not in told:
            yield Stated(name, None, message="a readiness gate that nobody has set yet")


def _started(status: Object, containers: tuple[ContainerStatus, ...]) -> datetime | None:
    """Return when the youngest running container started, else when the pod did."""
    apps = [each.since for each in containers if each.kind is ContainerKind.APP and each.since]
    return max(apps) if apps else time_of(status.get("startTime"))


def _reason(
    status: Object, containers: tuple[ContainerStatus, ...], conditions: tuple[Stated, ...]
) -> str:
    """Return in one word why the pod is unwell, or how its last container ended."""
    if status.get("reason"):  # Evicted, NodeLost, DeadlineExceeded: of the pod as a whole
        return str(status["reason"])
    waiting = [e.reason for e in containers if e.phase == "waiting" and e.reason not in NOT_BEGUN]
    ended = [
        each.last.reason
        for now in (True, False)
        for each in containers
        if each.last and not each.last.is_good and (each.phase == "terminated") is now
    ]
    unplaced = [each.reason for each in conditions if each.type == "PodScheduled"]
    return next((reason for reason in (*waiting, *ended, *unplaced) if reason), "")
