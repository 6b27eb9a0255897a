"""What nodes say of themselves: silent, without a runtime, under pressure, cordoned."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import is_well, shortened
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json

Matches = Callable[[Json], bool]


def _on(state: ClusterState, node: str) -> tuple[Object, ...]:
    """Return the workloads with a pod on a node that is not well."""
    ill = (
        pod for pod in state.pods
        if (pod.get("spec") or {}).get("nodeName") == node and not is_well(pod)
    )  # fmt: skip
    return tuple(sorted({state.workload_of(pod) for pod in ill}))


def _says(what: str, matches: Matches, state: ClusterState) -> Iterator[Sign]:
    for node in state.of("Node"):
        own = object_of(node, "Node")
        for each in (node.get("status") or {}).get("conditions") or ():
            if matches(each):
                message = shortened(str(each.get("message") or each.get("reason") or ""))
                since = time_of(each.get("lastTransitionTime"))
                text = f"node {own.name} {what}: {message}"
                yield Sign(own, text, _on(state, own.name), since)


def _is(name: str, *, status: tuple[str, ...]) -> Matches:
    return lambda each: each.get("type") == name and str(each.get("status")) in status


def _is_silent(each: Json) -> bool:
    return each.get("type") == "Ready" and str(each.get("status")) == "Unknown"


def _lacks_runtime(each: Json) -> bool:
    words = str(each.get("message") or "").lower()
    not_ready = each.get("type") == "Ready" and str(each.get("status")) == "False"
    return not_ready and ("container runtime" in words or "pleg" in words)


def _lacks_network(each: Json) -> bool:
    words = str(each.get("message") or "").lower()
    not_ready = each.get("type") == "Ready" and str(each.get("status")) == "False"
    plugin = not_ready and ("network plugin" in words or "cni" in words)
    return plugin or _is("NetworkUnavailable", status=("True",))(each)


def _is_otherwise_unready(each: Json) -> bool:
    not_ready = each.get("type") == "Ready" and str(each.get("status")) == "False"
    return not_ready and not _lacks_runtime(each) and not _lacks_network(each)


def _cordoned(state: ClusterState) -> Iterator[Sign]:
    for node in state.of("Node"):
        if (node.get("spec") or {}).get("unschedulable"):
            own = object_of(node, "Node")
            yield Sign(own, f"node {own.name} takes no new pods: it is cordoned")


def _pressure(name: str, resource: str) -> Analyser:
    return Analyser(
        f"node-{resource}-pressure",
        Link.START,
        ("drain",),
        f"what uses {resource} on the node",
        lambda state: _says(f"is short of {resource}", _is(name, status=("True",)), state),
        1,
    )


ANALYSERS = (
    Analyser("node-runtime-down", Link.START, (), "the container runtime's log on the node",
             lambda s: _says("has no container runtime", _lacks_runtime, s), 0),
    Analyser("node-network-down", Link.START, (), "the network plugin's pods on the node",
             lambda s: _says("has no network for pods", _lacks_network, s), 0),
    Analyser("node-silent", Link.START, ("drain",), "the node itself: power, network, kubelet",
             lambda s: _says("is silent", _is_silent, s), 0),
    Analyser("node-not-ready", Link.START, ("drain",), "the kubelet's log",
             lambda s: _says("is not ready", _is_otherwise_unready, s), 1),
    _pressure("MemoryPressure", "memory"),
    _pressure("DiskPressure", "disk"),
    _pressure("PIDPressure", "processes"),
    Analyser("node-cordoned", Link.SHOW, ("uncordon",), "who cordoned it", _cordoned, 9),
)  # fmt: skip
