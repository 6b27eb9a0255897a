"""Readiness gates that nobody opens."""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState
from tools.kubernetes_objects import meta


def _closed(state: ClusterState) -> Iterator[Sign]:
    for pod in state.pods:
        told = {
            each.get("type"): str(each.get("status"))
            for each in (pod.get("status") or {}).get("conditions") or ()
        }
        for gate in (pod.get("spec") or {}).get("readinessGates") or ():
            name = gate.get("conditionType")
            if told.get("ContainersReady") == "True" and told.get(name) != "True":
                text = f"readiness gate {name} of pod {meta(pod).get('name', '')} is not open"
                yield Sign(state.workload_of(pod), text)


ANALYSERS = (
    Analyser("readiness-gate", Link.START, (), "the controller that opens this gate", _closed, 2),
)
