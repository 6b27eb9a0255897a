"""Actions on nodes: cordon, uncordon, drain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tools.act.contract import (
    STEP_ANNOTATION,
    Actors,
    Bound,
    DiffLine,
    Outcome,
    Parameters,
    Preview,
    Probe,
    State,
    UndoSpec,
)
from tools.act.objects import Json, marks_of, meta, ref_of
from tools.act.patching import PatchAction, Pinned
from tools.errors import (
    ActionRefusedError,
    BackendRefusedError,
    LostRaceError,
    NotFoundError,
    OutcomeUnknownError,
)
from tools.world import WorkloadRef


class NodeParameters(Parameters):
    """Nothing to choose."""


class DrainParameters(Parameters):
    """What may be lost."""

    delete_emptydir_data: bool = False


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

    def diff(self, state: State) -> tuple[DiffLine, ...]:
        before = str(state.fields["unschedulable"]).lower()
        return (DiffLine("unschedulable", before, str(self.wanted).lower()),)

    def describe(self, state: State) -> str:
        takes = "no new pods" if self.wanted else "new pods again"
        return f"Node {state.target.name} takes {takes}; running pods stay"

    def undo_of(self, state: State) -> UndoSpec | None:
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
    """Cordon a node and evict its pods one by one, as disruption budgets allow."""

    name = "drain"
    wanted = True
    opposite = "uncordon"
    parameters: type[Parameters] = DrainParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: Parameters
    ) -> Pinned:
        pods = await self._evictable(actors, ref.name)
        pinned = parameters.model_dump()
        _refuse_local_data(pods, allowed=bool(pinned["delete_emptydir_data"]))
        names = [f"{meta(p).get('namespace', '')}/{meta(p)['name']}" for p in pods]
        return Pinned(pinned, {"replicas": len(pods), "pods": names})

    def describe(self, state: State) -> str:
        return f"Cordon node {state.target.name} and evict its {state.facts['replicas']} pods"

    def preview(self, state: State) -> Preview:
        shown = super().preview(state)
        pods = []
        for name in state.facts["pods"]:
            namespace, _, pod = name.partition("/")
            pods.append(WorkloadRef(state.target.cluster, namespace, "Pod", pod))
        return Preview(
            shown.summary,
            shown.diff,
            shown.operations,
            (*shown.affected, *pods),
            shown.pods_affected,
            shown.pods_total,
        )

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await super().dry_run(actors, bound)
        for pod in await self._evictable(actors, bound.target.name):
            await self._evict(actors, pod, bound.target.cluster, dry_run=True)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> Outcome:
        pods = await self._evictable(actors, bound.target.name)
        _refuse_local_data(pods, allowed=bool(bound.parameters["delete_emptydir_data"]))
        outcome = await super().execute(actors, bound, key)
        evicted: list[str] = []
        for pod in pods:
            try:
                await self._evict(actors, pod, bound.target.cluster, dry_run=False)
            except BackendRefusedError as error:
                raise OutcomeUnknownError(
                    f"node {bound.target.name!r} is cordoned; {len(evicted)} of {len(pods)} pods "
                    f"are evicted; {meta(pod)['name']!r} is held: {error}"
                ) from error
            evicted.append(meta(pod)["name"])
        detail = f"node {bound.target.name} is cordoned; {len(evicted)} pods evicted"
        return Outcome(detail, bound.target, outcome.fingerprint, {"evicted": evicted})

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        try:
            node = await actors.need_cluster().get(bound.target)
        except NotFoundError:
            return Probe.UNKNOWN
        if marks_of(node).get(STEP_ANNOTATION) != key:
            return await super().probe(actors, bound, key)
        rest = await self._evictable(actors, bound.target.name)
        return Probe.UNKNOWN if rest else Probe.DONE

    async def _evictable(self, actors: Actors, node: str) -> list[Json]:
        pods = await actors.need_cluster().list("Pod", "")
        return [pod for pod in pods if _is_on(pod, node) and not _stays(pod)]

    async def _evict(self, actors: Actors, pod: Json, cluster: str, *, dry_run: bool) -> None:
        ref = ref_of(pod, "Pod", cluster)
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "deleteOptions": {"preconditions": {"uid": ref.uid}},
        }
        try:
            await actors.need_cluster().create(ref, body, dry_run=dry_run, subresource="eviction")
        except (NotFoundError, LostRaceError):
            return  # gone, or another pod by that name: nothing left to evict


def _is_on(pod: Json, node: str) -> bool:
    return bool((pod.get("spec") or {}).get("nodeName") == node)


def _stays(pod: Json) -> bool:
    owners = {each.get("kind") for each in meta(pod).get("ownerReferences") or ()}
    mirror = "kubernetes.io/config.mirror" in marks_of(pod)
    over = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return mirror or over or "DaemonSet" in owners or bool(meta(pod).get("deletionTimestamp"))


def _refuse_local_data(pods: Sequence[Json], *, allowed: bool) -> None:
    for pod in pods:
        if not meta(pod).get("ownerReferences"):
            raise ActionRefusedError(
                f"pod {meta(pod)['name']!r} has no owner and would not come back; move it first"
            )
        local = any("emptyDir" in each for each in (pod.get("spec") or {}).get("volumes") or ())
        if local and not allowed:
            raise ActionRefusedError(
                f"pod {meta(pod)['name']!r} keeps data in an emptyDir that eviction deletes; "
                "set delete_emptydir_data: true if that is wanted"
            )
