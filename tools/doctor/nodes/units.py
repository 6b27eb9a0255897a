"""Services of a node's operating system that do not run: kubelet, container runtime, proxy.

Known where `node_systemd_unit_state` (node exporter) or a port of their own is watched.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState

_UNITS = {
    "kubelet": ("kubelet",),
    "runtime": ("containerd", "crio", "cri-o", "docker", "cri-dockerd"),
    "proxy": ("kube-proxy",),
    "scheduler": ("kube-scheduler",),
    "control-plane": ("kube-apiserver", "kube-controller-manager", "etcd"),
}


def _down(units: tuple[str, ...], state: ClusterState) -> Iterator[Sign]:
    for each in state.units:
        if not each.active and each.unit.removesuffix(".service") in units:
            on_it = {
                state.workload_of(pod)
                for pod in state.pods
                if (pod.get("spec") or {}).get("nodeName") == each.node
            }
            text = f"{each.unit} does not run on node {each.node}"
            yield Sign(Object("Node", "", each.node), text, tuple(sorted(on_it)))


def _unit(name: str, units: tuple[str, ...]) -> Analyser:
    return Analyser(
        f"unit-{name}-down",
        Link.START,
        (),
        "its log on the node: journalctl -u",
        lambda state: _down(units, state),
        0,
    )


ANALYSERS = tuple(_unit(name, units) for name, units in _UNITS.items())
