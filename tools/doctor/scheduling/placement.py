"""Why no node takes a pod: which one thing, done otherwise, would let it run.

For every pod that the scheduler could not place each node is asked what bars it. A pod's own wish
is blamed only where no node grants it; where some node does, what closes that node is to blame.
What the objects do not say is read from the scheduler's message.
"""

from __future__ import annotations

from collections.abc import Iterator

import re2

from tools.doctor.scheduling.fits import Bar, bars, is_control_plane, requested
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json, meta

_WORDS = {
    Bar.CPU: re2.compile(r"(?i)insufficient cpu"),
    Bar.MEMORY: re2.compile(r"(?i)insufficient memory"),
    Bar.SELECTOR: re2.compile(r"(?i)didn't match (?:Pod's )?node (?:affinity/)?selector"),
    Bar.AFFINITY: re2.compile(r"(?i)didn't match (?:Pod's )?node affinity"),
    Bar.TAINT: re2.compile(r"(?i)untolerated taint|had taints? .{1,200}didn't tolerate"),
    Bar.CORDON: re2.compile(r"(?i)were unschedulable"),
}
# Least first: a wish that no node grants explains more than a node that is closed.
_WISHES = (Bar.SELECTOR, Bar.AFFINITY)
_CLOSED = (Bar.NOT_READY, Bar.CORDON, Bar.TAINT, Bar.CPU, Bar.MEMORY)


def unplaced(state: ClusterState) -> Iterator[tuple[Json, Json]]:
    """Yield pods that the scheduler could not place, each with the condition that says so."""
    for pod in state.pods:
        if (pod.get("spec") or {}).get("nodeName"):
            continue
        for each in (pod.get("status") or {}).get("conditions") or ():
            unmet = each.get("type") == "PodScheduled" and str(each.get("status")) == "False"
            if unmet and each.get("reason") in {"Unschedulable", None, ""}:
                yield pod, each


def message_of(state: ClusterState, pod: Json, condition: Json) -> str:
    """Return what the scheduler said last of a pod."""
    said = state.events_of(object_of(pod, "Pod"), "FailedScheduling")
    text = condition.get("message") or (said[-1].message if said else "")
    return str(text).split(" preemption:")[0]


def culprit(state: ClusterState, pod: Json, message: str) -> Bar | None:
    """Return what keeps a pod from every node, None when nodes alone do not say."""
    said = {bar for bar, pattern in _WORDS.items() if pattern.search(message)}
    if not said:
        return None
    workers = [node for node in state.of("Node") if not is_control_plane(node)]
    nodes = [bars(pod, node) for node in workers or state.of("Node")]
    if not nodes:
        return _by_message(pod, said)
    for wish in _WISHES:
        if all(wish in each for each in nodes):
            return wish
    open_to_it = [each for each in nodes if not each & set(_WISHES)]
    full = [bar for bar in (Bar.CPU, Bar.MEMORY) if bar in said]
    closing = [each & {Bar.CORDON, Bar.TAINT, Bar.NOT_READY} for each in open_to_it]
    if full and not all(closing):  # a node is open, but has not enough left
        return full[0]
    counts = {bar: sum(bar in each for each in open_to_it) for bar in _CLOSED}
    worst = max(_CLOSED, key=lambda bar: counts[bar])
    return worst if counts[worst] else _by_message(pod, said)


def _by_message(pod: Json, said: set[Bar]) -> Bar:
    """Without nodes: the pod's own wish first, a cordon last (a control plane is one for good)."""
    if Bar.SELECTOR in said and not (pod.get("spec") or {}).get("nodeSelector"):
        said = said | {Bar.AFFINITY}
        said = said - {Bar.SELECTOR}
    order = (Bar.SELECTOR, Bar.AFFINITY, Bar.CPU, Bar.MEMORY, Bar.TAINT, Bar.CORDON)
    return next(bar for bar in order if bar in said)


def _barred(bar: Bar, what: str, state: ClusterState) -> Iterator[Sign]:
    for pod, condition in unplaced(state):
        message = message_of(state, pod, condition)
        if culprit(state, pod, message) is bar:
            name = meta(pod).get("name", "")
            since = time_of(condition.get("lastTransitionTime"))
            text = f"no node takes {name}: {what.format(**_wishes(pod))} ({message})"
            yield Sign(state.workload_of(pod), text, since=since)


def _wishes(pod: Json) -> dict[str, str]:
    spec = pod.get("spec") or {}
    selector = ", ".join(f"{k}={v}" for k, v in sorted((spec.get("nodeSelector") or {}).items()))
    cpu, memory = requested(pod, "cpu"), requested(pod, "memory")
    return {"selector": selector, "cpu": f"{cpu:g}", "memory": f"{memory / 2**20:.0f} Mi"}


def _placement(bar: Bar, name: str, what: str, settle: str, *remedies: str) -> Analyser:
    return Analyser(name, Link.START, remedies, settle, lambda state: _barred(bar, what, state), 1)


ANALYSERS = (
    _placement(
        Bar.CPU, "node-cpu-too-small", "none has the {cpu} cores left that it asks for",
        "requests against what nodes have left", "deployment_rollback", "scale",
    ),
    _placement(
        Bar.MEMORY, "node-memory-too-small",
            "none has the {memory} of memory "
            "left that it asks for",
        "requests against what nodes have left", "deployment_rollback", "scale",
    ),
    _placement(
        Bar.SELECTOR, "node-selector-unmet", "none has the labels {selector}",
        "the template's nodeSelector against the labels of nodes", "deployment_rollback",
    ),
    _placement(
        Bar.AFFINITY, "node-affinity-unmet", "none meets its node affinity",
        "the template's nodeAffinity against the labels of nodes", "deployment_rollback",
    ),
    _placement(
        Bar.TAINT, "taint-not-tolerated",
            "those it could use have a taint that "
            "it does not tolerate",
        "the template's tolerations against the taints of nodes", "deployment_rollback",
    ),
    _placement(
        Bar.CORDON, "nodes-cordoned", "those it could use are cordoned",
        "who cordoned them, and for how long", "uncordon",
    ),
    _placement(
        Bar.NOT_READY, "nodes-not-ready", "those it could use are not ready",
        "the conditions of those nodes",
    ),
)  # fmt: skip
