"""What an action reaches, read from the cluster: the builders of effect sets.

    of_object       the object, who owns it, its namespace
    of_workload     that, its pods with a largest number, the Services before them
    of_autoscaler   the autoscaler and all of the workload it scales
    of_pods         pods that are deleted or evicted, by who owns them at the top
    of_users        pods that read a config map, by who owns them at the top
    of_addresses    an endpoint, and the Service of this cluster that its address names

One `Reach` is one look: it keeps what it read. What cannot be read is told in the set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from tools.act.contract import Actors
from tools.act.effects import EffectSet, PodBound, Reached, ServiceBehind
from tools.addresses import services_of_address
from tools.errors import ActionRefusedError, NotFoundError
from tools.kubernetes_objects import Json, config_map_paths, meta, ref_of
from tools.ownership import (
    HPA,
    Ancestry,
    Owner,
    Reference,
    Standing,
    is_over,
    label_texts,
    labels_within,
    pod_labels,
    scale_target,
    services_selecting,
    wanted_pods,
)
from tools.ownership_reader import NOT_THERE, OwnershipReader
from tools.ports import ClusterActor
from tools.world import WorkloadRef

MAY_BE = "its address may be somebody else's"


class Reach:
    """Builds effect sets from one look at one cluster."""

    def __init__(self, cluster: ClusterActor, name: str) -> None:
        """`name` is the cluster's name in references."""
        self.reader = OwnershipReader(cluster, name)
        self._name = name
        # owners of what is changed, and what is scaled: Git may own them instead of the object
        self.changed_with: list[tuple[WorkloadRef, Json]] = []

    # --- builders ---------------------------------------------------------------------------

    async def of_object(self, item: Json, kind: str) -> EffectSet:
        """Return an object with everybody who owns it."""
        above = await self.reader.ancestry(item)
        self.changed_with += [(each.ref, each.item) for each in above.owners if each.item]
        found = Reached(ref_of(item, kind, self._name), labels_within(item))
        return EffectSet(
            objects=(found,),
            owners=_owners(above),
            namespaces=await self._namespaces([found.ref.namespace]),
        )

    async def of_workload(
        self, item: Json, kind: str, *, at_most: int = 0, template: Json | None = None
    ) -> EffectSet:
        """Return a workload with its pods, as many as it is asked to have or `at_most`.

        `template` is what its pods will be made from, when the step changes that: other Services
        may select them then.
        """
        whole = await self.of_object(item, kind)
        top = await self._top(item, kind)
        pods = await self.reader.pods_of(item, kind)
        told = wanted_pods(item, kind)
        most = max(
            at_most, len([pod for pod in pods if not is_over(pod)]) if told is None else told
        )
        space = whole.objects[0].ref.namespace
        after = [pod_labels(template)] if template is not None else []
        carried = [pod_labels(item), *after, *(pod_labels(pod) for pod in pods)]
        return replace(
            whole,
            pods=(PodBound(top, most, label_texts(*after, *map(pod_labels, pods))),),
            services=await self._services(space, carried),
        )

    async def of_autoscaler(self, item: Json, *, at_most: int) -> EffectSet:
        """Return an autoscaler with the workload it scales, up to `at_most` pods."""
        own = await self.of_object(item, HPA)
        aim = scale_target(item, self._name)
        standing, workload, why = await self.reader.find(aim)
        if workload is not None:
            scaled = await self.of_workload(workload, aim.ref.kind, at_most=at_most)
            self.changed_with.append((scaled.objects[0].ref, workload))
        else:
            scaled = await self._named_only(aim, standing, why, at_most)
        moved = replace(scaled, objects=(), scaled=scaled.objects)
        return EffectSet.union([own, moved])

    async def of_pods(self, pods: Sequence[Json]) -> EffectSet:
        """Return pods that go, by who owns them at the top; they are no objects of their own."""
        counted: Counter[WorkloadRef] = Counter()
        carried: dict[WorkloadRef, list[Mapping[str, str]]] = {}
        inside: dict[str, list[Mapping[str, str]]] = {}
        owners: list[Reached] = []
        for pod in pods:
            owners += _owners(await self.reader.ancestry(pod))
            top = await self._top(pod, "Pod")
            counted[top] += 1
            carried.setdefault(top, []).append(pod_labels(pod))
            inside.setdefault(_space(pod), []).append(pod_labels(pod))
        services = [
            each
            for namespace, labels in inside.items()
            for each in await self._services(namespace, labels)
        ]
        return EffectSet(
            owners=tuple(owners),
            pods=tuple(
                PodBound(top, count, label_texts(*carried[top])) for top, count in counted.items()
            ),
            services=tuple(services),
            namespaces=await self._namespaces(inside),
        )

    async def of_users(self, config_map: WorkloadRef) -> EffectSet:
        """Return whose pods read a config map: they follow it, and none of them goes."""
        pods = [
            pod
            for pod in await self.reader.pods(config_map.namespace)
            if not is_over(pod) and config_map.name in dict(config_map_paths(pod)).values()
        ]
        return replace(await self.of_pods(pods), pods=())

    async def of_addresses(self, target: WorkloadRef, urls: Iterable[str]) -> EffectSet:
        """Return an endpoint, and the Services of this cluster that its addresses name."""
        services: list[ServiceBehind] = []
        spaces: list[str] = []
        for ref, sure in _services_named(urls, target.cluster):
            standing, item, why = await self.reader.find(Reference(ref, ""))
            if item is not None:
                services.append(await self._service(item))
                spaces.append(ref.namespace)
            elif sure:
                services.append(ServiceBehind(Reached(ref, (), standing, why)))
            elif standing is not Standing.UNKNOWN or why != NOT_THERE:
                # a name of two parts may be anybody's; where nobody may look, the name is judged
                services.append(ServiceBehind(Reached(ref, (), why=MAY_BE)))
        return EffectSet(
            objects=(Reached(target),),
            services=tuple(services),
            namespaces=await self._namespaces(spaces),
        )

    # --- pieces -----------------------------------------------------------------------------

    async def _named_only(
        self, aim: Reference, standing: Standing, why: str, at_most: int
    ) -> EffectSet:
        """Return a workload that is not read, as its name and the references to it tell."""
        ref, pods = await self.reader.pods_of_named(aim)
        found = await self.of_pods(pods)
        own = Reached(ref, (), standing, why)
        bound = PodBound(ref, at_most, label_texts(*map(pod_labels, pods)))
        spaces = await self._namespaces([ref.namespace])
        rest = replace(found, pods=(bound,))
        return EffectSet.union([EffectSet(objects=(own,), namespaces=spaces), rest])

    async def _top(self, item: Json, kind: str) -> WorkloadRef:
        """Return who owns an object at the top; an object that nobody owns is its own."""
        top = (await self.reader.ancestry(item)).top
        return top.ref if top is not None else ref_of(item, kind, self._name)

    async def _services(
        self, namespace: str, carried: Iterable[Mapping[str, str]]
    ) -> tuple[ServiceBehind, ...]:
        every = await self.reader.services(namespace)
        found = {
            str(meta(each)["name"]): each
            for labels in carried
            for each in services_selecting(every, labels)
        }
        return tuple([await self._service(each) for each in found.values()])

    async def _service(self, item: Json) -> ServiceBehind:
        members = [
            await self._top(pod, "Pod")
            for pod in await self.reader.pods(_space(item))
            if services_selecting([item], pod_labels(pod))
        ]
        ref = ref_of(item, "Service", self._name)
        alone = ServiceBehind(Reached(ref, labels_within(item)))
        return replace(alone, members=tuple(sorted(set(members), key=str)))

    async def _namespaces(self, names: Iterable[str]) -> tuple[Reached, ...]:
        found = []
        for name in sorted({each for each in names if each}):
            standing, labels, why = await self.reader.namespace(name)
            ref = WorkloadRef(self._name, "", "Namespace", name)
            found.append(Reached(ref, label_texts(labels), standing, why))
        return tuple(found)


async def of_addresses(actors: Actors, target: WorkloadRef, *urls: str) -> EffectSet:
    """Return what a call of some addresses reaches, as far as an acting identity can see it."""
    try:
        cluster = actors.need_cluster(target.cluster)
    except ActionRefusedError as error:
        services = tuple(
            ServiceBehind(
                Reached(ref, (), Standing.FOREIGN, str(error)) if sure else Reached(ref, why=MAY_BE)
            )
            for ref, sure in _services_named(urls, target.cluster)
        )
        return EffectSet(objects=(Reached(target),), services=services)
    return await Reach(cluster, target.cluster).of_addresses(target, urls)


async def owner_tree(cluster: ClusterActor, target: WorkloadRef) -> EffectSet:
    """Return what is assumed of an action that declares no effect set."""
    reach = Reach(cluster, target.cluster)
    standing, item, why = await reach.reader.find(Reference(target, None))
    if item is None:
        if standing is Standing.UNKNOWN:
            raise NotFoundError(f"{target} cannot be read: {why}")
        return EffectSet(objects=(Reached(target, (), standing, why),))
    if target.kind in {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"}:
        return await reach.of_workload(item, target.kind)
    if target.kind == HPA:
        return await reach.of_autoscaler(item, at_most=int(item["spec"]["maxReplicas"]))
    if target.kind == "Pod":
        return EffectSet.union([await reach.of_object(item, "Pod"), await reach.of_pods([item])])
    return await reach.of_object(item, target.kind)


def _services_named(urls: Iterable[str], cluster: str) -> list[tuple[WorkloadRef, bool]]:
    """Return the Services that addresses name, and whether nothing else can be meant."""
    named = [each for url in urls for each in services_of_address(url)]
    return [(WorkloadRef(cluster, s.namespace, "Service", s.name), s.sure) for s in named]


def _owners(above: Ancestry) -> tuple[Reached, ...]:
    return tuple(_reached(each) for each in above.owners)


def _reached(owner: Owner) -> Reached:
    labels = labels_within(owner.item) if owner.item is not None else ()
    return Reached(owner.ref, labels, owner.standing, owner.why, owner.top)


def _space(item: Json) -> str:
    return str(meta(item).get("namespace", ""))
