"""What others lack when a quota is full and nobody reports the refusal: Services, claims.

A pod that is refused leaves an event with its controller; a Service or a claim that somebody
applied leaves nothing but its absence.
"""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.state import ClusterState, object_of


def without_service(state: ClusterState) -> Iterator[Object]:
    """Yield workloads whose pods open ports that no Service leads to."""
    if not state.reads("Service"):
        return
    led = {state.workload_of(pod) for svc in state.of("Service") for pod in state.selected(svc)}
    for pod in state.pods:
        opens = any(each.get("ports") for each in (pod.get("spec") or {}).get("containers") or ())
        owner = state.workload_of(pod)
        if opens and owner not in led and owner.kind != "Job":
            led.add(owner)
            yield owner


def without_claim(state: ClusterState) -> Iterator[tuple[Object, str]]:
    """Yield workloads whose pods name a claim that does not exist, with its name."""
    if not state.reads("PersistentVolumeClaim"):
        return
    for pod in state.pods:
        place = object_of(pod, "Pod").namespace
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if name and state.find("PersistentVolumeClaim", place, name) is None:
                yield state.workload_of(pod), str(name)
