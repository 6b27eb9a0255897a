"""The scripted model's server: the Messages API over HTTP on loopback.

    POST /v1/messages               streamed or whole
    POST /v1/messages/count_tokens
    GET  /v1/models/MODEL

Every request body is kept as it came (`requests`, `raw_requests`), so that tests can search it.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sandbox.model.protocol import (
    API_VERSION,
    ApiError,
    Json,
    check_request,
    invalid,
    tokens,
)
from sandbox.model.rules import answer
from sandbox.model.script import FAULT_KINDS, Fault, SpokenTurn, Turn, spoken
from sandbox.model.stream import encoded, events, finished_blocks, message, shortened

OneTurn = Turn | Callable[[Json], Turn | list[Json]]
MAX_BODY_BYTES = 32 * 1024 * 1024  # the API's own limit
_STATUS_FAULTS = {
    "rate_limit": ApiError(429, "rate_limit_error", "This request would exceed your rate limit"),
    "overloaded": ApiError(529, "overloaded_error", "Overloaded"),
    "api_error": ApiError(500, "api_error", "Internal server error"),
}


@dataclass
class ModelServer:
    """A running scripted model."""

    url: str = ""
    requests: list[Json] = field(default_factory=list)  # bodies of POST /v1/messages, in order
    raw_requests: list[bytes] = field(default_factory=list)  # the same, byte for byte
    _turns: deque[SpokenTurn] = field(default_factory=deque)
    _faults: deque[Fault] = field(default_factory=deque)
    _thoughtful: set[str] = field(default_factory=set)  # tool calls that came with thinking
    _bound: dict[str, str] = field(default_factory=dict)  # signature → the prompt it holds for
    _calls: int = 0
    _number: int = 0
    _runner: web.AppRunner | None = None

    def push(self, turns: Iterable[SpokenTurn] | OneTurn) -> None:
        """Queue one turn or several; when none is left the rule-based model answers."""
        if callable(turns) or isinstance(turns, Turn):
            self._turns.append(turns)
        else:
            self._turns.extend(turns)

    def fail(
        self,
        kind: str,
        *,
        times: int = 1,
        retry_after: float | None = None,
        after_events: int = 4,
    ) -> None:
        """Let the next `times` requests fail in this way."""
        if kind not in FAULT_KINDS:
            msg = f"no fault {kind!r}; there are {', '.join(FAULT_KINDS)}"
            raise ValueError(msg)
        self._faults.append(Fault(kind, times, retry_after, after_events))

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/v1/messages", self._messages)
        app.router.add_post("/v1/messages/count_tokens", self._count)
        app.router.add_get("/v1/models/{model}", self._model)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner
        self.url = f"http://{host}:{runner.addresses[0][1]}"

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        self._number += 1
        request_id = f"req_sandbox{self._number:06d}"
        try:
            return await self._answer(request, request_id)
        except ApiError as error:
            return _refusal(error, request_id)

    async def _answer(self, request: web.Request, request_id: str) -> web.StreamResponse:
        _authenticate(request)
        raw = await request.read()
        body = _decoded(raw)
        self.raw_requests.append(raw)
        if isinstance(body, dict):
            self.requests.append(body)
        fault = self._next_fault()
        if fault is not None and fault.kind in _STATUS_FAULTS:
            return _refusal(_STATUS_FAULTS[fault.kind], request_id, fault.retry_after)
        checked = check_request(body)
        self._check_thinking_bound(checked)
        self._check_thinking_kept(checked)
        turn = spoken(self._turns.popleft() if self._turns else answer, checked)
        blocks = finished_blocks(turn, self._calls)
        blocks, cut = shortened(blocks, checked["max_tokens"])
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        self._calls += len(calls)
        if any(block["type"] == "thinking" for block in blocks):
            self._thoughtful.update(calls)
        self._bound |= {s: _prompt(checked) for s in _signatures(blocks)}
        reason = "max_tokens" if cut else turn.ends_with
        whole = message(checked, turn, blocks, self._number, reason)
        headers = {"request-id": request_id}
        if not checked.get("stream"):
            return web.json_response(whole, headers=headers)
        return await _stream(request, whole, fault, headers)

    def _next_fault(self) -> Fault | None:
        if not self._faults:
            return None
        fault = self._faults[0]
        fault.times -= 1
        if fault.times <= 0:
            self._faults.popleft()
        return fault

    def _check_thinking_bound(self, body: Json) -> None:
        """A thought holds only for the model and system prompt that it was written under."""
        for i, entry in enumerate(body["messages"]):
            for signature in _signatures(entry["content"]):
                if self._bound.get(signature, _prompt(body)) != _prompt(body):
                    raise invalid(
                        f"messages.{i}.content: Invalid `signature` in `thinking` block. The block"
                        " is bound to a different conversation. Remove the block"
                    )

    def _check_thinking_kept(self, body: Json) -> None:
        """In the turn at work, what was thought before a tool call comes back with it."""
        for i, entry in reversed([*enumerate(body["messages"])]):
            kinds = _kinds(entry["content"])
            if entry["role"] == "user" and "tool_result" not in kinds:
                return  # the question: what came before is over
            blocks = [] if isinstance(entry["content"], str) else entry["content"]
            calls = {block["id"] for block in blocks if block["type"] == "tool_use"}
            if calls & self._thoughtful and "thinking" not in kinds:
                text = (
                    f"messages.{i}.content.0.type: Expected `thinking`, but found {kinds[0]!r}."
                    " Pass the thinking blocks of a turn that calls tools back unchanged"
                )
                raise invalid(text)

    async def _count(self, request: web.Request) -> web.Response:
        try:
            _authenticate(request)
            body = check_request(_decoded(await request.read()), counting=True)
        except ApiError as error:
            return _refusal(error, "req_sandbox_count")
        counted = tokens([body.get("system"), body.get("tools"), body["messages"]])
        return web.json_response({"input_tokens": counted})

    async def _model(self, request: web.Request) -> web.Response:
        try:
            _authenticate(request)
        except ApiError as error:
            return _refusal(error, "req_sandbox_model")
        name = request.match_info["model"]
        return web.json_response({
            "type": "model", "id": name, "display_name": f"Sandbox ({name})",
            "created_at": "2026-01-01T00:00:00Z",
        })  # fmt: skip


async def start_model(
    host: str, port: int, script: Iterable[SpokenTurn] | OneTurn | None = None
) -> ModelServer:
    """Start a scripted model; without a script the rule-based one answers."""
    server = ModelServer()
    if script is not None:
        server.push(script)
    await server.open(host, port)
    return server


def _authenticate(request: web.Request) -> None:
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip() or key.strip() == "wrong-key":
        message_text = "invalid bearer token: send the API key as 'Authorization: Bearer KEY'"
        raise ApiError(401, "authentication_error", message_text)
    version = request.headers.get("anthropic-version")
    if version != API_VERSION:
        text = f"anthropic-version: {version!r} is not supported; use {API_VERSION!r}"
        raise invalid(text)


def _decoded(raw: bytes) -> object:
    try:
        body: object = json.loads(raw)
    except ValueError as error:
        text = f"the body is not valid JSON: {error}"
        raise invalid(text) from None
    return body


def _refusal(error: ApiError, request_id: str, retry_after: float | None = None) -> web.Response:
    headers = {"request-id": request_id}
    if retry_after is not None:
        headers["retry-after"] = f"{retry_after:g}"
    return web.json_response(error.body(request_id), status=error.code, headers=headers)


async def _stream(
    request: web.Request, whole: Json, fault: Fault | None, headers: dict[str, str]
) -> web.StreamResponse:
    response = web.StreamResponse(headers=headers | {"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for sent, event in enumerate(events(whole)):
        if fault is not None and sent >= fault.after_events:
            if fault.kind == "stream_error":
                detail = {"type": "overloaded_error", "message": "Overloaded"}
                await response.write(encoded({"type": "error", "error": detail}))
            elif request.transport is not None:
                request.transport.abort()
            return response
        await response.write(encoded(event))
    return response


def _kinds(content: Any) -> list[str]:
    return ["text"] if isinstance(content, str) else [block["type"] for block in content]


def _signatures(content: Any) -> list[str]:
    blocks = [] if isinstance(content, str) else content
    return [block["signature"] for block in blocks if block["type"] == "thinking"]


def _prompt(body: Json) -> str:
    return json.dumps([body["model"], body.get("system", "")], sort_keys=True)
