"""Pods that wait for what the scheduler alone knows, and pods that nobody schedules at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import re2

from tools.doctor.named import Object
from tools.doctor.scheduling.placement import message_of, unplaced
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import meta

UNSEEN_FOR = timedelta(seconds=30)  # a scheduler looks at a new pod within seconds


def _says(pattern: str, what: str, state: ClusterState) -> Iterator[Sign]:
    compiled = re2.compile(f"(?i){pattern}")
    for pod, condition in unplaced(state):
        message = message_of(state, pod, condition)
        if compiled.search(message):
            since = time_of(condition.get("lastTransitionTime"))
            text = f"no node takes {meta(pod).get('name', '')}: {what} ({message})"
            yield Sign(state.workload_of(pod), text, since=since)


def _said(
    name: str,
    pattern: str,
    what: str,
    settle: str,
    role: Link = Link.START,
    rank: int = 0,
) -> Analyser:
    back = ("deployment_rollback",) if role is Link.START else ()
    return Analyser(name, role, back, settle, lambda state: _says(pattern, what, state), rank)


def _unseen(state: ClusterState) -> Iterator[Sign]:
    waiting = []
    for pod in state.pods:
        spec, status = pod.get("spec") or {}, pod.get("status") or {}
        told = {each.get("type") for each in status.get("conditions") or ()}
        made = time_of(meta(pod).get("creationTimestamp"))
        old = made is not None and state.at - made >= UNSEEN_FOR
        gated = bool(spec.get("schedulingGates"))
        if not spec.get("nodeName") and "PodScheduled" not in told and old and not gated:
            waiting.append((made, state.workload_of(pod)))
    if waiting:
        victims = tuple(sorted({owner for _, owner in waiting}))
        since = min(made for made, _ in waiting if made is not None)
        count = len(waiting)
        text = f"no scheduler looks at {count} waiting pod{'s' * (count > 1)}: none was tried"
        yield Sign(Object("Component", "kube-system", "kube-scheduler"), text, victims, since)


ANALYSERS = (
    _said(
        "anti-affinity", r"anti-affinity",
            "other pods that it must not stand "
            "beside are everywhere",
        "the template's podAntiAffinity, and how many nodes there are",
    ),
    _said(
        "pod-affinity", r"didn't match pod affinity",
            "no node has the pod that it "
            "must stand beside",
        "the template's podAffinity, and where those pods are",
    ),
    _said(
        "topology-spread", r"topology spread", "its topology spread cannot be kept",
        "the template's constraints and the nodes' zones",
    ),
    _said(
        "host-port-taken", r"free ports", "the host port it wants is in use on every node",
        "hostPort of the template",
    ),
    _said(
        "special-resource-short", r"insufficient (?:ephemeral-storage|[\w.-]+/[\w.-]+|hugepages)",
        "a resource other than CPU and memory is used up", "what the nodes offer of it",
    ),
    _said("too-many-pods", r"too many pods", "nodes hold as many pods as they may",
          "the limit of pods of nodes"),
    _said(
        "volume-on-other-node",
            r"volume node affinity conflict|available "
            r"persistent volumes? to bind",
        "its volume lives where no node can take it", "the volume's zone against the nodes'",
        rank=1,
    ),
    _said("claim-missing", r'persistentvolumeclaim "[^"]+" not found', "its claim does not exist",
          "who makes this claim", rank=2),
    _said("claim-unbound", r"unbound immediate PersistentVolumeClaims", "its claim is not bound",
          "the claim's own state", Link.CARRY, 5),
    Analyser("no-scheduler", Link.START, (), "pods of kube-scheduler, or its unit on the node",
             _unseen, 1),
)  # fmt: skip
