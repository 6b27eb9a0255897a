"""What keeps a pod from a node, by the node's and the pod's own words.

Each check is one filter of the scheduler (kubernetes.io, *Scheduling Framework*, filter plugins),
read from the objects; what cannot be read so (topology spread, ports in use) is left to the
scheduler's own message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from tools.doctor.quantities import number_of
from tools.kubernetes_objects import Json, meta


class Bar(StrEnum):
    """What keeps a pod from a node."""

    CORDON = "cordon"
    TAINT = "taint"
    SELECTOR = "selector"
    AFFINITY = "affinity"
    CPU = "cpu"
    MEMORY = "memory"
    NOT_READY = "not ready"


ORDINARY_TAINTS = ("node.kubernetes.io/unschedulable",)  # says the same as the cordon itself


def bars(pod: Json, node: Json) -> frozenset[Bar]:
    """Return everything that keeps a pod from a node."""
    spec, own = pod.get("spec") or {}, node.get("spec") or {}
    found = set()
    if own.get("unschedulable"):
        found.add(Bar.CORDON)
    if any(_repels(taint, spec.get("tolerations") or ()) for taint in own.get("taints") or ()):
        found.add(Bar.TAINT)
    name = meta(node).get("name", "")
    labels = {"kubernetes.io/hostname": name, **(meta(node).get("labels") or {})}
    if not (spec.get("nodeSelector") or {}).items() <= labels.items():
        found.add(Bar.SELECTOR)
    if not _has_affinity(spec, labels, name):
        found.add(Bar.AFFINITY)
    room = (node.get("status") or {}).get("allocatable") or {}
    for bar, name in ((Bar.CPU, "cpu"), (Bar.MEMORY, "memory")):
        wanted, there = requested(pod, name), number_of(room.get(name))
        if there is not None and wanted > there:
            found.add(bar)
    if not _is_ready(node):
        found.add(Bar.NOT_READY)
    return frozenset(found)


def requested(pod: Json, resource: str) -> float:
    """Return what a pod asks for (cores, bytes): its containers together, or its largest init."""
    spec = pod.get("spec") or {}

    def asked(group: str) -> list[float]:
        return [
            number_of(((each.get("resources") or {}).get("requests") or {}).get(resource)) or 0.0
            for each in spec.get(group) or ()
        ]

    return max(sum(asked("containers")), max(asked("initContainers"), default=0.0))


def _repels(taint: Json, tolerations: Iterable[Json]) -> bool:
    if taint.get("effect") == "PreferNoSchedule" or taint.get("key") in ORDINARY_TAINTS:
        return False
    return not any(_tolerates(each, taint) for each in tolerations)


def _tolerates(toleration: Json, taint: Json) -> bool:
    effect = toleration.get("effect")
    if effect and effect != taint.get("effect"):
        return False
    key, exists = toleration.get("key"), toleration.get("operator") == "Exists"
    if not key:
        return exists
    same = key == taint.get("key")
    return same and (exists or (toleration.get("value") or "") == (taint.get("value") or ""))


def _has_affinity(spec: Json, labels: Mapping[str, str], name: str) -> bool:
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return not terms or any(_matches(term, labels, name) for term in terms)


def _matches(term: Json, labels: Mapping[str, str], name: str) -> bool:
    wanted = [
        (each, labels.get(each.get("key", ""))) for each in term.get("matchExpressions") or ()
    ]
    wanted += [(each, name) for each in term.get("matchFields") or ()]
    return all(_holds(each, value) for each, value in wanted)


def _holds(expression: Json, value: str | None) -> bool:
    values = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            mine, limit = number_of(value), number_of(values[0] if values else None)
            if mine is None or limit is None:
                return False
            return mine > limit if operator == "Gt" else mine < limit
    return True


def is_control_plane(node: Json) -> bool:
    """Say whether a node is there for the cluster itself: it is closed to others for good."""
    labels = meta(node).get("labels") or {}
    roles = {f"node-role.kubernetes.io/{role}" for role in ("control-plane", "master")}
    return bool(roles & labels.keys()) or labels.get("kubernetes.io/role") == "master"


def _is_ready(node: Json) -> bool:
    told = (node.get("status") or {}).get("conditions") or ()
    return all(each.get("type") != "Ready" or str(each.get("status")) == "True" for each in told)
