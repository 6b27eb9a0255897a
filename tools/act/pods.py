"""pod_restart: delete one pod so that its owner makes a new one."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from tools.act.contract import (
    ActionResult,
    Actors,
    Bound,
    Parameters,
    Preview,
    Probe,
    TargetState,
    UndoSpec,
)
from tools.act.effects import EffectSet
from tools.act.reach import Reach
from tools.errors import ActionRefusedError, BadArgumentError, LostRaceError, NotFoundError
from tools.fingerprint import fingerprint_of
from tools.kubernetes_objects import Json, is_ready, meta, ref_of
from tools.world import WorkloadRef


class PodRestartParameters(Parameters):
    """How long the pod may take to stop."""

    grace_period: int = Field(30, ge=0, le=600)  # seconds


class PodRestart:
    """Delete a pod with its uid as precondition.

    Asked for a workload, it pins the pod that is worst off: one that is not ready, else the one
    that has run longest (a leak is oldest there).
    """

    name = "pod_restart"
    floor = 0.0
    idempotent = True  # the deletion names the pod's uid
    kinds = ("Pod", "Deployment", "StatefulSet")
    parameters = PodRestartParameters

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        cluster = actors.need_cluster(target.cluster)
        if target.kind not in self.kinds:
            raise BadArgumentError(f"{self.name} acts on {', '.join(self.kinds)}, not {target}")
        target, item = await _find(actors, target)
        reach = Reach(cluster, target.cluster)
        if target.kind != "Pod":
            siblings = await reach.reader.pods_of(item, target.kind)
            item = _worst(siblings, target)
        else:
            siblings = _siblings(item, await reach.reader.pods(target.namespace))
        owners = [
            each for each in meta(item).get("ownerReferences") or () if each.get("controller")
        ]
        if not owners:
            raise ActionRefusedError(
                f"{target} has no owner that would make it again; deleting it would remove it"
            )
        fields = {"uid": meta(item)["uid"]}
        ready = sum(is_ready(pod) for pod in siblings)
        return TargetState(
            target=ref_of(item, "Pod", target.cluster),
            parameters=parameters.model_dump(),
            fields=fields,
            fingerprint=fingerprint_of(fields),
            facts={
                "pods": len(siblings),
                "ready_others": ready - int(is_ready(item)),
                "owner": f"{owners[0]['kind']}/{owners[0]['name']}",
                "restarts": _restarts(item),
            },
            effects=EffectSet.union(
                [await reach.of_object(item, "Pod"), await reach.of_pods([item])]
            ),
        )

    def preview(self, state: TargetState) -> Preview:
        others = state.facts["ready_others"]
        left = f"{others} other ready pods keep serving" if others else "no other pod is ready"
        grace = state.parameters["grace_period"]
        return Preview(
            summary=f"Delete {state.target}; {state.facts['owner']} makes it again; {left}",
            diff=(),
            operations=({"op": "delete", "uid": state.target.uid, "gracePeriodSeconds": grace},),
            affected=(state.target,),
            pods_affected=1,
            pods_total=int(state.facts["pods"]),
        )

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await self._delete(actors, bound, dry_run=True)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        await self._delete(actors, bound, dry_run=False)
        return ActionResult(
            f"{bound.target} was deleted", bound.target, bound.fingerprint, {"key": key}
        )

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        return None  # the owner has already made the pod again

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        try:
            pod = await actors.need_cluster(bound.target.cluster).get(bound.target)
        except NotFoundError:
            return Probe.DONE
        if meta(pod).get("uid") != bound.target.uid or meta(pod).get("deletionTimestamp"):
            return Probe.DONE
        return Probe.NOT_DONE

    async def _delete(self, actors: Actors, bound: Bound, *, dry_run: bool) -> None:
        cluster = actors.need_cluster(bound.target.cluster)
        try:
            pod = await cluster.get(bound.target)
            if meta(pod).get("uid") != bound.target.uid or meta(pod).get("deletionTimestamp"):
                raise LostRaceError(
                    f"{bound.target} is already being replaced; nothing was deleted"
                )
            await cluster.delete(
                bound.target,
                dry_run=dry_run,
                grace_seconds=int(bound.parameters["grace_period"]),
                uid=bound.target.uid,
            )
        except NotFoundError as error:
            raise LostRaceError(f"{bound.target} is already gone; nothing was deleted") from error


def _siblings(pod: Json, pods: list[Json]) -> list[Json]:
    owners = {each["uid"] for each in meta(pod).get("ownerReferences") or ()}
    return [
        each
        for each in pods
        if owners & {o["uid"] for o in meta(each).get("ownerReferences") or ()}
    ]


async def _find(actors: Actors, target: WorkloadRef) -> tuple[WorkloadRef, Json]:
    """Return the target; a name that is no pod's may be a workload's."""
    cluster = actors.need_cluster(target.cluster)
    try:
        return target, await cluster.get(target)
    except NotFoundError:
        if target.kind != "Pod":
            raise
        for kind in ("Deployment", "StatefulSet"):
            ref = replace(target, kind=kind, uid="")
            try:
                return ref, await cluster.get(ref)
            except NotFoundError:
                continue
        raise


def _worst(pods: list[Json], target: WorkloadRef) -> Json:
    alive = [pod for pod in pods if not meta(pod).get("deletionTimestamp")]
    if not alive:
        raise ActionRefusedError(f"{target} has no pod that could be restarted")
    return min(alive, key=lambda pod: (is_ready(pod), _started(pod), meta(pod)["name"]))


def _started(pod: Json) -> str:
    """Return when the pod's container started; the API's timestamps sort as text."""
    stamps = [
        ((each.get("state") or {}).get("running") or {}).get("startedAt")
        for each in (pod.get("status") or {}).get("containerStatuses") or ()
    ]
    known = [str(stamp) for stamp in stamps if stamp]
    return min(known) if known else str((pod.get("status") or {}).get("startTime", ""))


def _restarts(pod: Json) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return sum(int(each.get("restartCount", 0)) for each in statuses)
