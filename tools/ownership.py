"""Who owns what, who scales what, and which Services stand before it: pure, over listed objects.

    Pod ──ReplicaSet──> Deployment ──> whoever owns that …        `Objects.ancestry`
    HorizontalPodAutoscaler ──scaleTargetRef──> workload          `scale_target`, `autoscalers_of`
    Service ──selector──> pods                                    `services_selecting`

An owner is found by the uid that an object's `ownerReferences` name, never by a name's beginning.
What is not among the listed objects is *wanted*: somebody reads it and adds it, or says why it is
not to be had. Then it is an owner that nobody knows, never "no owner". A kind we do not read, such
as an operator's own, is *foreign*: it stands at the top by kind, name and uid.

`tools.ownership_reader` reads what is wanted from a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tools.kubernetes_objects import Json, meta, template_of
from tools.world import WorkloadRef

HPA = "HorizontalPodAutoscaler"
TALLEST = 12  # owners above each other that are followed
# API groups of the kinds whose owners, labels and pods we can read.
GROUPS: Mapping[str, str] = {
    "Pod": "",
    "Node": "",
    "Service": "",
    "ConfigMap": "",
    "Namespace": "",
    "ReplicaSet": "apps",
    "Deployment": "apps",
    "StatefulSet": "apps",
    "DaemonSet": "apps",
    "Job": "batch",
    "CronJob": "batch",
    HPA: "autoscaling",
    "PodDisruptionBudget": "policy",
    "Cluster": "postgresql.cnpg.io",
}
_CLUSTER_SCOPED = frozenset({"Node", "Namespace"})


class Standing(StrEnum):
    """How well an object is known."""

    READ = "read"
    FOREIGN = "foreign"  # a kind we do not read: its labels and owners are not known
    UNKNOWN = "unknown"  # it should be there and could not be read: deleted, denied


@dataclass(frozen=True, slots=True)
class Reference:
    """One object that another one names, by kind, name and (for an owner) uid."""

    ref: WorkloadRef
    group: str | None  # API group; None: it does not say
    controller: bool = False

    @property
    def readable(self) -> bool:
        """Whether it is of a kind that we can read."""
        known = GROUPS.get(self.ref.kind)
        return known is not None and self.group in {None, known}


@dataclass(frozen=True, slots=True)
class Owner:
    """One owner of an object."""

    ref: WorkloadRef  # as the reference names it
    standing: Standing
    item: Json | None = None  # when it was read
    why: str = ""  # what is not known of it, and why
    top: bool = False  # nobody owns it, as far as is known


@dataclass(frozen=True, slots=True)
class Ancestry:
    """Every owner above one object, nearest first."""

    owners: tuple[Owner, ...] = ()
    top: Owner | None = None  # of the controllers' line; None: nobody owns the object
    wanted: tuple[WorkloadRef, ...] = ()  # not among the objects yet

    @property
    def tops(self) -> tuple[Owner, ...]:
        """The topmost owners, of every line."""
        return tuple(owner for owner in self.owners if owner.top)


@dataclass(slots=True)
class Objects:
    """Objects of one cluster as they were read at one moment."""

    cluster: str
    _by_uid: dict[str, tuple[str, Json]] = field(default_factory=dict)  # kind, object
    _missing: dict[tuple[str, str, str, str], str] = field(default_factory=dict)  # why

    def add(self, kind: str, items: Iterable[Json]) -> None:
        """Add objects of one kind."""
        for item in items:
            uid = str(meta(item).get("uid", ""))
            if uid:
                self._by_uid[uid] = (kind, item)

    def lack(self, ref: WorkloadRef, why: str) -> None:
        """Note that an object was looked for and is not to be had."""
        self._missing[_key(ref)] = why

    def ancestry(self, item: Json) -> Ancestry:
        """Return every owner above an object, and what must be read to say more."""
        owners: list[Owner] = []
        wanted: list[WorkloadRef] = []
        top = self._climb(item, owners, wanted, TALLEST)
        return Ancestry(_once(owners), top, tuple(dict.fromkeys(wanted)))

    def _climb(
        self, item: Json, owners: list[Owner], wanted: list[WorkloadRef], left: int
    ) -> Owner | None:
        """Collect the owners above an object; return the top of its controllers' line."""
        top: Owner | None = None
        for index, each in enumerate(owner_references(item, self.cluster)):
            found = self._owner(each, wanted, left)
            place = len(owners)
            owners.append(found)
            above = self._climb(found.item, owners, wanted, left - 1) if found.item else None
            if above is None:
                found = owners[place] = Owner(
                    found.ref, found.standing, found.item, found.why, top=True
                )
            if index == 0:
                top = above or found
        return top

    def _owner(self, named: Reference, wanted: list[WorkloadRef], left: int) -> Owner:
        ref = named.ref
        if not named.readable:
            why = f"its kind is not one we read ({named.group or ref.kind})"
            return Owner(ref, Standing.FOREIGN, why=why)
        if left <= 0:
            why = f"more than {TALLEST} owners stand above each other"
            return Owner(ref, Standing.UNKNOWN, why=why)
        kind, item = self._by_uid.get(ref.uid, ("", None))
        if item is not None and kind == ref.kind and meta(item).get("name") == ref.name:
            return Owner(ref, Standing.READ, item)
        why = self._missing.get(_key(ref), "")
        if not why:
            wanted.append(ref)
        return Owner(ref, Standing.UNKNOWN, why=why or "nobody has looked for it")


def owner_references(item: Json, cluster: str) -> list[Reference]:
    """Return the owners an object names, its controller first."""
    space = str(meta(item).get("namespace", ""))
    found = []
    for each in meta(item).get("ownerReferences") or ():
        kind, group = str(each.get("kind", "")), _group_of(each)
        inside = "" if kind in _CLUSTER_SCOPED and group in {None, ""} else space
        ref = WorkloadRef(
            cluster, inside, kind, str(each.get("name", "")), str(each.get("uid", ""))
        )
        found.append(Reference(ref, group, bool(each.get("controller"))))
    return sorted(found, key=lambda each: not each.controller)


def scale_target(autoscaler: Json, cluster: str) -> Reference:
    """Return the workload that an autoscaler scales."""
    aim = (autoscaler.get("spec") or {}).get("scaleTargetRef") or {}
    space = str(meta(autoscaler).get("namespace", ""))
    ref = WorkloadRef(cluster, space, str(aim.get("kind", "")), str(aim.get("name", "")))
    return Reference(ref, _group_of(aim))


def autoscalers_of(autoscalers: Iterable[Json], workload: WorkloadRef) -> list[Json]:
    """Return the autoscalers that scale a workload of a kind we read."""
    found = []
    for each in autoscalers:
        aim = scale_target(each, workload.cluster)
        if aim.readable and _key(aim.ref)[:3] == _key(workload)[:3]:
            found.append(each)
    return found


def pod_labels(item: Json) -> dict[str, str]:
    """Return the labels that a workload's new pods will carry, or that a pod carries."""
    spec = item.get("spec") or {}
    template = template_of(item) or template_of(spec.get("jobTemplate") or {})
    own = template or item
    return dict((own.get("metadata") or {}).get("labels") or {})


def services_selecting(services: Iterable[Json], labels: Mapping[str, str]) -> list[Json]:
    """Return the Services whose selector matches a pod's labels; without one it matches none."""
    found = []
    for each in services:
        selector = (each.get("spec") or {}).get("selector") or {}
        if selector and selector.items() <= labels.items():
            found.append(each)
    return found


def pods_on(pods: Iterable[Json], node: str) -> list[Json]:
    """Return the pods that were placed on a node."""
    return [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node]


def is_over(pod: Json) -> bool:
    """Say whether a pod has ended, or is being deleted already."""
    ended = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return ended or bool(meta(pod).get("deletionTimestamp"))


def wanted_pods(workload: Json, kind: str) -> int | None:
    """Return how many pods a workload is asked to have; None when it does not say."""
    if kind == "DaemonSet":
        told = (workload.get("status") or {}).get("desiredNumberScheduled")
    elif kind in {"CronJob", "Job"}:
        spec = workload.get("spec") or {}
        inside = (spec.get("jobTemplate") or {}).get("spec") if kind == "CronJob" else spec
        told = (inside or {}).get("parallelism", 1)
    elif kind == "Cluster":
        told = (workload.get("spec") or {}).get("instances")
    else:
        told = (workload.get("spec") or {}).get("replicas", 1)
    return None if told is None else int(told)


def label_texts(*labels: Mapping[str, Any]) -> tuple[str, ...]:
    """Return labels as `name=value`, sorted; of two values of one name both stay."""
    return tuple(sorted({f"{name}={value}" for each in labels for name, value in each.items()}))


def labels_within(item: Json) -> tuple[str, ...]:
    """Return an object's labels and those of its pod template: neither hides the other."""
    own = dict(meta(item).get("labels") or {})
    inside = pod_labels(item)
    return label_texts(own, inside)


def _group_of(reference: Mapping[str, Any]) -> str | None:
    version = reference.get("apiVersion")
    if not version:
        return None
    group, slash, _ = str(version).partition("/")
    return group if slash else ""


def _key(ref: WorkloadRef) -> tuple[str, str, str, str]:
    return (ref.namespace, ref.kind, ref.name, ref.uid)


def _once(owners: Sequence[Owner]) -> tuple[Owner, ...]:
    return tuple({_key(each.ref): each for each in owners}.values())
