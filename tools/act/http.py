"""Actions over HTTP: call an allow-listed endpoint, switch a circuit breaker.

The caller (`tools.backends.http`) checks hosts and signs; here stand the words and the way back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from tools.act.contract import (
    Actors,
    Bound,
    DiffLine,
    Outcome,
    Parameters,
    Preview,
    Probe,
    State,
    UndoSpec,
    fingerprint_of,
)
from tools.errors import ActionRefusedError, BackendError, LostRaceError, OutcomeUnknownError
from tools.world import WorkloadRef

ENDPOINT = "Endpoint"


def _parsed(text: str) -> Mapping[str, Any] | None:
    return json.loads(text) if text else None


class HttpParameters(Parameters):
    """One call and, if there is one, the call that takes it back."""

    url: str
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    body: str = ""  # a JSON object as text
    undo_url: str = ""
    undo_method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    undo_body: str = ""

    @field_validator("body", "undo_body")
    @classmethod
    def _is_object(cls, text: str) -> str:
        if text and not isinstance(json.loads(text), dict):
            raise ValueError("must be a JSON object")
        return text


class HttpCall:
    """Call an endpoint once, with an idempotency key."""

    name = "http_call"
    floor = 0.4
    kinds = (ENDPOINT,)
    parameters = HttpParameters

    async def observe(self, actors: Actors, target: WorkloadRef, parameters: Parameters) -> State:
        pinned = parameters.model_dump()
        http = actors.need_http()
        await http.check(pinned["method"], pinned["url"])
        if pinned["undo_url"]:
            await http.check(pinned["undo_method"], pinned["undo_url"])
        fields = {name: pinned[name] for name in ("method", "url", "body")}
        return State(target, pinned, fields, fingerprint_of(fields))

    def preview(self, state: State) -> Preview:
        call = f"{state.parameters['method']} {state.parameters['url']}"
        return Preview(f"Call {call}", (), (dict(state.fields),), (state.target,))

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await actors.need_http().check(bound.parameters["method"], bound.parameters["url"])

    async def execute(self, actors: Actors, bound: Bound, key: str) -> Outcome:
        asked = bound.parameters
        fields = {name: asked[name] for name in ("method", "url", "body")}
        if fingerprint_of(fields) != bound.fingerprint:
            raise LostRaceError(f"the call to {asked['url']!r} is not the one that was approved")
        reply = await actors.need_http().call(
            asked["method"], asked["url"], _parsed(asked["body"]), key
        )
        return Outcome(
            f"{asked['url']} answered {reply.status}",
            bound.target,
            bound.fingerprint,
            {"status": reply.status, "text": reply.text[:500]},
        )

    def undo_of(self, state: State) -> UndoSpec | None:
        asked = state.parameters
        if not asked["undo_url"]:
            return None
        back = {
            "url": asked["undo_url"],
            "method": asked["undo_method"],
            "body": asked["undo_body"],
        }
        summary = f"Call {asked['undo_method']} {asked['undo_url']}"
        return UndoSpec(self.name, state.target, back, summary)

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        return Probe.UNKNOWN  # only the called service knows


class BreakerParameters(Parameters):
    """A breaker is a resource: GET tells `{"state": …}`, PUT of the same shape sets it."""

    url: str
    state: Literal["open", "closed", "half_open"] = Field("open")


class CircuitBreaker:
    """Open, close or half-open a circuit breaker."""

    name = "circuit_breaker"
    floor = 0.4
    kinds = (ENDPOINT,)
    parameters = BreakerParameters

    async def observe(self, actors: Actors, target: WorkloadRef, parameters: Parameters) -> State:
        pinned = parameters.model_dump()
        await actors.need_http().check("PUT", pinned["url"])
        now = await _breaker_state(actors, pinned["url"])
        if now == pinned["state"]:
            raise ActionRefusedError(f"the breaker at {pinned['url']!r} is already {now!r}")
        fields = {"url": pinned["url"], "state": now}
        return State(target, pinned, fields, fingerprint_of(fields))

    def preview(self, state: State) -> Preview:
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

    async def execute(self, actors: Actors, bound: Bound, key: str) -> Outcome:
        await self._compare(actors, bound)
        url, wanted = bound.parameters["url"], bound.parameters["state"]
        reply = await actors.need_http().call("PUT", url, {"state": wanted}, key)
        now = await _breaker_state_after(actors, url)
        if now != wanted:
            raise OutcomeUnknownError(
                f"the breaker at {url!r} was set to {wanted!r}, it says {now!r}"
            )
        after = fingerprint_of({"url": url, "state": now})
        return Outcome(f"the breaker is {now}", bound.target, after, {"status": reply.status})

    def undo_of(self, state: State) -> UndoSpec | None:
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
        return str(json.loads(reply.text)["state"])
    except (ValueError, KeyError, TypeError) as error:
        raise ActionRefusedError(
            f"{url!r} does not answer a breaker's state as {{'state': …}}: {reply.text[:80]!r}"
        ) from error


async def _breaker_state_after(actors: Actors, url: str) -> str:
    try:
        return await _breaker_state(actors, url)
    except (BackendError, ActionRefusedError) as error:
        raise OutcomeUnknownError(
            f"the breaker at {url!r} accepted the change but cannot be read: {error}"
        ) from error
