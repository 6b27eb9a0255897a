"""Pods that left or cannot leave: evicted, preempted, lost with their node, held by a finalizer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import FRESH, ClusterState
from tools.doctor.words import shortened
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json, meta


def _gone(state: ClusterState, reason: str) -> Iterator[tuple[Json, str]]:
    for pod in state.of("Pod"):
        status = pod.get("status") or {}
        if status.get("phase") == "Failed" and status.get("reason") == reason:
            yield pod, str(status.get("message") or "")


def _left(reason: str, what: str, state: ClusterState) -> Iterator[Sign]:
    for pod, message in _gone(state, reason):
        started = time_of((pod.get("status") or {}).get("startTime"))
        ended = _end_of(pod)
        over = ended is not None and state.at - ended > FRESH
        name = meta(pod).get("name", "")
        owner = state.owner_of(pod, "Pod")
        node = (pod.get("spec") or {}).get("nodeName", "")
        where = f" on node {node}" if node else ""
        yield Sign(owner, f"pod {name} {what}{where}: {shortened(message)}", since=ended or started,
                   ended=ended if over else None)  # fmt: skip


def _end_of(pod: Json) -> datetime | None:
    told = [
        time_of(((each.get("state") or {}).get("terminated") or {}).get("finishedAt"))
        for each in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    ends = [each for each in told if each is not None]
    return max(ends) if ends else None


def _preempted(state: ClusterState) -> Iterator[Sign]:
    for subject, event in state.events_with("Preempted"):
        pod = state.find(subject.kind, subject.namespace, subject.name)
        owner = state.owner_of(pod, "Pod") if pod else subject
        ended = None if state.is_fresh(event) else event.at
        text = (
            f"pod {subject.name} made room for one of higher priority: {shortened(event.message)}"
        )
        yield Sign(owner, text, since=event.at, ended=ended)


def _staying(state: ClusterState) -> Iterator[Sign]:
    for pod in state.of("Pod"):
        asked = time_of(meta(pod).get("deletionTimestamp"))
        phase = (pod.get("status") or {}).get("phase")
        if (
            asked is None
            or phase in {"Succeeded", "Failed"}
            or state.at - asked < timedelta(minutes=2)
        ):
            continue
        held = meta(pod).get("finalizers") or ()
        node = (pod.get("spec") or {}).get("nodeName", "")
        why = (
            f"finalizers {', '.join(held)} hold it" if held else f"its node {node} does not confirm"
        )
        name = meta(pod).get("name", "")
        yield Sign(state.owner_of(pod, "Pod"), f"pod {name} cannot leave: {why}", since=asked)


def _unreachable(state: ClusterState) -> Iterator[Sign]:
    for pod in state.of("Pod"):
        if (pod.get("status") or {}).get("reason") == "NodeLost":
            node = (pod.get("spec") or {}).get("nodeName", "")
            name = meta(pod).get("name", "")
            yield Sign(Object("Node", "", node), f"pod {name} is lost with its node",
                       (state.owner_of(pod, "Pod"),))  # fmt: skip


ANALYSERS = (
    Analyser("evicted", Link.START, ("scale",), "what filled the node, or the pod's own limit",
             lambda s: _left("Evicted", "was evicted", s), 1),
    Analyser("ran-too-long", Link.START, (), "activeDeadlineSeconds of the pod",
             lambda s: _left("DeadlineExceeded", "ran into its deadline", s), 2),
    Analyser("node-shut-down", Link.CARRY, (), "who shut the node down",
             lambda s: _left("Terminated", "was ended with its node", s), 4),
    Analyser("not-admitted-by-node", Link.START, ("deployment_rollback",), "the node's resources",
             lambda s: _left("UnexpectedAdmissionError", "was not let in by its node", s), 2),
    Analyser("preempted", Link.CARRY, (), "priorities of the two workloads", _preempted, 4),
    Analyser("cannot-leave", Link.CARRY, (), "who removes the finalizer; whether the node lives",
             _staying, 6),
    Analyser("lost-with-node", Link.CARRY, (), "the node", _unreachable, 5),
)  # fmt: skip
