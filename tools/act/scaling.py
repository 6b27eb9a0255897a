"""Actions on the number of pods. A workload an autoscaler owns is scaled through the autoscaler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import Field, model_validator

from tools.act.contract import Actors, Bound, Parameters, TargetState, UndoSpec
from tools.act.effects import EffectSet
from tools.act.patching import PatchAction, Pinned
from tools.act.reach import Reach
from tools.errors import ActionRefusedError, LostRaceError
from tools.kubernetes_objects import Json, meta, replicas_of
from tools.ownership import HPA, autoscalers_of, scale_target
from tools.ports import ClusterActor
from tools.world import DiffLine, WorkloadRef

LARGEST = 500  # pods; nobody means more


async def find_hpa(cluster: ClusterActor, workload: WorkloadRef) -> Json | None:
    """Return the autoscaler that owns a workload's replicas, or None."""
    found = autoscalers_of(await cluster.list(HPA, workload.namespace), workload)
    return found[0] if found else None


def _compare_aim(item: Json, bound: Bound) -> None:
    """Raise LostRaceError when an autoscaler scales something else than was approved.

    Not by the fingerprint: that of a step which an older version took must stay what it was.
    """
    if bound.effects is None or bound.target.kind != HPA:
        return
    aim = scale_target(item, bound.target.cluster).ref
    if not any(replace(each.ref, uid="") == aim for each in bound.effects.scaled):
        raise LostRaceError(f"{bound.target} scales {aim} now; propose the plan again")


def _limits(hpa: Json) -> tuple[int, int]:
    spec = hpa.get("spec") or {}
    return int(spec.get("minReplicas") or 1), int(spec["maxReplicas"])


class HpaParameters(Parameters):
    """New limits; `add_replicas` moves both by the same number."""

    min_replicas: int | None = Field(None, ge=1, le=LARGEST)
    max_replicas: int | None = Field(None, ge=1, le=LARGEST)
    add_replicas: int | None = Field(None, ge=-LARGEST, le=LARGEST)

    @model_validator(mode="after")
    def _says_something(self) -> HpaParameters:
        limits = self.min_replicas is not None or self.max_replicas is not None
        if limits == (self.add_replicas is not None):
            raise ValueError("give min_replicas and/or max_replicas, or add_replicas alone")
        return self

    def applied_to(self, low: int, high: int) -> tuple[int, int]:
        """Return the limits asked for, from the present ones."""
        if self.add_replicas is not None:
            return max(1, low + self.add_replicas), max(1, high + self.add_replicas)
        new_low = low if self.min_replicas is None else self.min_replicas
        new_high = max(high, new_low) if self.max_replicas is None else self.max_replicas
        return new_low, new_high


class HpaScale(PatchAction[HpaParameters]):
    """Move the limits of a horizontal pod autoscaler."""

    name = "hpa_scale"
    floor = 0.0
    kinds = (HPA, "Deployment", "StatefulSet")
    parameters = HpaParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: HpaParameters
    ) -> Pinned:
        found: Json | None = item
        if ref.kind != HPA:
            found = await find_hpa(actors.need_cluster(ref.cluster), ref)
        if found is None:
            raise ActionRefusedError(f"no autoscaler owns {ref}; use the action 'scale'")
        low, high = _limits(found)
        new_low, new_high = parameters.applied_to(low, high)
        if new_low > new_high:
            raise ActionRefusedError(
                f"min_replicas {new_low!r} would exceed max_replicas {new_high!r}"
            )
        if (new_low, new_high) == (low, high):
            raise ActionRefusedError(f"{meta(found)['name']} already has these limits")
        current = int((found.get("status") or {}).get("currentReplicas") or replicas_of(item))
        hpa_ref = WorkloadRef(ref.cluster, ref.namespace, HPA, meta(found)["name"])
        return Pinned(
            {"min_replicas": new_low, "max_replicas": new_high},
            {"replicas": current},
            item=found,
            ref=hpa_ref,
        )

    def fields(self, item: Json) -> Mapping[str, Any]:
        low, high = _limits(item)
        return {"minReplicas": low, "maxReplicas": high}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        return [
            {"op": "add", "path": "/spec/minReplicas", "value": pinned["min_replicas"]},
            {"op": "replace", "path": "/spec/maxReplicas", "value": pinned["max_replicas"]},
        ]

    def compare(self, item: Json, bound: Bound) -> None:
        super().compare(item, bound)
        _compare_aim(item, bound)

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        highest = max(_limits(item)[1], int(pinned.parameters["max_replicas"]))
        return await reach.of_autoscaler(item, at_most=highest)

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        pairs = (("minReplicas", "min_replicas"), ("maxReplicas", "max_replicas"))
        return tuple(
            DiffLine(field, str(state.fields[field]), str(state.parameters[name]))
            for field, name in pairs
            if state.fields[field] != state.parameters[name]
        )

    def describe(self, state: TargetState) -> str:
        low, high = state.parameters["min_replicas"], state.parameters["max_replicas"]
        return f"Let {state.target} keep between {low} and {high} pods"

    def pods_affected(self, state: TargetState) -> int:
        return max(0, int(state.facts["replicas"]) - int(state.parameters["max_replicas"]))

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        low, high = state.fields["minReplicas"], state.fields["maxReplicas"]
        return UndoSpec(
            action="hpa_scale",
            target=state.target,
            parameters={"min_replicas": low, "max_replicas": high},
            summary=f"Put the limits of {state.target} back to {low} and {high}",
        )


class ScaleParameters(Parameters):
    """A number of pods, or how many more (fewer when negative). None at all must be asked for."""

    replicas: int | None = Field(None, ge=0, le=LARGEST)
    add_replicas: int | None = Field(None, ge=-LARGEST, le=LARGEST)
    allow_zero: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> ScaleParameters:
        if (self.replicas is None) == (self.add_replicas is None):
            raise ValueError("give either replicas or add_replicas")
        return self


class Scale(PatchAction[ScaleParameters]):
    """Set a workload's number of pods, through its autoscaler when it has one."""

    name = "scale"
    floor = 0.0
    kinds = ("Deployment", "StatefulSet", HPA)
    parameters = ScaleParameters
    _hpa = HpaScale()

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: ScaleParameters
    ) -> Pinned:
        hpa = item if ref.kind == HPA else await find_hpa(actors.need_cluster(ref.cluster), ref)
        now = replicas_of(item)
        if hpa is not None and ref.kind == HPA:
            now = int((hpa.get("status") or {}).get("currentReplicas") or _limits(hpa)[0])
        asked = parameters.replicas
        wanted = max(0, now + (parameters.add_replicas or 0)) if asked is None else asked
        if hpa is not None:
            if wanted < 1:
                raise ActionRefusedError(f"an autoscaler owns {ref}; it keeps at least one pod")
            high = _limits(hpa)[1]
            through = HpaParameters(
                min_replicas=wanted, max_replicas=max(high, wanted), add_replicas=None
            )
            hpa_ref = WorkloadRef(ref.cluster, ref.namespace, HPA, meta(hpa)["name"])
            pinned = await self._hpa.pin(actors, hpa, hpa_ref, through)
            facts = {**pinned.facts, "replicas": now, "pods": wanted}
            return Pinned({"replicas": wanted}, facts, hpa, hpa_ref)
        if wanted == now:
            raise ActionRefusedError(f"{ref} already has {now} pods")
        if wanted < 1 and not parameters.allow_zero:
            raise ActionRefusedError(
                f"{ref} would keep no pod and serve nobody; set allow_zero: true if that is wanted"
            )
        zero = {"allow_zero": True} if wanted < 1 else {}
        return Pinned({"replicas": wanted, **zero}, {"replicas": now})

    def fields(self, item: Json) -> Mapping[str, Any]:
        if "maxReplicas" in (item.get("spec") or {}):
            return self._hpa.fields(item)
        return {"replicas": replicas_of(item)}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        wanted = int(pinned["replicas"])
        if ref.kind == HPA:
            limits = {"min_replicas": wanted, "max_replicas": max(_limits(item)[1], wanted)}
            return await self._hpa.operations(actors, item, ref, limits)
        return [{"op": "add", "path": "/spec/replicas", "value": wanted}]

    def compare(self, item: Json, bound: Bound) -> None:
        super().compare(item, bound)
        _compare_aim(item, bound)

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        wanted = int(pinned.parameters["replicas"])
        if ref.kind == HPA:
            return await reach.of_autoscaler(item, at_most=max(_limits(item)[1], wanted))
        return await reach.of_workload(item, ref.kind, at_most=wanted)

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        wanted = state.parameters["replicas"]
        if state.target.kind == HPA:
            low, high = state.fields["minReplicas"], state.fields["maxReplicas"]
            lines = [DiffLine("minReplicas", str(low), str(wanted))]
            if wanted > high:
                lines.append(DiffLine("maxReplicas", str(high), str(wanted)))
            return tuple(lines)
        return (DiffLine("replicas", str(state.fields["replicas"]), str(wanted)),)

    def describe(self, state: TargetState) -> str:
        through = " through its autoscaler" if state.target.kind == HPA else ""
        return (
            f"Scale {state.target} from {state.facts['replicas']} to "
            f"{state.parameters['replicas']} pods{through}"
        )

    def pods_affected(self, state: TargetState) -> int:
        return max(0, int(state.facts["replicas"]) - int(state.parameters["replicas"]))

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        if state.target.kind == HPA:
            return self._hpa.undo_of(state)
        before = state.fields["replicas"]
        return UndoSpec(
            action=self.name,
            target=state.target,
            parameters={"replicas": before, **({} if before else {"allow_zero": True})},
            summary=f"Scale {state.target} back to {before} pods",
        )
