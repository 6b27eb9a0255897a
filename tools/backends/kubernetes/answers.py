"""What an acting call must see in its answer before it believes it: the object that was meant.

    patch deployments/my-api  ──>  kind Deployment, name my-api, namespace team-a, the uid we know
    delete pods/my-api-1      ──>  that pod, or a Status that names no other
    list pods in team-a       ──>  a PodList, every item a pod of team-a

A proxy, a cache or a mistaken address can answer well-formed objects of somebody else. An object
that was read is the one by that name; whether it still bears the uid we know is for the action to
say, in whose words "made anew" is a lost race.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tools.backends.kubernetes.kinds import Resource
from tools.world import WorkloadRef

WHOLE = frozenset(
    {"", "status", "scale"}
)  # subresources that answer the object itself, or its like


def mistaken(
    verb: str, resource: Resource, ref: WorkloadRef, subresource: str, answer: Mapping[str, Any]
) -> str:
    """Return what an answer is about instead of what was meant, empty when it is about that."""
    if verb == "list":
        return _mistaken_list(ref, resource, answer)
    if subresource not in WHOLE or not ref.name:
        return ""  # an eviction, a log, a proxied path: no object of ours
    if verb == "delete" and answer.get("kind") == "Status":
        return _mistaken_status(ref, answer)
    expected = "Scale" if subresource == "scale" else ref.kind
    meant = replace(ref, uid="") if verb == "get" else ref
    return _mistaken_object(meant, expected, resource, answer)


def _mistaken_object(
    ref: WorkloadRef, kind: str, resource: Resource, answer: Mapping[str, Any]
) -> str:
    own = answer.get("metadata") or {}
    told = {
        "kind": str(answer.get("kind", "")),
        "name": str(own.get("name", "")),
        "namespace": str(own.get("namespace", "")) if resource.namespaced else "",
    }
    meant = {
        "kind": kind,
        "name": ref.name,
        "namespace": ref.namespace if resource.namespaced else "",
    }
    if told != meant:
        found = "/".join(told[part] or "-" for part in ("namespace", "kind", "name"))
        return f"{found} instead of {ref}"
    uid = str(own.get("uid", ""))
    if ref.uid and uid != ref.uid:
        return f"{ref} with uid {uid!r} instead of {ref.uid!r}"
    return ""


def _mistaken_status(ref: WorkloadRef, answer: Mapping[str, Any]) -> str:
    details = answer.get("details") or {}
    name, uid = str(details.get("name") or ref.name), str(details.get("uid") or ref.uid)
    if name != ref.name:
        return f"{name!r} instead of {ref}"
    if ref.uid and uid != ref.uid:
        return f"{ref} with uid {uid!r} instead of {ref.uid!r}"
    return ""


def _mistaken_list(ref: WorkloadRef, resource: Resource, answer: Mapping[str, Any]) -> str:
    if answer.get("kind") != f"{ref.kind}List":
        return f"a {answer.get('kind')!r} instead of a {ref.kind}List"
    for item in answer.get("items") or ():
        kind = item.get("kind", ref.kind)  # items of a list need not say theirs
        space = str((item.get("metadata") or {}).get("namespace", ""))
        elsewhere = resource.namespaced and ref.namespace and space != ref.namespace
        if kind != ref.kind or elsewhere:
            return f"a {kind} of {space!r} instead of a {ref.kind} of {ref.namespace!r}"
    return ""
