"""Rollouts that stand still, workloads scaled to nothing, missing replicas."""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json
from tools.ownership import wanted_pods

_KINDS = ("Deployment", "StatefulSet")


def _all(state: ClusterState, *kinds: str) -> Iterator[tuple[Object, Json, Json, Json]]:
    for kind in kinds or _KINDS:
        for item in state.of(kind):
            yield object_of(item, kind), item, item.get("spec") or {}, item.get("status") or {}


def _nothing(state: ClusterState) -> Iterator[Sign]:
    for it, _, spec, _ in _all(state):
        here = (s for s in state.of("Service") if object_of(s, "Service").namespace == it.namespace)
        if spec.get("replicas") == 0 and any(_would_select(each, spec) for each in here):
            yield Sign(it, f"{it.name} is scaled to 0 replicas, and a Service leads to it")


def _would_select(service: Json, spec: Json) -> bool:
    wanted = (service.get("spec") or {}).get("selector") or {}
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    return bool(wanted) and wanted.items() <= labels.items()


def _paused(state: ClusterState) -> Iterator[Sign]:
    for it, _, spec, status in _all(state, "Deployment"):
        behind = int(status.get("updatedReplicas") or 0) < int(spec.get("replicas", 1) or 0)
        if spec.get("paused") and behind:
            yield Sign(it, f"the rollout of {it.name} is paused before its end")


def _stuck(state: ClusterState) -> Iterator[Sign]:
    for it, _, _, status in _all(state, "Deployment"):
        for each in status.get("conditions") or ():
            if (
                each.get("type") == "Progressing"
                and each.get("reason") == "ProgressDeadlineExceeded"
            ):
                since = time_of(each.get("lastTransitionTime"))
                yield Sign(it, f"the rollout of {it.name} did not end in time", since=since)


def _partition(state: ClusterState) -> Iterator[Sign]:
    for it, item, spec, status in _all(state, "StatefulSet"):
        rolling = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition")
        two = status.get("currentRevision") != status.get("updateRevision")
        if rolling and two and status.get("updateRevision"):
            wanted = wanted_pods(item, "StatefulSet")
            yield Sign(it, f"{it.name} keeps pods below {rolling} of {wanted} on the old revision: "
                           "its partition says so")  # fmt: skip


def _missing(state: ClusterState) -> Iterator[Sign]:
    for it, item, _, status in _all(state, "Deployment", "StatefulSet", "DaemonSet"):
        wanted = wanted_pods(item, it.kind)
        ready = int(status.get("readyReplicas", status.get("numberReady", 0)) or 0)
        if wanted and ready < wanted:
            yield Sign(it, f"{it.name} has {ready} of {wanted} pods ready")


ANALYSERS = (
    Analyser("scaled-to-nothing", Link.START, ("scale",), "who scaled it, and why", _nothing, 1),
    Analyser("rollout-paused", Link.START, (), "who paused it", _paused, 4),
    Analyser("partition-left", Link.CARRY, (), "the update strategy", _partition, 6),
    Analyser("rollout-stuck", Link.SHOW, ("deployment_rollback",), "why new pods are not ready",
             _stuck, 8),
    Analyser("replicas-missing", Link.SHOW, (), "why pods are not ready", _missing, 9),
)  # fmt: skip
