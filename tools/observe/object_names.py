"""What a person calls an object of a cluster: `po`, `Deployments`, `node/n1`, `team-a/my-api`.

    kind          any case, singular, plural, the short name of kubectl, with or without its group
    name          my-api · team-a/my-api · deploy/my-api · team-a/Deployment/my-api

The kinds are those that the reading role names, and no others: a Secret has no spelling here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import re2

from foundation.encodings import writable
from foundation.nearest import nearest
from tools.errors import BadArgumentError

SPELLINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {  # kind: its plural, then the short names of kubectl
        "Pod": ("pods", "po"),
        "Deployment": ("deployments", "deploy", "dep"),
        "StatefulSet": ("statefulsets", "sts"),
        "DaemonSet": ("daemonsets", "ds"),
        "ReplicaSet": ("replicasets", "rs"),
        "Rollout": ("rollouts", "ro"),
        "Job": ("jobs",),
        "CronJob": ("cronjobs", "cj"),
        "HorizontalPodAutoscaler": ("horizontalpodautoscalers", "hpa", "hpas", "autoscaler"),
        "PodDisruptionBudget": ("poddisruptionbudgets", "pdb", "pdbs"),
        "Service": ("services", "svc", "svcs"),
        "Ingress": ("ingresses", "ing"),
        "NetworkPolicy": ("networkpolicies", "netpol", "netpols"),
        "ConfigMap": ("configmaps", "cm", "cms"),
        "PersistentVolumeClaim": ("persistentvolumeclaims", "pvc", "pvcs", "claim"),
        "PersistentVolume": ("persistentvolumes", "pv", "pvs"),
        "StorageClass": ("storageclasses", "sc"),
        "ResourceQuota": ("resourcequotas", "quota", "quotas"),
        "Node": ("nodes", "no"),
        "Namespace": ("namespaces", "ns"),
        "Event": ("events", "ev"),
        "ControllerRevision": ("controllerrevisions",),
        "Cluster": ("clusters",),  # CloudNativePG
    }
)
WITHOUT_NAMESPACE = frozenset({"Node", "PersistentVolume", "StorageClass", "Namespace"})
_KINDS: Mapping[str, str] = MappingProxyType(
    {spelling: kind for kind, others in SPELLINGS.items() for spelling in (kind.lower(), *others)}
)
_SECRET = re2.compile(r"(?:.*[/.])?secrets?(?:[/.].*)?")
_NAME = re2.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")  # a DNS subdomain, as the API takes


@dataclass(frozen=True, slots=True)
class ObjectName:
    """An object as somebody names it; what they did not say is empty."""

    kind: str
    namespace: str
    name: str


def kind_of(text: str) -> str:
    """Return the kind that a word means. Raises BadArgumentError with the nearest one."""
    said = text.strip().lower()
    if _SECRET.fullmatch(writable(said)):
        raise BadArgumentError("Secrets are never read")
    found = _KINDS.get(said) or _KINDS.get(said.partition(".")[0])  # deployments.apps
    if found is None:
        spelt = nearest(said, _KINDS) if said else ""
        meant = spelt if spelt.startswith(" Did") else f" Kinds: {', '.join(SPELLINGS)}."
        raise BadArgumentError(f"kind {text!r} is none that is read.{meant}")
    return found


def object_named(text: str, kind: str = "") -> ObjectName:
    """Read an object's name. Raises BadArgumentError for one that no object can have.

    `kind` is what was said beside it; a kind in front of the name must mean the same.
    """
    parts = text.strip().split("/")
    if len(parts) > 3 or not all(part.strip() for part in parts):
        raise BadArgumentError(
            f"{text!r} names no object; write my-api, team-a/my-api, node/n1 or "
            "team-a/deployment/my-api"
        )
    own = kind_of(kind) if kind else ""
    *before, name = parts
    namespace = ""
    if len(before) == 2:
        namespace, said = before
        own = _agreed(text, own, kind_of(said))
    elif before and (before[0].lower() in _KINDS or _SECRET.fullmatch(writable(before[0].lower()))):
        # a namespace may be called like a kind; where the kind was said, that is what it is
        if own and _KINDS.get(before[0].lower()) != own:
            namespace = before[0]
        else:
            own = kind_of(before[0])
    elif before:
        namespace = before[0]
    return ObjectName(own, _valid(namespace, text), _valid(name, text))


def _agreed(text: str, own: str, said: str) -> str:
    if own and own != said:
        raise BadArgumentError(f"{text!r} is a {said}, and kind says {own}")
    return said


def _valid(part: str, text: str) -> str:
    found = part.strip().lower()
    if found and not _NAME.fullmatch(writable(found)):
        raise BadArgumentError(
            f"{text!r} is no name of an object: small letters, digits, '-' and '.'"
        )
    return found
