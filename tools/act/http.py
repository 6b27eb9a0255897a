"""http_call: call an allow-listed endpoint once.

The caller (`tools.backends.http`) checks hosts and signs; here stand the words, the way back and
the look at the world. `probe_url` is a GET whose answer contains `probe_text` once the call has
taken effect: with it there is a state before, a proof after, and a way to find a lost answer. An
answer that says "not yet" is no proof: a call on its way may still arrive, so it is never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import field_validator, model_validator

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
from tools.errors import ActionRefusedError, BackendError, LostRaceError, OutcomeUnknownError
from tools.fingerprint import fingerprint_of
from tools.world import DiffLine, WorkloadRef

ENDPOINT = "Endpoint"
DONE, NOT_DONE = "done", "not done"


def _parsed(text: str) -> Mapping[str, Any] | None:
    return read_json(text) if text else None


class HttpParameters(Parameters):
    """One call and, if there are any, the call that takes it back and the look that proves it."""

    url: str
    method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    body: str = ""  # a JSON object as text
    undo_url: str = ""
    undo_method: Literal["POST", "PUT", "PATCH", "DELETE"] = "POST"
    undo_body: str = ""
    probe_url: str = ""
    probe_text: str = ""  # what the answer of probe_url contains when the call has taken effect

    @field_validator("body", "undo_body")
    @classmethod
    def _is_object(cls, text: str) -> str:
        if text and not isinstance(read_json(text), dict):
            raise ValueError("must be a JSON object")
        return text

    @model_validator(mode="after")
    def _probe_is_whole(self) -> HttpParameters:
        if bool(self.probe_url) != bool(self.probe_text):
            raise ValueError("give probe_url and probe_text together, or neither")
        return self


class HttpCall:
    """Call an endpoint once, with an idempotency key."""

    name = "http_call"
    floor = 0.4
    idempotent = False  # nobody knows what the service does with the same key twice
    kinds = (ENDPOINT,)
    parameters = HttpParameters

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        pinned = parameters.model_dump(exclude_defaults=True)
        pinned["method"] = parameters.model_dump()["method"]
        http = actors.need_http()
        await http.check(pinned["method"], pinned["url"])
        if pinned.get("undo_url"):
            await http.check(pinned.get("undo_method", "POST"), pinned["undo_url"])
        now = await _look(actors, pinned)
        if now == DONE:
            raise ActionRefusedError(
                f"{pinned['probe_url']!r} answers {pinned['probe_text']!r} already; nothing to do"
            )
        fields, facts = _fields(pinned, now), {"state": now}
        urls = [pinned[name] for name in ("url", "undo_url") if pinned.get(name)]
        effects = await of_addresses(actors, target, *urls)
        return TargetState(target, pinned, fields, fingerprint_of(fields), facts, effects)

    def preview(self, state: TargetState) -> Preview:
        call = f"{state.parameters['method']} {state.parameters['url']}"
        before = state.facts["state"]
        diff = (DiffLine(str(state.parameters["probe_text"]), before, DONE),) if before else ()
        return Preview(f"Call {call}", diff, (dict(state.fields),), (state.target,))

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await actors.need_http().check(bound.parameters["method"], bound.parameters["url"])
        await self._compare(actors, bound)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        await self._compare(actors, bound)
        asked = bound.parameters
        reply = await actors.need_http().call(
            asked["method"], asked["url"], _parsed(asked.get("body", "")), key
        )
        if await _look_after(actors, asked) == NOT_DONE:
            raise OutcomeUnknownError(
                f"{asked['url']!r} answered {reply.status}, but {asked['probe_url']!r} does not "
                f"say {asked['probe_text']!r}; ask the service what it did"
            )
        return ActionResult(
            f"{asked['url']} answered {reply.status}",
            bound.target,
            bound.fingerprint,
            {"status": reply.status, "text": shortened(reply.text, 500)},
        )

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        asked = state.parameters
        if not asked.get("undo_url"):
            return None
        back = {
            "url": asked["undo_url"],
            "method": asked.get("undo_method", "POST"),
            "body": asked.get("undo_body", ""),
        }
        summary = f"Call {back['method']} {back['url']}"
        return UndoSpec(self.name, state.target, back, summary)

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        """Look where the playbook says; without a place to look only the service knows."""
        now = await _look(actors, bound.parameters)
        return {DONE: Probe.DONE, NOT_DONE: Probe.NOT_DONE}.get(now, Probe.UNKNOWN)

    async def _compare(self, actors: Actors, bound: Bound) -> None:
        now = await _look(actors, bound.parameters)
        if fingerprint_of(_fields(bound.parameters, now)) != bound.fingerprint:
            raise LostRaceError(
                f"the call to {bound.parameters['url']!r} is not the one that was approved, or it "
                "has been made meanwhile; propose the plan again"
            )


def _fields(asked: Mapping[str, Any], now: str) -> dict[str, Any]:
    fields = {"method": asked["method"], "url": asked["url"], "body": asked.get("body", "")}
    return {**fields, "state": now} if now else fields


async def _look(actors: Actors, asked: Mapping[str, Any]) -> str:
    """Return whether the call has taken effect, empty when nobody says where to look."""
    if not asked.get("probe_url"):
        return ""
    reply = await actors.need_http().call("GET", asked["probe_url"], None, "")
    return DONE if asked["probe_text"] in reply.text else NOT_DONE


async def _look_after(actors: Actors, asked: Mapping[str, Any]) -> str:
    try:
        return await _look(actors, asked)
    except BackendError as error:
        raise OutcomeUnknownError(
            f"{asked['url']!r} accepted the call, but {asked['probe_url']!r} cannot be read: "
            f"{error}"
        ) from error
