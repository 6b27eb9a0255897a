"""database_failover: promote a replica of a CloudNativePG cluster.

CloudNativePG has no "switch over" field in `spec`: its own plugin patches the `status` subresource
(targetPrimary, targetPrimaryTimestamp, phase), and the operator does the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tools.act.contract import Actors, Bound, DiffLine, Parameters, Probe, State, UndoSpec
from tools.act.objects import Json, meta
from tools.act.patching import PatchAction, Pinned
from tools.errors import ActionRefusedError, NotFoundError
from tools.world import WorkloadRef

SWITCHING = "Switchover in progress"


class FailoverParameters(Parameters):
    """Which instance becomes primary; empty: a healthy replica."""

    to_instance: str = ""


class DatabaseFailover(PatchAction[FailoverParameters]):
    """Switch a PostgreSQL cluster to another primary."""

    name = "database_failover"
    floor = 0.6
    kinds = ("Cluster",)
    subresource = "status"
    parameters = FailoverParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: FailoverParameters
    ) -> Pinned:
        status = item.get("status") or {}
        primary, aim = status.get("currentPrimary", ""), status.get("targetPrimary", "")
        if primary != aim:
            raise ActionRefusedError(f"{ref} is already switching from {primary!r} to {aim!r}")
        healthy = sorted((status.get("instancesStatus") or {}).get("healthy") or ())
        replicas = [name for name in healthy if name != primary]
        wanted = parameters.to_instance or next(iter(replicas), "")
        if wanted not in replicas:
            known = ", ".join(replicas) or "none"
            raise ActionRefusedError(
                f"{wanted or 'no instance'!r} of {ref} can be promoted; healthy replicas: {known}"
            )
        return Pinned({"to_instance": wanted}, {"replicas": len(healthy), "primary": primary})

    def fields(self, item: Json) -> Mapping[str, Any]:
        status = item.get("status") or {}
        return {
            "currentPrimary": status.get("currentPrimary", ""),
            "targetPrimary": status.get("targetPrimary", ""),
        }

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        wanted = str(pinned["to_instance"])
        now = actors.clock.now().isoformat(timespec="microseconds")
        values = {
            "targetPrimary": wanted,
            "targetPrimaryTimestamp": now,
            "phase": SWITCHING,
            "phaseReason": f"Switching over to {wanted}",
        }
        return [
            {"op": "add", "path": f"/status/{name}", "value": value}
            for name, value in values.items()
        ]

    def diff(self, state: State) -> tuple[DiffLine, ...]:
        before = str(state.fields["currentPrimary"])
        return (DiffLine("primary", before, str(state.parameters["to_instance"])),)

    def describe(self, state: State) -> str:
        primary, wanted = state.facts["primary"], state.parameters["to_instance"]
        return f"Switch {state.target} from primary {primary} to {wanted}; writes pause meanwhile"

    def undo_of(self, state: State) -> UndoSpec | None:
        primary = state.facts["primary"]
        return UndoSpec(
            self.name, state.target, {"to_instance": primary}, f"Switch back to {primary}"
        )

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        try:
            item = await actors.need_cluster().get(bound.target)
        except NotFoundError:
            return Probe.UNKNOWN
        if meta(item).get("uid") != bound.target.uid:
            return Probe.UNKNOWN
        if self.fields(item)["targetPrimary"] == bound.parameters["to_instance"]:
            return Probe.DONE
        return await super().probe(actors, bound, key)
