"""What the cluster itself runs: DNS, network, proxy, control plane, storage drivers."""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import is_well
from tools.kubernetes_objects import meta

SYSTEM = "kube-system"
_PARTS = {
    "dns": ("coredns", "kube-dns", "node-local-dns"),
    "proxy": ("kube-proxy",),
    "network": ("calico", "cilium", "flannel", "weave", "aws-node", "azure-cni", "canal", "antrea"),
    "scheduler": ("kube-scheduler",),
    "controllers": ("kube-controller-manager",),
    "metrics-server": ("metrics-server",),
    "storage": ("csi-", "ebs-csi", "pd-csi", "local-path-provisioner"),
}


def _ill(names: tuple[str, ...], state: ClusterState) -> Iterator[Sign]:
    """A part is ill when none of its pods of a workload is ready, or on a node's own account."""
    for pod in state.pods:
        own = object_of(pod, "Pod")
        owner = state.workload_of(pod)
        mine = own.namespace == SYSTEM and any(owner.name.startswith(name) for name in names)
        if mine and not is_well(pod):
            twins = state.pods_of(owner)
            ready = sum(is_well(each) for each in twins)
            node = (pod.get("spec") or {}).get("nodeName", "")
            on = f" on node {node}" if owner.kind == "DaemonSet" and node else ""
            text = f"{owner.name}{on} is not ready: {ready} of {len(twins)} of its pods are"
            yield Sign(Object(owner.kind, owner.namespace, owner.name), text)


def _part(name: str, names: tuple[str, ...]) -> Analyser:
    return Analyser(
        f"system-{name}-unready",
        Link.CARRY,
        (),
        f"why the pods of {name} are not ready",
        lambda state: _ill(names, state),
        5,
    )


def _no_dns(state: ClusterState) -> Iterator[Sign]:
    named = [
        object_of(item, "Deployment") for item in state.of("Deployment")
        if meta(item).get("namespace") == SYSTEM and meta(item).get("name") in _PARTS["dns"]
    ]  # fmt: skip
    for each in named:
        pods = state.pods_of(each)
        if not any(is_well(pod) for pod in pods):
            yield Sign(each, f"no name is resolved in the cluster: no pod of {each.name} is ready")


ANALYSERS = (
    Analyser("cluster-without-dns", Link.START, (), "why its pods are not ready", _no_dns, 1),
    *(_part(name, names) for name, names in _PARTS.items()),
)
