"""Actions on a workload's pod template: restart, roll back to a revision.

A Deployment keeps its history in ReplicaSets; a rollback writes an older set's template into the
deployment, exactly, as a JSON patch (a merge would keep what the old revision did not have).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from tools.act.contract import Actors, Parameters, TargetState, UndoSpec
from tools.act.effects import EffectSet
from tools.act.objects import replica_sets
from tools.act.patching import PatchAction, Pinned
from tools.act.reach import Reach
from tools.errors import ActionRefusedError, LostRaceError, NotFoundError
from tools.fingerprint import fingerprint_of
from tools.kubernetes_objects import (
    RESTARTED_AT,
    Json,
    bare_template,
    essence,
    meta,
    pointer,
    revision_of,
    template_diff,
    template_of,
)
from tools.world import DiffLine, WorkloadRef


class RestartParameters(Parameters):
    """Nothing needs to be said; `restarted_at` is pinned when the plan is made."""

    restarted_at: str = ""


class RolloutRestart(PatchAction[RestartParameters]):
    """Replace all pods of a workload one after another, as `kubectl rollout restart` does."""

    name = "rollout_restart"
    floor = 0.0
    kinds = ("Deployment", "StatefulSet", "DaemonSet")
    parameters = RestartParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: RestartParameters
    ) -> Pinned:
        if (item.get("spec") or {}).get("paused"):
            raise ActionRefusedError(f"{ref} is paused; resume its rollout first")
        at = parameters.restarted_at or actors.clock.now().isoformat(timespec="seconds")
        return Pinned({"restarted_at": at})

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"template": template_of(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        at = pinned["restarted_at"]
        own = template_of(item).get("metadata") or {}
        place = ["spec", "template", "metadata", "annotations"]
        if own.get("annotations") is None:
            return [{"op": "add", "path": pointer(*place), "value": {RESTARTED_AT: at}}]
        return [{"op": "add", "path": pointer(*place, RESTARTED_AT), "value": at}]

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        return await reach.of_workload(item, ref.kind)

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        own = (state.fields["template"].get("metadata") or {}).get("annotations") or {}
        before = str(own.get(RESTARTED_AT, "(never)"))
        return (DiffLine("restartedAt", before, str(state.parameters["restarted_at"])),)

    def describe(self, state: TargetState) -> str:
        return f"Restart all {state.facts['replicas']} pods of {state.target}, one after another"


class RollbackParameters(Parameters):
    """Which revision; without any, the newest older one that differs in substance."""

    to_revision: int = Field(0, ge=0)
    replica_set: str = ""
    template_sha256: str = ""


class DeploymentRollback(PatchAction[RollbackParameters]):
    """Put an older revision's pod template back, as `kubectl rollout undo` does."""

    name = "deployment_rollback"
    floor = 0.4
    kinds = ("Deployment",)
    parameters = RollbackParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: RollbackParameters
    ) -> Pinned:
        if (item.get("spec") or {}).get("paused"):
            raise ActionRefusedError(f"{ref} is paused; resume its rollout first")
        history = await replica_sets(actors.need_cluster(ref.cluster), item)
        current = essence(template_of(item))
        running = next(
            (each for each in history if essence(template_of(each)) == current),
            history[0] if history else None,
        )
        chosen = _choose(history, running, parameters, ref)
        target = bare_template(template_of(chosen))
        if essence(target) == current:
            raise ActionRefusedError(f"{ref} already runs revision {revision_of(chosen)}")
        pinned = {
            "to_revision": revision_of(chosen),
            "replica_set": meta(chosen)["name"],
            "template_sha256": fingerprint_of(target),
        }
        facts: dict[str, Any] = {"template": target, "from_revision": revision_of(item)}
        if running is not None:
            facts["running_set"] = meta(running)["name"]
            facts["running_revision"] = revision_of(running)
            facts["running_sha256"] = fingerprint_of(bare_template(template_of(running)))
        return Pinned(pinned, facts)

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"template": template_of(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        name = str(pinned["replica_set"])
        set_ref = WorkloadRef(ref.cluster, ref.namespace, "ReplicaSet", name)
        template = bare_template(template_of(await actors.need_cluster(ref.cluster).get(set_ref)))
        if fingerprint_of(template) != pinned["template_sha256"]:
            raise LostRaceError(f"{set_ref} no longer holds the template that was approved")
        return [{"op": "replace", "path": "/spec/template", "value": template}]

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        back = {"spec": {"template": pinned.facts["template"]}}
        return await reach.of_workload(item, ref.kind, template=back)

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        return template_diff(state.fields["template"], state.facts["template"])

    def describe(self, state: TargetState) -> str:
        here = state.facts.get("running_revision") or state.facts["from_revision"]
        back = state.parameters["to_revision"]
        return f"Roll {state.target} back from revision {here} to revision {back}"

    def git_change(self, state: TargetState) -> str:
        told = ", ".join(
            f"spec.template.{line.path} back to {line.after!r}" for line in self.diff(state)[:5]
        )
        return f"revert the commit that changed the image or the template ({told})"

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        if "running_set" not in state.facts:
            return None
        revision = state.facts["running_revision"]
        return UndoSpec(
            action=self.name,
            target=state.target,
            parameters={
                "to_revision": 0,
                "replica_set": state.facts["running_set"],
                "template_sha256": state.facts["running_sha256"],
            },
            summary=f"Put revision {revision} of {state.target} back",
        )


def _choose(
    history: list[Json], running: Json | None, asked: RollbackParameters, ref: WorkloadRef
) -> Json:
    known = ", ".join(str(revision_of(each)) for each in history) or "none"
    if asked.replica_set:
        for each in history:
            if meta(each)["name"] == asked.replica_set:
                return each
        raise NotFoundError(f"{ref} has no ReplicaSet {asked.replica_set!r}")
    if asked.to_revision:
        for each in history:
            if revision_of(each) == asked.to_revision:
                return each
        raise NotFoundError(
            f"{ref} keeps no revision {asked.to_revision!r}; it keeps revisions: {known}"
        )
    if running is not None:
        now = essence(template_of(running))
        for each in history:
            if revision_of(each) < revision_of(running) and essence(template_of(each)) != now:
                return each
    raise ActionRefusedError(f"{ref} keeps no older revision to go back to (revisions: {known})")
