"""Pods for which the node cannot make a sandbox: runtime, network plugin, addresses, memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState
from tools.doctor.words import by_words, of_pods, shortened

_OF = of_pods((), ("FailedCreatePodSandBox", "FailedPodSandBoxStatus", "FailedSync"))
_RUNTIME = ("containerd.sock", "crio.sock", "docker.sock", "dial unix", "runtimeservice")


def _runtime(state: ClusterState) -> Iterator[Sign]:
    """The node is to blame, whatever pods it hits."""
    hit: dict[str, list[tuple[Object, str]]] = defaultdict(list)
    for told in _OF(state):
        pod = state.find("Pod", told.workload.namespace, told.subject) or {}
        node = (pod.get("spec") or {}).get("nodeName", "")
        low = told.message.lower()
        if told.ended is None and node and any(word in low for word in _RUNTIME):
            hit[node].append((told.workload, told.message))
    for node, told_of in sorted(hit.items()):
        victims = tuple(sorted({owner for owner, _ in told_of}))
        text = f"the container runtime of node {node} does not answer: {shortened(told_of[-1][1])}"
        yield Sign(Object("Node", "", node), text, victims)


ANALYSERS = (
    Analyser("runtime-silent", Link.START, (),
        "the container runtime's "
        "log on the node", _runtime, 0),
    by_words(
        "memory-limit-too-low", _OF, r"oom-killed|memory limit too low|cannot allocate memory",
        "the memory limit of {subject} is too low to begin at all",
        remedies=("deployment_rollback",), settle= (
            "the limit against what "
            "the process needs"
        ), rank=0,
    ),
    by_words(
        "no-address-left", _OF,
            r"no (?:available )?ip addresses|failed to allocate for range|"
            r"ip pool.{0,40}exhausted|failed to assign an IP",
        "there is no address left for {subject}", settle="the node's pod range", rank=0,
    ),
    by_words(
        "network-plugin-fails", _OF, r"(?:cni|network).{0,80}(?:fail|plugin|setup)",
        "the network plugin fails for {subject}", settle="the network plugin's pods on that node",
        rank=2,
    ),
    by_words(
        "runtime-refuses", _OF, r"OCI runtime|runc|failed to create (?:containerd|shim) task",
        "the container runtime refuses to begin {subject}", remedies=("deployment_rollback",),
        settle="the message's last part", rank=3,
    ),
)  # fmt: skip
