"""Why a claim is not bound: which of its wishes no volume grants, or who took the volume.

A claim's class that provisions nothing is bound only to a volume that fits (kubernetes.io,
*Persistent Volumes*, binding): class, size, access modes, selector, the name it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tools.doctor.named import Object
from tools.doctor.quantities import number_of
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import shortened
from tools.kubernetes_conditions import time_of
from tools.kubernetes_objects import Json, meta

MANUAL = "kubernetes.io/no-provisioner"
Why = Callable[[ClusterState, Json], str]


def _unbound(state: ClusterState, phases: tuple[str, ...] = ("Pending",)) -> Iterator[Json]:
    for claim in state.of("PersistentVolumeClaim"):
        if (claim.get("status") or {}).get("phase") in phases:
            yield claim


def _class_of(claim: Json) -> str | None:
    name = (claim.get("spec") or {}).get("storageClassName")
    return None if name is None else str(name)


def _class(state: ClusterState, claim: Json) -> Json | None:
    return state.find("StorageClass", "", _class_of(claim) or "")


def _provisions(state: ClusterState, claim: Json) -> bool:
    known = _class(state, claim)
    return known is not None and known.get("provisioner") != MANUAL


def _candidates(state: ClusterState, claim: Json) -> list[Json]:
    """Return volumes that the claim may have been meant for: of its name, else of no other."""
    named = (claim.get("spec") or {}).get("volumeName")
    if named:
        one = state.find("PersistentVolume", "", named)
        return [one] if one else []
    own = object_of(claim, "PersistentVolumeClaim")
    found = []
    for volume in state.of("PersistentVolume"):
        held = (volume.get("spec") or {}).get("claimRef") or {}
        theirs = (held.get("namespace", own.namespace), held.get("name"))
        if not held or theirs == (own.namespace, own.name):
            found.append(volume)
    return found


def _misfits(claim: Json, volume: Json) -> dict[str, str]:
    """Return what of a volume does not fit a claim, in words."""
    asked, given = claim.get("spec") or {}, volume.get("spec") or {}
    found = {}
    if (asked.get("storageClassName") or "") != (given.get("storageClassName") or ""):
        found["class"] = (
            f"it asks for class {asked.get('storageClassName') or 'none'!r}, volume "
            f"{meta(volume).get('name')} has {given.get('storageClassName') or 'none'!r}"
        )
    size = ((asked.get("resources") or {}).get("requests") or {}).get("storage")
    there = (given.get("capacity") or {}).get("storage")
    if (number_of(size) or 0) > (number_of(there) or 0):
        found["capacity"] = f"it asks for {size}, volume {meta(volume).get('name')} has {there}"
    wants, allows = set(asked.get("accessModes") or ()), set(given.get("accessModes") or ())
    if not wants <= allows:
        found["mode"] = (
            f"it asks for {', '.join(sorted(wants))}, volume {meta(volume).get('name')} "
            f"allows {', '.join(sorted(allows)) or 'nothing'}"
        )
    labels = meta(volume).get("labels") or {}
    selector = (asked.get("selector") or {}).get("matchLabels") or {}
    if not selector.items() <= labels.items():
        shown = ", ".join(f"{k}={v}" for k, v in sorted(selector.items()))
        found["selector"] = f"it selects {shown}, which volume {meta(volume).get('name')} has not"
    return found


def _nearest(state: ClusterState, claim: Json) -> dict[str, str]:
    """Return the misfits of the volume that fits best; none when a volume fits."""
    tried = [_misfits(claim, volume) for volume in _candidates(state, claim)]
    return min(tried, key=len) if tried else {}


def _no_class(state: ClusterState, claim: Json) -> str:
    name = _class_of(claim)
    if not name or not state.reads("StorageClass", "PersistentVolume"):
        return ""
    of_class = [
        each for each in state.of("PersistentVolume")
        if (each.get("spec") or {}).get("storageClassName") == name
    ]  # fmt: skip
    if _class(state, claim) is None and not of_class:
        return f"there is no storage class {name!r}"
    return ""


def _misfit(which: str) -> Why:
    def why(state: ClusterState, claim: Json) -> str:
        if _provisions(state, claim):
            return ""
        found = _nearest(state, claim)
        order = ("class", "selector", "mode", "capacity")
        first = next((each for each in order if each in found), "")
        return found[first] if first == which else ""

    return why


def _taken(state: ClusterState, claim: Json) -> str:
    named = (claim.get("spec") or {}).get("volumeName")
    own = object_of(claim, "PersistentVolumeClaim")
    for volume in state.of("PersistentVolume"):
        held = (volume.get("spec") or {}).get("claimRef") or {}
        by = Object("PersistentVolumeClaim", held.get("namespace", ""), held.get("name", ""))
        wanted = meta(volume).get("name") == named if named else not _misfits(claim, volume)
        if held and wanted and by != own and not _provisions(state, claim):
            if _candidates(state, claim) and not named:
                continue
            return f"volume {meta(volume).get('name')} is bound to {by.namespace}/{by.name} already"
    return ""


def _not_provisioned(state: ClusterState, claim: Json) -> str:
    own = object_of(claim, "PersistentVolumeClaim")
    said = state.events_of(own, "ProvisioningFailed")
    return shortened(said[-1].message) if said and state.is_fresh(said[-1]) else ""


def _lost(state: ClusterState, claim: Json) -> str:
    del state
    volume = (claim.get("spec") or {}).get("volumeName")
    return f"its volume {volume} is gone"


def _claims(why: Why, phases: tuple[str, ...], state: ClusterState) -> Iterator[Sign]:
    for claim in _unbound(state, phases):
        text = why(state, claim)
        own = object_of(claim, "PersistentVolumeClaim")
        users = tuple(sorted({state.workload_of(pod) for pod in _users(state, own)}))
        if text:
            sentence = f"claim {own.name} is not bound: {text}"
            since = time_of(meta(claim).get("creationTimestamp"))
            if users:
                yield from (Sign(user, sentence, (), since) for user in users)
            else:
                yield Sign(own, sentence, (), since)


def _users(state: ClusterState, claim: Object) -> Iterator[Json]:
    for pod in state.pods:
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            used = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if used == claim.name and object_of(pod, "Pod").namespace == claim.namespace:
                yield pod


def _analyser(
    name: str, why: Why, settle: str, rank: int, phases: tuple[str, ...] = ("Pending",)
) -> Analyser:
    return Analyser(name, Link.START, (), settle, lambda state: _claims(why, phases, state), rank)


ANALYSERS = (
    _analyser("storage-class-missing", _no_class, "the class's name against those there are", 0),
    _analyser("volume-of-other-class", _misfit("class"), "class of claim and volume", 1),
    _analyser("volume-access-mode", _misfit("mode"), "access modes of claim and volume", 0),
    _analyser("volume-too-small", _misfit("capacity"), "size of claim and volume", 0),
    _analyser("volume-not-selected", _misfit("selector"),
        "selector of the claim, "
        "labels of the volume", 0),
    _analyser("volume-taken", _taken, "who holds the volume", 1),
    _analyser("volume-not-provisioned", _not_provisioned, "the provisioner's log", 2),
    _analyser("volume-lost", _lost, "what deleted the volume", 0, ("Lost",)),
)  # fmt: skip
