"""What belongs to a workload, and which events are about it: by who owns what, not by names.

    workload ──owns──> ReplicaSets, Jobs ──own──> pods ──stand on──> nodes, volume claims
        └──scaled by──> autoscalers

An event may be about an object that is gone by now, which no owner reference tells of any more.
Then its owner is who told that it made it (`Created pod: my-api-6c9d-x2x7p`), else who makes names
of exactly that form: the name of a ReplicaSet, Job or DaemonSet and five characters of the
alphabet Kubernetes draws from, which has no vowels so that it spells no words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import re2

from tools.errors import BackendDeniedError, NotFoundError
from tools.kubernetes_objects import Json, is_owned_by, meta
from tools.ownership import HPA, Reference, pod_labels, scale_target, services_selecting
from tools.ownership_reader import BETWEEN, OwnershipReader, ReadsObjects
from tools.world import ClusterEvent, Window, WorkloadRef

SHARED = "default"  # the namespace where events about objects without one are kept
Key = tuple[str, str]  # kind, name
_DRAWN = "[bcdfghjklmnpqrstvwxz2456789]"  # k8s.io/apimachinery/pkg/util/rand
_MADE = re2.compile(
    r"(?:Created (?:pod|job):? |create (?:Pod|Claim) |Deleted pod: |delete Pod )"
    r"([a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?)(?: .*)?"
)


class ReadsEvents(ReadsObjects, Protocol):
    """What it needs of a cluster."""

    async def events(self, window: Window, namespace: str = "") -> list[ClusterEvent]:
        """Return events kept in a namespace."""
        ...


@dataclass(frozen=True, slots=True)
class WorkloadParts:
    """The objects that belong to one workload."""

    workload: WorkloadRef
    own: frozenset[Key]  # in the workload's namespace
    nodes: frozenset[str] = frozenset()  # where its pods are
    makers: frozenset[Key] = frozenset()  # who makes its pods and Jobs
    gap: str = ""  # why what it owns is not known


@dataclass(frozen=True, slots=True)
class Told:
    """The events about some workloads, newest first, and what could not be looked at."""

    events: tuple[ClusterEvent, ...]
    gaps: tuple[str, ...] = ()
    beyond: str = ""  # why events of nodes and of the whole cluster are not told

    @property
    def unseen(self) -> tuple[str, ...]:
        """All that could not be looked at."""
        wide = f"events of nodes and of the whole cluster: {self.beyond}"
        return (*self.gaps, wide) if self.beyond else self.gaps


async def parts_of(
    reader: OwnershipReader, cluster: ReadsObjects, ref: WorkloadRef
) -> WorkloadParts:
    """Return what belongs to a workload, as far as we may read it."""
    itself = frozenset({(ref.kind, ref.name)})
    try:
        return await _parts(reader, cluster, ref, itself)
    except BackendDeniedError as error:
        return WorkloadParts(ref, itself, makers=itself, gap=str(error))


async def _parts(
    reader: OwnershipReader, cluster: ReadsObjects, ref: WorkloadRef, itself: frozenset[Key]
) -> WorkloadParts:
    named = Reference(ref, None)
    between: list[Json] = []
    pods: list[Json] = []
    try:
        item = await cluster.get(ref) if named.readable else None
    except NotFoundError:
        return WorkloadParts(ref, itself, makers=itself)
    if item is None:  # a kind we do not read: its pods and their ReplicaSets name it
        _, pods = await reader.pods_of_named(named)
        sets = await reader.listed("ReplicaSet", ref.namespace)
        between = [each for each in sets if any(is_owned_by(p, meta(each)["uid"]) for p in pods)]
    elif ref.kind == "Pod":
        pods = [item]
    else:
        pods = await reader.pods_of(item, ref.kind)
        if kind := BETWEEN.get(ref.kind):
            made = await reader.listed(kind, ref.namespace)
            between = [each for each in made if is_owned_by(each, str(meta(item).get("uid", "")))]
    kind = BETWEEN.get(ref.kind, "ReplicaSet")
    makers = itself | {(kind, str(meta(each)["name"])) for each in between}
    scalers = scalers_of(await reader.autoscalers(ref.namespace), ref)
    own = {("Pod", str(meta(pod)["name"])) for pod in pods}
    own |= await _fronts(reader, ref, [pod_labels(each) for each in (item, *pods) if each])
    own |= {(HPA, str(meta(each)["name"])) for each in scalers}
    own |= {("PersistentVolumeClaim", claim) for pod in pods for claim in _claims(pod)}
    nodes = {str((pod.get("spec") or {}).get("nodeName") or "") for pod in pods} - {""}
    return WorkloadParts(ref, makers | own, frozenset(nodes), makers)


async def _fronts(
    reader: OwnershipReader, ref: WorkloadRef, labels: Iterable[Mapping[str, str]]
) -> set[Key]:
    """Return the Services before a workload; whoever may not read them does without."""
    try:
        services = await reader.services(ref.namespace)
    except BackendDeniedError:
        return set()
    found = {str(meta(s)["name"]) for each in labels for s in services_selecting(services, each)}
    return {(kind, name) for kind in ("Service", "Endpoints") for name in found}


def scalers_of(autoscalers: Iterable[Json], ref: WorkloadRef) -> list[Json]:
    """Return the autoscalers that name a workload, of whatever kind it is."""
    named = (ref.namespace, ref.kind, ref.name)
    aims = ((each, scale_target(each, ref.cluster).ref) for each in autoscalers)
    return [each for each, aim in aims if (aim.namespace, aim.kind, aim.name) == named]


async def events_about(cluster: ReadsEvents, refs: Iterable[WorkloadRef], window: Window) -> Told:
    """Return the events of a window about some workloads of one cluster and what is theirs.

    Events about a node reach whoever has pods there; those about another object without a
    namespace are about the whole cluster and reach everybody.
    """
    asked = list(refs)
    spaces = dict.fromkeys(ref.namespace for ref in asked)
    found: dict[ClusterEvent, None] = {}
    gaps: dict[str, None] = {}
    beyond = ""
    kept = {space: await cluster.events(window, space) for space in spaces}
    try:
        shared = kept.get(SHARED) or (await cluster.events(window, SHARED) if asked else [])
    except BackendDeniedError as error:
        shared, beyond = [], str(error)
    wide = [each for each in shared if not each.workload.namespace]
    readers: dict[tuple[str, str], OwnershipReader] = {}
    for ref in asked:
        place = (ref.cluster, ref.namespace)
        reader = readers.setdefault(place, OwnershipReader(cluster, ref.cluster))
        parts = await parts_of(reader, cluster, ref)
        if parts.gap:
            gaps[f"what {ref} owns: {parts.gap}"] = None
        here = [e for e in kept[ref.namespace] if e.workload.cluster in {"", ref.cluster}]
        around = [e for e in wide if e.workload.cluster in {"", ref.cluster}]
        known = await _existing(reader, ref) if not parts.gap else frozenset()
        found |= dict.fromkeys(about(parts, here, known))
        found |= dict.fromkeys(each for each in around if _reaches(each, parts))
    newest = sorted(found, key=lambda event: event.at, reverse=True)
    return Told(tuple(newest), tuple(gaps), beyond)


def about(
    parts: WorkloadParts, events: Sequence[ClusterEvent], existing: Collection[Key]
) -> list[ClusterEvent]:
    """Return the events about a workload and its parts; `existing` says who has owners to ask."""
    own = set(parts.own)
    makers = {*parts.makers}
    for _ in range(2):  # a CronJob makes Jobs, which make pods
        for event in events:
            made = _MADE.fullmatch(event.message) if _key(event) in makers else None
            if made is not None and event.workload.namespace == parts.workload.namespace:
                kinds = _made_by(event.workload.kind)
                own |= {(kind, made[1]) for kind in kinds if (kind, made[1]) not in existing}
                makers |= {("Job", made[1])} if "Job" in kinds else set()
    forms = [form for maker in sorted(makers) for form in _forms(maker)]

    def belongs(event: ClusterEvent) -> bool:
        key = _key(event)
        if key in own:
            return True
        return key not in existing and any(
            key[0] == kind and form.fullmatch(key[1]) for kind, form in forms
        )

    return [each for each in events if belongs(each)]


async def _existing(reader: OwnershipReader, ref: WorkloadRef) -> frozenset[Key]:
    """Return what there is of the kinds a workload makes: their owners are told by themselves."""
    found: set[Key] = set()
    for kind in ("Pod", BETWEEN.get(ref.kind, "ReplicaSet")):
        items = await reader.listed(kind, ref.namespace)
        found |= {(kind, str(meta(each)["name"])) for each in items}
    return frozenset(found)


def _reaches(event: ClusterEvent, parts: WorkloadParts) -> bool:
    kind, name = _key(event)
    if kind == "Node":
        return name in parts.nodes
    return kind != "Namespace" or name == parts.workload.namespace


def _key(event: ClusterEvent) -> Key:
    return (event.workload.kind, event.workload.name)


def _made_by(kind: str) -> tuple[str, ...]:
    if kind == "CronJob":
        return ("Job",)
    return ("Pod", "PersistentVolumeClaim") if kind == "StatefulSet" else ("Pod",)


def _forms(maker: Key) -> Iterator[tuple[str, Any]]:
    """Yield the kind of what a maker makes and the form of the names it gives."""
    kind, name = maker
    begun = re2.escape(name)
    if kind in {"Deployment", "Rollout"}:  # by way of a ReplicaSet that may be gone too
        yield "ReplicaSet", re2.compile(f"{begun}-{_DRAWN}{{5,10}}")
        yield "Pod", re2.compile(f"{begun}-{_DRAWN}{{5,10}}-{_DRAWN}{{5}}")
    elif kind == "CronJob":
        yield "Job", re2.compile(rf"{begun}-\d{{6,11}}")
        yield "Pod", re2.compile(rf"{begun}-\d{{6,11}}-{_DRAWN}{{5}}")
    elif kind == "StatefulSet":
        yield "Pod", re2.compile(rf"{begun}-\d{{1,5}}")
    elif kind != "Pod":
        yield "Pod", re2.compile(f"{begun}-{_DRAWN}{{5}}")


def _claims(pod: Json) -> Iterator[str]:
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        claim = volume.get("persistentVolumeClaim") or {}
        if claim.get("claimName"):
            yield str(claim["claimName"])
        elif "ephemeral" in volume:  # a claim of the pod's own, named after both
            yield f"{meta(pod)['name']}-{volume.get('name', '')}"
