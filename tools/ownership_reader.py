"""Reads from a cluster what `tools.ownership` needs to know: one reader, one look at the world.

What was read is kept for the life of the reader and no longer. A cluster that does not answer
raises; an owner that is gone, or that our identity may not read, is an owner nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from tools.errors import BackendDeniedError, NotFoundError
from tools.kubernetes_objects import Json, is_owned_by, meta, ref_of
from tools.ownership import HPA, Ancestry, Objects, Reference, Standing, owner_references
from tools.world import WorkloadRef

NOT_THERE = "it does not exist"
# Between a workload and its pods stand objects of these kinds.
BETWEEN: Mapping[str, str] = {
    "Deployment": "ReplicaSet",
    "Rollout": "ReplicaSet",
    "CronJob": "Job",
}


class ReadsObjects(Protocol):
    """What it needs of a cluster; the ports `Cluster` and `ClusterActor` both do it."""

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        """Read one object. Raises NotFoundError."""
        ...

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        """List objects of one kind."""
        ...


class OwnershipReader:
    """Answers who owns, scales and serves what, by reading as little as it must."""

    def __init__(self, cluster: ReadsObjects, name: str) -> None:
        """`name` is the cluster's name in references."""
        self._cluster, self._name = cluster, name
        self._objects = Objects(name)
        self._lists: dict[tuple[str, str], list[Json]] = {}
        self._spaces: dict[str, tuple[Standing, dict[str, str], str]] = {}

    async def ancestry(self, item: Json) -> Ancestry:
        """Return every owner above an object."""
        while (found := self._objects.ancestry(item)).wanted:
            for ref in found.wanted:
                await self._read(ref)
        return found

    async def find(self, named: Reference) -> tuple[Standing, Json | None, str]:
        """Return how well an object that another one names is known, itself, and why not."""
        if not named.readable:
            kind = named.ref.kind
            return Standing.FOREIGN, None, f"its kind is not one we read ({named.group or kind})"
        try:
            return Standing.READ, await self._cluster.get(named.ref), ""
        except NotFoundError:
            return Standing.UNKNOWN, None, NOT_THERE
        except BackendDeniedError as error:
            return Standing.UNKNOWN, None, str(error)

    async def namespace(self, name: str) -> tuple[Standing, dict[str, str], str]:
        """Return how well a namespace is known, its labels, and why they are not known."""
        if name not in self._spaces:
            space = Reference(WorkloadRef(self._name, "", "Namespace", name), "")
            standing, item, why = await self.find(space)
            labels = dict(meta(item).get("labels") or {}) if item is not None else {}
            self._spaces[name] = (standing, labels, why)
        return self._spaces[name]

    async def pods(self, namespace: str) -> list[Json]:
        """Return the pods of a namespace; of the whole cluster when it is empty."""
        return await self.listed("Pod", namespace)

    async def pods_of(self, workload: Json, kind: str) -> list[Json]:
        """Return the pods that a workload owns, itself or through what stands between."""
        own = meta(workload)
        space, uids = str(own.get("namespace", "")), {str(own["uid"])}
        if kind in BETWEEN:
            between = await self.listed(BETWEEN[kind], space)
            uids |= {str(meta(each)["uid"]) for each in between if is_owned_by(each, own["uid"])}
        pods = await self.pods(space)
        return [pod for pod in pods if any(is_owned_by(pod, uid) for uid in uids)]

    async def pods_of_named(self, named: Reference) -> tuple[WorkloadRef, list[Json]]:
        """Return a workload of a kind we do not read, with the uid that references to it tell.

        Its pods name it themselves, or a ReplicaSet between them does.
        """
        space = named.ref.namespace
        sets = await self.listed("ReplicaSet", space)
        uids = {uid for each in sets if (uid := _named_by(each, named))}
        between = {str(meta(each)["uid"]) for each in sets if _named_by(each, named)}
        pods = []
        for pod in await self.pods(space):
            own = _named_by(pod, named)
            if own or any(is_owned_by(pod, uid) for uid in between):
                pods.append(pod)
                uids |= {own} - {""}
        uid = uids.pop() if len(uids) == 1 else ""
        return replace(named.ref, uid=uid), pods

    async def services(self, namespace: str) -> list[Json]:
        """Return the Services of a namespace."""
        return await self.listed("Service", namespace)

    async def autoscalers(self, namespace: str) -> list[Json]:
        """Return the autoscalers of a namespace."""
        return await self.listed(HPA, namespace)

    async def listed(self, kind: str, namespace: str) -> list[Json]:
        """Return the objects of a kind; of the whole cluster when the namespace is empty."""
        key, whole = (kind, namespace), self._lists.get((kind, ""))
        if key not in self._lists and whole is not None:
            return [each for each in whole if meta(each).get("namespace") == namespace]
        if key not in self._lists:
            found: list[Json] = list(await self._cluster.list(kind, namespace))
            self._lists[key] = found
            self._objects.add(kind, found)
        return self._lists[key]

    async def _read(self, ref: WorkloadRef) -> None:
        """Add one owner to what is known, or note why nobody can."""
        standing, item, why = await self.find(Reference(ref, None))
        if standing is not Standing.READ or item is None:
            self._objects.lack(ref, "it was deleted" if why == NOT_THERE else why)
        elif ref_of(item, ref.kind, ref.cluster).uid != ref.uid:
            self._objects.lack(ref, "it was deleted, and another by that name made")
        else:
            self._objects.add(ref.kind, [item])


def _named_by(item: Json, named: Reference) -> str:
    """Return the uid under which an object names something as its owner, empty when it does not."""
    for each in owner_references(item, named.ref.cluster):
        same = (each.ref.kind, each.ref.name) == (named.ref.kind, named.ref.name)
        if same and (each.group == named.group or None in {each.group, named.group}):
            return each.ref.uid
    return ""
