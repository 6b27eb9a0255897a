"""database_failover: make a replica the primary, of CloudNativePG or of Patroni.

    Cluster    CloudNativePG has no "switch over" field in `spec`: its own plugin patches the
               `status` subresource (targetPrimary, targetPrimaryTimestamp, phase), and the operator
               does the rest. How far a replica is behind, the primary's instance tells.
    Endpoint   Patroni: see `tools.act.patroni`.

A replica that does not stream, or lags beyond `max_lag_bytes`, is refused, when the plan is made
and again before anything is sent. The step is over when the new primary has taken over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from tools.act.contract import ActionResult, Actors, Bound, Parameters, Probe, TargetState, UndoSpec
from tools.act.effects import EffectSet
from tools.act.patching import PatchAction, Pinned
from tools.act.patroni import PatroniSwitchover
from tools.act.reach import Reach
from tools.act.routing import ByKind
from tools.errors import (
    ActionRefusedError,
    BackendError,
    BadArgumentError,
    NotFoundError,
    OutcomeUnknownError,
)
from tools.kubernetes_objects import Json, is_owned_by, meta
from tools.world import DiffLine, WorkloadRef

SWITCHING = "Switchover in progress"
STATUS_PORT = 8000  # where CloudNativePG's instance manager tells its state
LOOK_SECONDS = 2.0  # between two looks at who is primary
WAL_SEGMENT = 16 * 1024 * 1024  # bytes; one segment behind is what a healthy replica may be


class FailoverParameters(Parameters):
    """Which instance becomes primary; empty: the healthy replica that is least behind."""

    to_instance: str = ""
    max_lag_bytes: int = Field(WAL_SEGMENT, ge=0)
    accept_unknown_lag: bool = False  # for a primary that can no longer tell
    patroni_url: str = ""  # of Patroni's REST API, for a target of kind Endpoint


class CnpgSwitchover(PatchAction[FailoverParameters]):
    """Ask CloudNativePG's operator for another primary."""

    name = "database_failover"
    floor = PatroniSwitchover.floor
    idempotent = True  # it asks nothing of a cluster that was asked for the same primary already
    kinds = ("Cluster",)
    subresource = "status"
    parameters = FailoverParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: FailoverParameters
    ) -> Pinned:
        if parameters.patroni_url:
            raise BadArgumentError("patroni_url belongs to a target of kind Endpoint")
        status = item.get("status") or {}
        primary, aim = status.get("currentPrimary", ""), status.get("targetPrimary", "")
        if primary != aim:
            raise ActionRefusedError(f"{ref} is already switching from {primary!r} to {aim!r}")
        healthy = sorted((status.get("instancesStatus") or {}).get("healthy") or ())
        replicas = [name for name in healthy if name != primary]
        lags = await self._lags(actors, item, ref, parameters)
        wanted = parameters.to_instance or min(
            replicas,
            key=lambda name: (lags.get(name, parameters.max_lag_bytes + 1), name),
            default="",
        )
        if wanted not in replicas:
            known = ", ".join(replicas) or "none"
            raise ActionRefusedError(
                f"{wanted or 'no instance'!r} of {ref} can be promoted; healthy replicas: {known}"
            )
        _refuse_lag(wanted, lags, parameters)
        pinned = {**parameters.model_dump(exclude={"patroni_url"}), "to_instance": wanted}
        facts = {"replicas": len(healthy), "primary": primary, "lag_bytes": lags.get(wanted)}
        return Pinned(pinned, facts)

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

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        names = set((item.get("status") or {}).get("instanceNames") or ())
        every = await reach.reader.pods(ref.namespace)
        mine = [p for p in every if meta(p)["name"] in names or is_owned_by(p, ref.uid)]
        return EffectSet.union([await reach.of_object(item, ref.kind), await reach.of_pods(mine)])

    async def prepare(self, actors: Actors, bound: Bound, *, dry_run: bool) -> None:
        """Look at the replica once more: it may have fallen behind since the plan was made."""
        asked = FailoverParameters.model_validate(dict(bound.parameters))
        item = await actors.need_cluster(bound.target.cluster).get(bound.target)
        _refuse_lag(asked.to_instance, await self._lags(actors, item, bound.target, asked), asked)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        cluster, wanted = actors.need_cluster(bound.target.cluster), bound.parameters["to_instance"]
        asked = self.fields(await cluster.get(bound.target))
        if asked["targetPrimary"] != wanted:
            await super().execute(actors, bound, key)
        while (item := await cluster.get(bound.target)) and self.fields(item)[
            "currentPrimary"
        ] != wanted:
            if not await actors.waiting.pause(LOOK_SECONDS):
                now = self.fields(item)["currentPrimary"]
                raise OutcomeUnknownError(
                    f"{bound.target} was asked to switch to {wanted!r}, but {now!r} is still the "
                    "primary after the time this step has; look at its operator"
                )
        detail = f"{wanted} is the primary of {bound.target}"
        return ActionResult(detail, bound.target, "", {"primary": wanted})

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        before = str(state.fields["currentPrimary"])
        return (DiffLine("primary", before, str(state.parameters["to_instance"])),)

    def describe(self, state: TargetState) -> str:
        primary, wanted = state.facts["primary"], state.parameters["to_instance"]
        lag = state.facts["lag_bytes"]
        told = "how far it is behind is not known" if lag is None else f"it is {lag} bytes behind"
        return (
            f"Switch {state.target} from primary {primary} to {wanted}; {told}; writes pause "
            "meanwhile"
        )

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        back = {**state.parameters, "to_instance": state.facts["primary"]}
        return UndoSpec(self.name, state.target, back, f"Switch back to {state.facts['primary']}")

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        """Say done only when the new primary has taken over."""
        try:
            item = await actors.need_cluster(bound.target.cluster).get(bound.target)
        except NotFoundError:
            return Probe.UNKNOWN
        if meta(item).get("uid") != bound.target.uid:
            return Probe.UNKNOWN
        if self.fields(item)["currentPrimary"] == bound.parameters["to_instance"]:
            return Probe.DONE
        return await super().probe(actors, bound, key)

    async def _lags(
        self, actors: Actors, item: Json, ref: WorkloadRef, asked: FailoverParameters
    ) -> dict[str, int]:
        """Return how many bytes each streaming replica is behind, as the primary tells."""
        primary = (item.get("status") or {}).get("currentPrimary", "")
        pod = WorkloadRef(ref.cluster, ref.namespace, "Pod", primary)
        try:
            told = await actors.need_cluster(ref.cluster).ask_pod(pod, STATUS_PORT, "/pg/status")
            return lags_of(told)
        except (BackendError, NotFoundError, ValueError) as error:
            if asked.accept_unknown_lag:
                return {}
            raise ActionRefusedError(
                f"the primary {primary!r} of {ref} does not tell how far its replicas are behind: "
                f"{error}; set accept_unknown_lag: true to switch without knowing"
            ) from error


def lags_of(status: Mapping[str, Any]) -> dict[str, int]:
    """Read an instance's status: bytes behind of each replica that streams."""
    end = _position(str(status["currentLsn"])) if status.get("currentLsn") else None
    found = {}
    for each in status.get("replicationInfo") or ():
        replayed = str(each.get("replayLsn") or "")
        if each.get("state") == "streaming" and end is not None and replayed:
            found[str(each.get("applicationName", ""))] = max(0, end - _position(replayed))
    return found


def _position(lsn: str) -> int:
    """Return a PostgreSQL log position, `16/B374D848`, in bytes. Raises ValueError."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def _refuse_lag(name: str, lags: Mapping[str, int], asked: FailoverParameters) -> None:
    if name not in lags:
        if asked.accept_unknown_lag:
            return
        raise ActionRefusedError(
            f"{name!r} is not streaming from the primary; what was written since would be lost"
        )
    if lags[name] > asked.max_lag_bytes:
        raise ActionRefusedError(
            f"{name!r} is {lags[name]} bytes behind the primary, more than max_lag_bytes "
            f"{asked.max_lag_bytes}; wait until it has caught up"
        )


class DatabaseFailover(ByKind):
    """Switch a PostgreSQL cluster to another primary."""

    name = "database_failover"
    parameters = FailoverParameters

    def __init__(self) -> None:
        """CloudNativePG is what a bare name means."""
        super().__init__(CnpgSwitchover(), PatroniSwitchover(FailoverParameters))
