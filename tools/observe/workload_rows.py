"""A workload as a row of figures, by its kind: what each kind counts is told in its own fields.

Deployment, StatefulSet, Rollout … replicas, ready, updated      DaemonSet: one a node
Job: completions, succeeded, failed                              CronJob: its last run
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tools.kubernetes_conditions import condition_of, time_of, unmet
from tools.kubernetes_objects import Json, annotations_of, is_owned_by, meta, revision_of
from tools.observe.asking import stamp
from tools.ownership import HPA
from tools.world import ClusterEvent, ContainerStatus, PodStatus, Stated, WorkloadRef

_ROLLOUT_REVISION = "rollout.argoproj.io/revision"


def workload_row(ref: WorkloadRef, item: Json, hpa: Json | None) -> dict[str, Any]:
    """Return what a workload's own object says."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    template = spec.get("template") or (
        ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    )
    inside = (spec if ref.kind == "Pod" else template.get("spec")) or {}
    replicas, ready, updated = _counts(ref.kind, spec, status)
    seen, made = status.get("observedGeneration"), meta(item).get("generation")
    return {
        "workload": str(ref),
        "kind": ref.kind,
        "found": True,
        "replicas": replicas,
        "ready": ready,
        "updated": updated,
        "revision": _revision(item),
        "change_cause": annotations_of(item).get("kubernetes.io/change-cause", ""),
        "labels": meta(item).get("labels") or {},
        "containers": [
            {
                "name": each.get("name", ""),
                "image": each.get("image", ""),
                "limits": (each.get("resources") or {}).get("limits") or {},
            }
            for each in inside.get("containers") or ()
        ],
        "conditions": [condition_row(each) for each in unmet(item, ref.kind)],
        "phase": str(status.get("phase") or "") if ref.kind != "Pod" else "",
        "message": str(status.get("message") or status.get("phaseReason") or ""),
        "paused": bool(spec.get("paused") or spec.get("suspend")),
        "behind": bool(seen and made and str(seen) != str(made)),
        "autoscaler": _scaler_row(hpa) if hpa is not None else None,
        **_runs(ref.kind, spec, status),
    }


def _counts(kind: str, spec: Json, status: Json) -> tuple[int, int, int]:
    """Return how many pods a workload should have, how many serve, how many are of today's form."""
    if kind == "DaemonSet":
        names = ("desiredNumberScheduled", "numberReady", "updatedNumberScheduled")
        wanted, ready, updated = (int(status.get(name) or 0) for name in names)
        return wanted, ready, updated
    if kind == "Cluster":
        ready = int(status.get("readyInstances") or 0)
        return int(spec.get("instances") or 0), ready, ready
    if kind in {"Job", "CronJob"}:
        ready = int(status.get("ready") or 0)
        active = status.get("active")  # a Job counts its pods, a CronJob names its Jobs
        return len(active) if isinstance(active, list) else int(active or 0), ready, ready
    if kind == "Pod":
        ready = any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in status.get("conditions") or ()
        )
        return 1, int(ready), 1
    told = spec.get("replicas")
    ready = int(status.get("readyReplicas") or 0)
    return 1 if told is None else int(told), ready, int(status.get("updatedReplicas") or 0)


def _runs(kind: str, spec: Json, status: Json) -> dict[str, Any]:
    if kind == "Job":
        return {
            "completions": int(spec.get("completions") or 1),
            "succeeded": int(status.get("succeeded") or 0),
            "failed": int(status.get("failed") or 0),
            "backoff_limit": int(spec.get("backoffLimit", 6)),
        }
    if kind == "CronJob":
        return {
            "schedule": str(spec.get("schedule", "")),
            "time_zone": str(spec.get("timeZone") or ""),
            "scheduled_at": _told(status.get("lastScheduleTime")),
            "succeeded_at": _told(status.get("lastSuccessfulTime")),
        }
    return {}


def run_row(job: Json) -> dict[str, Any]:
    """Return how one run of a CronJob went."""
    status = job.get("status") or {}
    bad = condition_of(job, "Failed") or condition_of(job, "FailureTarget")
    good = condition_of(job, "Complete") or condition_of(job, "SuccessCriteriaMet")
    end = bad or good
    return {
        "name": str(meta(job).get("name", "")),
        "began_at": _told(status.get("startTime") or meta(job).get("creationTimestamp")),
        "ended_at": _told(status.get("completionTime"))
        or (stamp(end.since) if end and end.since else ""),
        "phase": "failed" if bad else "succeeded" if good else "running",
        "reason": end.reason if end else "",
        "message": end.message if end else "",
        "failed": int(status.get("failed") or 0),
    }


def last_run(jobs: Sequence[Json], cronjob: Json) -> Json | None:
    """Return the youngest of the Jobs that a CronJob owns."""
    own = [job for job in jobs if is_owned_by(job, str(meta(cronjob).get("uid", "")))]
    return max(own, key=lambda job: str(meta(job).get("creationTimestamp", "")), default=None)


def pod_row(pod: PodStatus) -> dict[str, Any]:
    """Return one pod."""
    return {
        "name": pod.ref.name,
        "phase": pod.phase,
        "ready": pod.ready,
        "well": pod.is_well,
        "restarts": pod.restarts,
        "created_at": stamp(pod.created_at) if pod.created_at else "",
        "started_at": stamp(pod.started_at) if pod.started_at else "",
        "image": pod.image,
        "reason": pod.reason,
        "message": pod.message,
        "node": pod.node,
        "deleted_at": stamp(pod.deleted_at) if pod.deleted_at else "",
        "finalizers": list(pod.finalizers),
        "containers": [_container_row(each) for each in pod.containers],
        "conditions": [condition_row(each) for each in pod.conditions],
    }


def _container_row(container: ContainerStatus) -> dict[str, Any]:
    last = container.last
    return {
        "name": container.name,
        "kind": container.kind.value,
        "image": container.image,
        "phase": container.phase,
        "ready": container.ready,
        "unwell": container.is_unwell,
        "restarts": container.restarts,
        "reason": container.reason,
        "message": container.message,
        "since": stamp(container.since) if container.since else "",
        "last": {
            "exit_code": last.exit_code,
            "signal": last.signal,
            "reason": last.reason,
            "message": last.message,
            "began_at": stamp(last.began) if last.began else "",
            "ended_at": stamp(last.at) if last.at else "",
        }
        if last
        else None,
    }


def condition_row(stated: Stated) -> dict[str, Any]:
    """Return one condition."""
    return {
        "type": stated.type,
        "holds": stated.holds,
        "reason": stated.reason,
        "message": stated.message,
        "since": stamp(stated.since) if stated.since else "",
    }


def node_row(node: Json) -> dict[str, Any]:
    """Return what is wrong with a node; no conditions and not cordoned: nothing."""
    return {
        "conditions": [condition_row(each) for each in unmet(node, "Node")],
        "cordoned": bool((node.get("spec") or {}).get("unschedulable")),
    }


def event_row(event: ClusterEvent) -> dict[str, Any]:
    """Return one event: when it was seen first and last, and how often."""
    return {
        "at": stamp(event.at),
        "since": stamp(event.began),
        "object": str(event.workload),
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
        "count": event.count,
    }


def _scaler_row(hpa: Json) -> dict[str, Any]:
    limits = hpa.get("spec") or {}
    return {
        "name": meta(hpa)["name"],
        "min": limits.get("minReplicas", 1),
        "max": limits.get("maxReplicas"),
        "conditions": [condition_row(each) for each in unmet(hpa, HPA)],
    }


def _revision(item: Json) -> int | str:
    told: Mapping[str, Any] = item.get("status") or {}
    rollout = annotations_of(item).get(_ROLLOUT_REVISION, "")
    return revision_of(item) or rollout or str(told.get("updateRevision") or "")


def _told(stamped: str | None) -> str:
    at = time_of(stamped)
    return stamp(at) if at else ""
