"""Network policies that let nobody in, or nobody out, where somebody wants to."""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.services.addresses import addresses
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.kubernetes_objects import Json, meta


def _takes(policy: Json, pod: Json) -> bool:
    if meta(policy).get("namespace") != meta(pod).get("namespace"):
        return False
    selector = (policy.get("spec") or {}).get("podSelector") or {}
    labels = meta(pod).get("labels") or {}
    return not selector.get("matchExpressions") and (
        (selector.get("matchLabels") or {}).items() <= labels.items()
    )


def _covers(policy: Json, direction: str) -> bool:
    spec = policy.get("spec") or {}
    told = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    return direction in told


def _closed(direction: str, state: ClusterState) -> Iterator[tuple[Object, list[str]]]:
    """Yield workloads that only policies without any rule of this direction apply to."""
    for owner in sorted({state.workload_of(pod) for pod in state.pods}):
        pod = state.pods_of(owner)[0]
        over = [
            each for each in state.of("NetworkPolicy")
            if _takes(each, pod) and _covers(each, direction)
        ]  # fmt: skip
        rules = [each for each in over if (each.get("spec") or {}).get(direction.lower())]
        if over and not rules:
            yield owner, sorted(object_of(each, "NetworkPolicy").name for each in over)


def _in(state: ClusterState) -> Iterator[Sign]:
    asked = {(each.namespace, each.name) for each in addresses(state)}
    for owner, names in _closed("Ingress", state):
        fronts = {
            object_of(service, "Service")
            for service in state.of("Service")
            if any(state.workload_of(pod) == owner for pod in state.selected(service))
        }
        if any((front.namespace, front.name) in asked for front in fronts):
            yield Sign(owner, f"network policy {', '.join(names)} lets nobody in to {owner.name}, "
                              "which others are told to call")  # fmt: skip


def _out(state: ClusterState) -> Iterator[Sign]:
    calling = {each.workload for each in addresses(state)}
    for owner, names in _closed("Egress", state):
        if owner in calling:
            yield Sign(owner, f"network policy {', '.join(names)} lets {owner.name} call nobody, "
                              "though its environment names others")  # fmt: skip


ANALYSERS = (
    Analyser("policy-lets-nobody-in", Link.START, ("config_rollback",),
             "a connection from a caller, and when the policy came", _in, 2),
    Analyser("policy-lets-nobody-out", Link.START, ("config_rollback",),
             "a connection from the pod, and when the policy came", _out, 2),
)  # fmt: skip
