"""The Patroni way of database_failover: REST `/cluster` tells, REST `/switchover` asks.

Patroni (≥ 3.0.4) calls a replica's state "streaming" when it follows the leader, and tells its lag
in bytes, or "unknown". It has no dry run: the dry run reads and compares, and sends nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, cast

from foundation.json_text import read_json
from foundation.shortened import shortened
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
from tools.act.reach import of_addresses
from tools.errors import (
    ActionRefusedError,
    BackendError,
    BadArgumentError,
    LostRaceError,
    OutcomeUnknownError,
)
from tools.fingerprint import fingerprint_of
from tools.world import DiffLine, WorkloadRef

LOOK_SECONDS = 2.0  # between two looks at who leads
LEADERS = frozenset({"leader", "master", "primary", "standby_leader"})


class Asked(Protocol):
    """What it reads of the action's parameters."""

    patroni_url: str
    to_instance: str
    max_lag_bytes: int
    accept_unknown_lag: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One instance as Patroni tells it."""

    name: str
    leads: bool
    state: str
    lag_bytes: int | None  # None: unknown


class PatroniSwitchover:
    """Ask Patroni for another leader."""

    name = "database_failover"
    floor = 0.6
    idempotent = True  # Patroni refuses a switchover from a leader that leads no more
    kinds = ("Endpoint",)

    def __init__(self, parameters: type[Parameters]) -> None:
        """`parameters` are those of the action it is one way of."""
        self.parameters = parameters

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        asked = cast("Asked", parameters)
        if not asked.patroni_url:
            raise BadArgumentError(
                f"{self.name} of an Endpoint needs patroni_url, the address of Patroni's REST API"
            )
        await actors.need_http().check("POST", f"{asked.patroni_url}/switchover")
        scope, members = await _cluster(actors, asked.patroni_url)
        leader = _leader_of(members)
        if not leader:
            raise ActionRefusedError(
                f"{asked.patroni_url!r} names no leader; Patroni elects one by itself"
            )
        chosen = _chosen(members, asked)
        pinned = {**parameters.model_dump(), "to_instance": chosen.name}
        fields = _fields(asked.patroni_url, leader, scope)
        facts = {"lag_bytes": chosen.lag_bytes, "replicas": len(members)}
        effects = await of_addresses(actors, target, asked.patroni_url)
        return TargetState(target, pinned, fields, fingerprint_of(fields), facts, effects)

    def preview(self, state: TargetState) -> Preview:
        before, after = str(state.fields["leader"]), str(state.parameters["to_instance"])
        url, lag = state.parameters["patroni_url"], state.facts["lag_bytes"]
        told = "how far it is behind is not known" if lag is None else f"it is {lag} bytes behind"
        body = {"leader": before, "candidate": after}
        return Preview(
            summary=f"Switch {url} from leader {before} to {after}; {told}; writes pause meanwhile",
            diff=(DiffLine("leader", before, after),),
            operations=({"method": "POST", "url": f"{url}/switchover", "body": body},),
            affected=(state.target,),
            pods_affected=int(state.facts["replicas"]),
            pods_total=int(state.facts["replicas"]),
        )

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await actors.need_http().check("POST", f"{bound.parameters['patroni_url']}/switchover")
        await self._compare(actors, bound)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        url, wanted = str(bound.parameters["patroni_url"]), str(bound.parameters["to_instance"])
        scope, before = await self._compare(actors, bound)
        body = {"leader": before, "candidate": wanted}
        reply = await actors.need_http().call("POST", f"{url}/switchover", body, key)
        while (now := await _leader(actors, url, scope)) != wanted:
            if not await actors.waiting.pause(LOOK_SECONDS):
                raise OutcomeUnknownError(
                    f"{url!r} accepted a switch to {wanted!r}, but {now or 'nobody'!r} leads after "
                    "the time this step has; look at Patroni"
                )
        after = fingerprint_of(_fields(url, wanted, scope))
        response = {"status": reply.status, "text": shortened(reply.text, 200)}
        return ActionResult(f"{wanted} leads {url}", bound.target, after, response)

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        before = state.fields["leader"]
        back = {**state.parameters, "to_instance": before}
        return UndoSpec(self.name, state.target, back, f"Switch back to {before}")

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        url = str(bound.parameters["patroni_url"])
        try:
            scope, members = await _cluster(actors, url)
        except (BackendError, ActionRefusedError):
            return Probe.UNKNOWN
        leader = _leader_of(members)
        # an older version bound a step without the cluster's name
        before = {
            each.name
            for each in members
            for told in (scope, "")
            if fingerprint_of(_fields(url, each.name, told)) == bound.fingerprint
        }
        if not before:
            return Probe.UNKNOWN  # another cluster answers at this address
        if leader == bound.parameters["to_instance"]:
            return Probe.DONE
        return Probe.NOT_DONE if leader in before else Probe.UNKNOWN

    async def _compare(self, actors: Actors, bound: Bound) -> tuple[str, str]:
        """Return the cluster's name and its leader.

        Raises when either is another one, or the replica fell behind.
        """
        asked = cast("Asked", self.parameters.model_validate(dict(bound.parameters)))
        scope, members = await _cluster(actors, asked.patroni_url)
        leader = _leader_of(members)
        if fingerprint_of(_fields(asked.patroni_url, leader, scope)) != bound.fingerprint:
            told = f"{leader or 'nobody'!r} leads {scope or 'the cluster'!r}"
            raise LostRaceError(f"{told} at {asked.patroni_url!r} now; propose the plan again")
        _chosen(members, asked)
        return scope, leader


def _fields(url: str, leader: str, scope: str) -> dict[str, str]:
    """Return what is bound: also which cluster answers, where Patroni tells that."""
    return {"url": url, "leader": leader, **({"scope": scope} if scope else {})}


async def _cluster(actors: Actors, url: str) -> tuple[str, list[Member]]:
    """Return the cluster's name, empty where Patroni does not tell it, and its members."""
    reply = await actors.need_http().call("GET", f"{url}/cluster", None, "")
    try:
        told = read_json(reply.text)
        return str(told.get("scope") or ""), [_member(each) for each in told["members"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ActionRefusedError(
            f"{url}/cluster does not answer as Patroni does: {shortened(reply.text, 80)!r}"
        ) from error


def _member(told: Mapping[str, Any]) -> Member:
    lag = told.get("lag")
    return Member(
        name=str(told["name"]),
        leads=str(told["role"]) in LEADERS,
        state=str(told.get("state", "")),
        lag_bytes=lag if isinstance(lag, int) else None,
    )


def _leader_of(members: list[Member]) -> str:
    return next((each.name for each in members if each.leads), "")


async def _leader(actors: Actors, url: str, scope: str) -> str:
    """Return who leads that cluster, empty when nobody does or nobody can be asked just now."""
    try:
        now, members = await _cluster(actors, url)
    except (BackendError, ActionRefusedError):
        return ""
    return _leader_of(members) if now == scope else ""


def _chosen(members: list[Member], asked: Asked) -> Member:
    """Return the replica to promote. Raises ActionRefusedError when it is not fit."""
    replicas = [each for each in members if not each.leads]
    fit = [each for each in replicas if each.state == "streaming" and each.lag_bytes is not None]
    if not asked.to_instance:
        if not fit:
            states = ", ".join(f"{each.name} {each.state}" for each in replicas) or "none"
            raise ActionRefusedError(f"no replica streams from the leader (replicas: {states})")
        chosen = min(fit, key=lambda each: (each.lag_bytes or 0, each.name))
    else:
        found = next((each for each in replicas if each.name == asked.to_instance), None)
        if found is None:
            known = ", ".join(each.name for each in replicas) or "none"
            raise ActionRefusedError(
                f"{asked.to_instance!r} is no replica that can be promoted; replicas: {known}"
            )
        chosen = found
    if chosen.state != "streaming":
        raise ActionRefusedError(
            f"{chosen.name!r} is {chosen.state!r}, not streaming; what was written since would be "
            "lost"
        )
    if chosen.lag_bytes is None and not asked.accept_unknown_lag:
        raise ActionRefusedError(
            f"Patroni does not know how far {chosen.name!r} is behind; set "
            "accept_unknown_lag: true to switch without knowing"
        )
    if (chosen.lag_bytes or 0) > asked.max_lag_bytes:
        raise ActionRefusedError(
            f"{chosen.name!r} is {chosen.lag_bytes} bytes behind the leader, more than "
            f"max_lag_bytes {asked.max_lag_bytes}; wait until it has caught up"
        )
    return chosen
