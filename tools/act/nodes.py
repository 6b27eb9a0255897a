"""Actions on nodes: cordon, uncordon, drain.

A drain cordons, then evicts what budgets of disruption allow, again and again until the node is
empty. When its time is over and budgets still hold pods, it takes its own way back: the node takes
pods again, and the error names the pods and the budgets.

It evicts what was approved and nothing else: before each eviction the pod is read again with who
owns it and what serves it. A pod of another owner, one too many, or one that somebody has protected
meanwhile stops the drain where it is; the node stays cordoned until a person takes that back.
What it sets out to evict stands on the node (`tools.act.evicted`): the number that was approved
holds for the step, not for each time that it is sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from tools.act.contract import (
    ActionResult,
    Actors,
    Bound,
    Parameters,
    Preview,
    Probe,
    StoppedShortError,
    TargetState,
    UndoSpec,
)
from tools.act.effects import EffectSet
from tools.act.evicted import Noted, note, recall, uid_of
from tools.act.objects import fresh, mark
from tools.act.patching import PatchAction, Pinned
from tools.act.reach import Reach
from tools.errors import (
    ActionRefusedError,
    BackendError,
    BackendRefusedError,
    LostRaceError,
    NotFoundError,
    OutcomeUnknownError,
    ToolError,
    TryLaterError,
)
from tools.fingerprint import fingerprint_of
from tools.kubernetes_objects import Json, annotations_of, meta, ref_of
from tools.ownership import is_over, pods_on
from tools.world import DiffLine, WorkloadRef

RETRY_SECONDS = 5.0  # between two rounds of evictions that a budget held, as kubectl does


class NodeParameters(Parameters):
    """Nothing to choose."""


class DrainParameters(Parameters):
    """What may be lost."""

    delete_emptydir_data: bool = False
    evict_bare_pods: bool = False  # pods without an owner, which do not come back


class _Schedulable(PatchAction[Any]):
    """Set whether new pods may be placed on a node."""

    floor = 0.4
    kinds = ("Node",)
    parameters: type[Parameters] = NodeParameters
    wanted: bool  # value of spec.unschedulable
    opposite: str

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: Parameters
    ) -> Pinned:
        if self.fields(item)["unschedulable"] == self.wanted:
            raise ActionRefusedError(f"node {ref.name!r} is already {self.name}ed")
        return Pinned(parameters.model_dump(), {"replicas": 0})

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"unschedulable": bool((item.get("spec") or {}).get("unschedulable", False))}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        return [{"op": "add", "path": "/spec/unschedulable", "value": self.wanted}]

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        return await reach.of_object(item, ref.kind)

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        before = str(state.fields["unschedulable"]).lower()
        return (DiffLine("unschedulable", before, str(self.wanted).lower()),)

    def describe(self, state: TargetState) -> str:
        takes = "no new pods" if self.wanted else "new pods again"
        return f"Node {state.target.name} takes {takes}; running pods stay"

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        name = state.target.name
        return UndoSpec(
            self.opposite, state.target, {}, f"{self.opposite.capitalize()} node {name}"
        )


class Cordon(_Schedulable):
    """Place no new pods on a node."""

    name = "cordon"
    wanted = True
    opposite = "uncordon"


class Uncordon(_Schedulable):
    """Place pods on a node again."""

    name = "uncordon"
    wanted = False
    opposite = "cordon"


class Drain(_Schedulable):
    """Cordon a node and evict its pods, as disruption budgets allow."""

    name = "drain"
    idempotent = True  # every eviction names the uid of its pod
    wanted = True
    opposite = "uncordon"
    parameters: type[Parameters] = DrainParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: Parameters
    ) -> Pinned:
        pods = await _evictable(actors, ref)
        pinned = parameters.model_dump()
        _refuse_losses(pods, pinned)
        names = [_full_name(pod) for pod in pods]
        return Pinned(pinned, {"replicas": len(pods), "pods": names})

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        node = await super().effects(reach, item, ref, pinned)
        leaving = _leaving(await reach.reader.pods(""), ref.name)
        return EffectSet.union([node, await reach.of_pods(leaving)])

    def describe(self, state: TargetState) -> str:
        return f"Cordon node {state.target.name} and evict its {state.facts['replicas']} pods"

    def preview(self, state: TargetState) -> Preview:
        shown = super().preview(state)
        pods = []
        for name in state.facts["pods"]:
            namespace, _, pod = name.partition("/")
            pods.append(WorkloadRef(state.target.cluster, namespace, "Pod", pod))
        return replace(shown, affected=(*shown.affected, *pods))

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        """Let the server judge each eviction; a budget that holds now may not hold then."""
        await super().dry_run(actors, bound)
        for pod in await _evictable(actors, bound.target):
            with suppress(TryLaterError):
                await _evict(actors, pod, bound.target.cluster, dry_run=True)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        pods = await _evictable(actors, bound.target)
        _refuse_losses(pods, bound.parameters)
        eviction = _Eviction(actors, bound, key)
        node = await actors.need_cluster(bound.target.cluster).get(bound.target)
        eviction.recall(node, pods)
        why = await eviction.objection(pods)
        if why and not self.is_marked(node, bound, key):
            raise LostRaceError(f"{why}; propose the plan again")
        outcome = await super().execute(actors, bound, key)
        try:
            why = why or await eviction.empty()
        except (BackendError, LostRaceError, NotFoundError) as error:  # what is evicted is evicted
            why = f"the drain could not go on: {error}"
        evicted = eviction.evicted
        detail = f"node {bound.target.name} is cordoned; {len(evicted)} pods evicted"
        outcome = replace(outcome, detail=detail, response={"evicted": evicted})
        if why:
            raise StoppedShortError(why, outcome)
        if eviction.held:
            await self._give_up(actors, bound, key, evicted, eviction.held)
        return outcome

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        """Uncordon, but for a node that took no pods before either."""
        return None if state.fields["unschedulable"] else super().undo_of(state)

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        """Say done of an empty node; one with pods left is drained further when sent again.

        A node that somebody let take pods again since proves nothing.
        """
        try:
            node = await actors.need_cluster(bound.target.cluster).get(bound.target)
        except NotFoundError:
            return Probe.UNKNOWN
        if not self.is_marked(node, bound, key):
            return await super().probe(actors, bound, key)
        if not self.fields(node)["unschedulable"]:
            return Probe.UNKNOWN
        rest = await _evictable(actors, bound.target)
        return Probe.NOT_DONE if rest else Probe.DONE

    async def _give_up(
        self, actors: Actors, bound: Bound, key: str, evicted: list[str], held: Mapping[str, str]
    ) -> None:
        """Uncordon, then raise what a person needs: the pods left and the budgets that hold them.

        A node that was cordoned before the drain stays so.
        """
        cluster, before = actors.need_cluster(bound.target.cluster), fingerprint_of(_OPEN)
        told = "; ".join(f"{pod}: {why}" for pod, why in held.items())
        text = (
            f"{len(evicted)} pods of node {bound.target.name!r} were evicted, "
            f"{len(held)} are held until the time was over ({told})"
        )
        if bound.fingerprint != before:
            raise BackendRefusedError("kubernetes", f"{text}; the node stays cordoned as it was")
        try:
            node = await cluster.get(bound.target)
            why = await _objection(actors, bound.target, node)
            if not why and self.is_marked(node, bound, key):
                back = {"op": "add", "path": "/spec/unschedulable", "value": False}
                patch = [fresh(node), back, mark(node, f"{key}/given-up")]
                await cluster.patch(bound.target, patch, dry_run=False)
        except ToolError as error:
            raise OutcomeUnknownError(f"{text}; uncordoning it again failed: {error}") from error
        after = f"the node stays cordoned: {why}" if why else "the node takes pods again"
        raise BackendRefusedError("kubernetes", f"{text}; {after}")


_OPEN = {"unschedulable": False}


@dataclass(slots=True)
class _Eviction:
    """Empties a node of the pods that were approved, one by one, each looked at again."""

    actors: Actors
    bound: Bound
    key: str  # of the step
    noted: dict[str, Noted] = field(default_factory=dict)  # by uid, of every life of the step
    evicted: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)  # by which budget
    gone: Counter[WorkloadRef] = field(default_factory=Counter)  # evicted, by topmost owner

    def recall(self, node: Json, there: Sequence[Json]) -> None:
        """Count what an earlier life of this step set out to evict and what is gone since."""
        self.noted = recall(node, self.key)
        left = {uid_of(pod) for pod in there}
        for uid, pod in self.noted.items():
            if uid not in left:
                self.evicted.append(pod.name)
                self.gone[pod.owner] += 1

    async def objection(self, pods: Sequence[Json]) -> str:
        """Return why these pods together must not go, empty when they may."""
        return (await self._judged(pods))[0]

    async def _judged(self, pods: Sequence[Json]) -> tuple[str, EffectSet]:
        """Return why some pods must not go, and whose they are."""
        allowed, cluster = self.bound.effects, self.bound.target.cluster
        now = await Reach(self.actors.need_cluster(cluster), cluster).of_pods(pods)
        if allowed is None:
            return "an older version approved it without the pods it may evict", now
        for each in now.unknown():
            return f"nobody knows {each.ref}, which stands above a pod: {each.why}", now
        so_far = [replace(each, maximum=each.maximum + self.gone[each.owner]) for each in now.pods]
        why = allowed.excess(replace(now, pods=tuple(so_far)))
        return why or self.actors.objection(now), now

    async def empty(self) -> str:
        """Evict until nothing is left or the step's time is over; return why it had to stop."""
        while pods := await _evictable(self.actors, self.bound.target):
            self.held.clear()
            if why := await self._against_the_node():
                return f"the drain could not go on: {why}"
            await self._note(pods)
            for pod in pods:
                if why := await self._send_away(pod):
                    return why
            if self.held and not await self.actors.waiting.pause(RETRY_SECONDS):
                return ""
        self.held.clear()
        return ""

    async def _against_the_node(self) -> str:
        """Return why nothing more may be done to the node as it is at this moment, else nothing."""
        target = self.bound.target
        node = await self.actors.need_cluster(target.cluster).get(target)
        return await _objection(self.actors, target, node)

    async def _note(self, pods: Sequence[Json]) -> None:
        """Write down what may be evicted now, before the first of it is."""
        unnoted = [pod for pod in pods if uid_of(pod) not in self.noted]
        if not unnoted:
            return
        target = self.bound.target
        cluster = self.actors.need_cluster(target.cluster)
        reach = Reach(cluster, target.cluster)
        for pod in unnoted:
            (whose,) = (await reach.of_pods([pod])).pods
            self.noted[uid_of(pod)] = Noted(_full_name(pod), whose.owner)
        await note(cluster, target, self.key, self.noted)

    async def _send_away(self, listed: Json) -> str:
        """Evict one pod as it is at this moment; return why it must stay and everything stop."""
        cluster, name = self.bound.target.cluster, _full_name(listed)
        try:
            pod = await self.actors.need_cluster(cluster).get(ref_of(listed, "Pod", cluster))
        except NotFoundError:
            return ""
        if uid_of(pod) != uid_of(listed) or not _leaving([pod], self.bound.target.name):
            return ""  # it goes already, or another one bears its name by now
        why, now = await self._judged([pod])
        if why := why or await self._against_the_node():
            return f"pod {name!r} was not evicted: {why}"
        try:
            await _evict(self.actors, pod, cluster, dry_run=False)
        except TryLaterError as error:
            self.held[name] = str(error)
            return ""
        self.evicted.append(name)
        self.gone.update(each.owner for each in now.pods)
        return ""


async def _objection(actors: Actors, target: WorkloadRef, node: Json) -> str:
    """Return why a node as it is must not be touched, empty when it may."""
    reach = Reach(actors.need_cluster(target.cluster), target.cluster)
    return actors.objection(await reach.of_object(node, target.kind))


async def _evictable(actors: Actors, node: WorkloadRef) -> list[Json]:
    return _leaving(await actors.need_cluster(node.cluster).list("Pod", ""), node.name)


def _leaving(pods: Sequence[Json], node: str) -> list[Json]:
    return [pod for pod in pods_on(pods, node) if not _stays(pod)]


async def _evict(actors: Actors, pod: Json, cluster: str, *, dry_run: bool) -> None:
    ref = ref_of(pod, "Pod", cluster)
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "deleteOptions": {"preconditions": {"uid": ref.uid}},
    }
    actor = actors.need_cluster(cluster)
    try:
        await actor.create(ref, body, dry_run=dry_run, subresource="eviction")
    except (NotFoundError, LostRaceError):
        return  # gone, or another pod by that name: nothing left to evict


def _full_name(pod: Json) -> str:
    return f"{meta(pod).get('namespace', '')}/{meta(pod)['name']}"


def _stays(pod: Json) -> bool:
    owners = {each.get("kind") for each in meta(pod).get("ownerReferences") or ()}
    mirror = "kubernetes.io/config.mirror" in annotations_of(pod)
    return mirror or is_over(pod) or "DaemonSet" in owners


def _refuse_losses(pods: Sequence[Json], asked: Mapping[str, Any]) -> None:
    for pod in pods:
        if not meta(pod).get("ownerReferences") and not asked["evict_bare_pods"]:
            raise ActionRefusedError(
                f"pod {_full_name(pod)!r} has no owner and would not come back; move it first, or "
                "set evict_bare_pods: true"
            )
        local = any("emptyDir" in each for each in (pod.get("spec") or {}).get("volumes") or ())
        if local and not asked["delete_emptydir_data"]:
            raise ActionRefusedError(
                f"pod {_full_name(pod)!r} keeps data in an emptyDir that eviction deletes; "
                "set delete_emptydir_data: true if that is wanted"
            )
