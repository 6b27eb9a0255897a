"""circuit_breaker: open or close a breaker, where it lives.

Endpoint    GET tells `{"state": …}`, PUT of the same shape sets it
ConfigMap   one key holds the state, as its pods read it anew
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from foundation.json_text import read_json
from foundation.nearest import nearest
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
from tools.act.effects import EffectSet
from tools.act.patching import PatchAction, Pinned
from tools.act.reach import Reach, of_addresses
from tools.act.routing import ByKind
from tools.errors import (
    ActionRefusedError,
    BackendError,
    BadArgumentError,
    LostRaceError,
    NotFoundError,
    OutcomeUnknownError,
)
from tools.fingerprint import fingerprint_of
from tools.kubernetes_objects import Json, pointer
from tools.world import DiffLine, WorkloadRef


class BreakerParameters(Parameters):
    """Where the state stands, a `url` or the `key` of a config map, and what it shall be."""

    url: str = ""
    key: str = "CIRCUIT_BREAKER"
    state: Literal["open", "closed", "half_open"] = "open"


class EndpointBreaker:
    """A breaker behind an HTTP endpoint."""

    name = "circuit_breaker"
    floor = 0.4
    idempotent = True  # it sets a state, and reads it back
    kinds = ("Endpoint",)
    parameters = BreakerParameters

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        pinned = parameters.model_dump(exclude={"key"})
        if not pinned["url"]:
            raise BadArgumentError(f"{self.name} of an Endpoint needs url, where the breaker is")
        await actors.need_http().check("PUT", pinned["url"])
        now = await _breaker_state(actors, pinned["url"])
        if now == pinned["state"]:
            raise ActionRefusedError(f"the breaker at {pinned['url']!r} is already {now!r}")
        fields = {"url": pinned["url"], "state": now}
        effects = await of_addresses(actors, target, pinned["url"])
        return TargetState(target, pinned, fields, fingerprint_of(fields), effects=effects)

    def preview(self, state: TargetState) -> Preview:
        before, after = str(state.fields["state"]), str(state.parameters["state"])
        return Preview(
            summary=f"Set the circuit breaker {state.parameters['url']} to {after}",
            diff=(DiffLine("state", before, after),),
            operations=({"method": "PUT", "url": state.parameters["url"], "state": after},),
            affected=(state.target,),
        )

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await actors.need_http().check("PUT", bound.parameters["url"])
        await self._compare(actors, bound)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        await self._compare(actors, bound)
        url, wanted = bound.parameters["url"], bound.parameters["state"]
        reply = await actors.need_http().call("PUT", url, {"state": wanted}, key)
        now = await _breaker_state_after(actors, url)
        if now != wanted:
            raise OutcomeUnknownError(
                f"the breaker at {url!r} was set to {wanted!r}, it says {now!r}"
            )
        after = fingerprint_of({"url": url, "state": now})
        return ActionResult(f"the breaker is {now}", bound.target, after, {"status": reply.status})

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        back = {"url": state.parameters["url"], "state": state.fields["state"]}
        return UndoSpec(
            self.name, state.target, back, f"Set the breaker back to {state.fields['state']}"
        )

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        now = await _breaker_state(actors, bound.parameters["url"])
        if now == bound.parameters["state"]:
            return Probe.DONE
        fields = {"url": bound.parameters["url"], "state": now}
        return Probe.NOT_DONE if fingerprint_of(fields) == bound.fingerprint else Probe.UNKNOWN

    async def _compare(self, actors: Actors, bound: Bound) -> None:
        url = bound.parameters["url"]
        now = await _breaker_state(actors, url)
        if fingerprint_of({"url": url, "state": now}) != bound.fingerprint:
            raise LostRaceError(
                f"the breaker at {url!r} has become {now!r}; propose the plan again"
            )


async def _breaker_state(actors: Actors, url: str) -> str:
    reply = await actors.need_http().call("GET", url, None, "")
    try:
        return str(read_json(reply.text)["state"])
    except (ValueError, KeyError, TypeError) as error:
        raise ActionRefusedError(
            f"{url!r} does not answer a breaker's state as {{'state': …}}: "
            f"{shortened(reply.text, 80)!r}"
        ) from error


async def _breaker_state_after(actors: Actors, url: str) -> str:
    try:
        return await _breaker_state(actors, url)
    except (BackendError, ActionRefusedError) as error:
        raise OutcomeUnknownError(
            f"the breaker at {url!r} accepted the change but cannot be read: {error}"
        ) from error


class ConfigMapBreaker(PatchAction[BreakerParameters]):
    """A breaker that is one key of a config map."""

    name = "circuit_breaker"
    floor = EndpointBreaker.floor
    kinds = ("ConfigMap",)
    parameters = BreakerParameters

    async def pin(
        self, actors: Actors, item: Json, ref: WorkloadRef, parameters: BreakerParameters
    ) -> Pinned:
        values = item.get("data") or {}
        if parameters.url:
            raise BadArgumentError("url belongs to a target of kind Endpoint, key to a ConfigMap")
        if parameters.key not in values:
            raise NotFoundError(
                f"{ref} has no key {parameters.key!r}.{nearest(parameters.key, values)}"
            )
        if item.get("immutable"):
            raise ActionRefusedError(
                f"{ref} is immutable; release a config map with {parameters.key} = "
                f"{parameters.state} and let the deployment use it"
            )
        now = str(values[parameters.key])
        if now == parameters.state:
            raise ActionRefusedError(f"{parameters.key} of {ref} is already {now!r}")
        pinned = {"key": parameters.key, "state": parameters.state}
        return Pinned(pinned, {"replicas": 0, "before": now})

    def fields(self, item: Json) -> Mapping[str, Any]:
        return {"data": dict(item.get("data") or {})}

    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        place = pointer("data", str(pinned["key"]))
        return [{"op": "replace", "path": place, "value": pinned["state"]}]

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet:
        return EffectSet.union([await reach.of_object(item, ref.kind), await reach.of_users(ref)])

    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        key, after = str(state.parameters["key"]), str(state.parameters["state"])
        return (DiffLine(key, str(state.facts["before"]), after),)

    def describe(self, state: TargetState) -> str:
        key, after = state.parameters["key"], state.parameters["state"]
        return f"Set {key} of {state.target} to {after}; pods that read it anew follow"

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        before = state.facts["before"]
        if before not in {"open", "closed", "half_open"}:
            return None  # some other word than ours stood there; a person puts it back
        back = {"key": state.parameters["key"], "state": before}
        return UndoSpec(self.name, state.target, back, f"Set the breaker back to {before}")


class CircuitBreaker(ByKind):
    """Open, close or half-open a circuit breaker."""

    name = "circuit_breaker"
    parameters = BreakerParameters

    def __init__(self) -> None:
        """An endpoint is what a bare name means."""
        super().__init__(EndpointBreaker(), ConfigMapBreaker())
