"""What the Messages API checks before a model sees a request, and its error shapes.

A wrong request is answered 400 `invalid_request_error` with the path of the first wrong value.
Roles alternate, tool calls are answered in the very next message, thinking comes back unchanged.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
API_VERSION = "2026-10-21"
KNOWN_KEYS = frozenset({
    "model", "messages", "max_tokens", "system", "tools", "tool_choice", "stream", "thinking",
    "stop_sequences", "metadata", "service_tier", "output_config", "cache_control", "container",
    "diagnostics", "inference_geo", "speed", "prefill",
})  # fmt: skip
SAMPLING_KEYS = ("temperature", "top_p", "top_k")
TOOL_KEYS = frozenset({
    "name", "description", "input_schema", "strict", "cache_control", "defer_loading", "type",
    "input_examples", "eager_input_streaming", "allowed_callers",
})  # fmt: skip
BLOCK_TYPES = {
    "user": ("text", "image", "document", "tool_result", "search_result"),
    "assistant": ("text", "tool_use", "thinking", "redacted_thinking"),
}
TOOL_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
MAX_CACHE_BREAKPOINTS = 4
CHARACTERS_PER_TOKEN = 4


@dataclass
class ApiError(Exception):
    """One refusal."""

    code: int  # HTTP status
    type: str  # e.g. invalid_request_error
    message: str

    def body(self, request_id: str) -> Json:
        """The error object sent to the client."""
        detail = {"type": self.type, "message": self.message}
        return {"type": "error", "error": detail, "request_id": request_id}


def invalid(message: str) -> ApiError:
    """400 invalid_request_error."""
    return ApiError(400, "invalid_request_error", message)


def require(holds: object, path: str, message: str) -> None:
    """Refuse the request unless the condition holds."""
    if not holds:
        text = f"{path}: {message}"
        raise invalid(text)


def sign(thought: str) -> str:
    """The signature of a thinking block: only this server's own thoughts carry it."""
    return "Sbx" + hashlib.sha256(f"sandbox-model:{thought}".encode()).hexdigest()


def tokens(value: Any) -> int:
    """Rough token count, the same for the same content."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return max(1, len(text) // CHARACTERS_PER_TOKEN)


def check_request(body: Any, *, counting: bool = False) -> Json:
    """Validate a request body and return it; ApiError 400 names the first wrong value."""
    if not isinstance(body, dict):
        message = "the body must be a JSON object"
        raise invalid(message)
    for key in SAMPLING_KEYS:
        require(key not in body, key, "sampling parameters are not supported; remove it")
    for key in body:
        require(key in KNOWN_KEYS, key, "Extra inputs are not permitted")
    model = body.get("model")
    require(isinstance(model, str) and model, "model", "Field required")
    if not counting:
        limit = body.get("max_tokens")
        fits = isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
        require(fits, "max_tokens", "Field required: a whole number greater than 0")
    tools = _check_tools(body.get("tools") or [])
    _check_choice(body.get("tool_choice"), tools)
    _check_thinking(body)
    _check_system(body.get("system"))
    _check_messages(body.get("messages"))
    marks = json.dumps([body.get("system"), body.get("tools"), body["messages"]]).count(
        '"cache_control": {'
    )
    require(
        marks <= MAX_CACHE_BREAKPOINTS,
        "cache_control",
        f"A maximum of {MAX_CACHE_BREAKPOINTS} blocks with cache_control may be provided,"
        f" found {marks}",
    )
    return body


def _check_tools(tools: Any) -> set[str]:
    require(isinstance(tools, list), "tools", "Input should be a valid list")
    names: set[str] = set()
    for i, tool in enumerate(tools):
        where = f"tools.{i}"
        require(isinstance(tool, dict), where, "Input should be an object")
        if tool.get("type", "custom") != "custom":
            names.add(str(tool.get("name", "")))  # a server tool: its schema is not the client's
            continue
        for key in tool:
            require(key in TOOL_KEYS, f"{where}.custom.{key}", "Extra inputs are not permitted")
        name = tool.get("name")
        fits = isinstance(name, str) and TOOL_NAME.match(name)
        pattern = f"String should match '{TOOL_NAME.pattern}': {name!r}"
        require(fits, f"{where}.custom.name", pattern)
        require(name not in names, "tools", f"Tool names must be unique: {name!r}")
        names.add(str(name))
        described = tool.get("description", "")
        require(isinstance(described, str), f"{where}.custom.description", "must be a string")
        _check_schema(tool.get("input_schema"), f"{where}.custom.input_schema", tool.get("strict"))
    return names


def _check_schema(schema: Any, where: str, strict: Any) -> None:
    require(isinstance(schema, dict), where, "Field required")
    require(schema.get("type") == "object", f"{where}.type", "Input should be 'object'")
    properties = schema.get("properties", {})
    require(isinstance(properties, dict), f"{where}.properties", "must be an object")
    required = schema.get("required", [])
    require(isinstance(required, list), f"{where}.required", "must be a list")
    for name in required:
        require(name in properties, f"{where}.required", f"{name!r} is not among the properties")
    for name, kind in properties.items():
        require(isinstance(kind, dict), f"{where}.properties.{name}", "must be a schema object")
    if strict:
        closed = schema.get("additionalProperties") is False
        require(closed, where, "'additionalProperties' must be false when strict is set")


def _check_choice(choice: Any, tools: set[str]) -> None:
    if choice is None:
        return
    kind = choice.get("type") if isinstance(choice, dict) else None
    known = ("auto", "any", "tool", "none")
    require(kind in known, "tool_choice.type", f"must be one of {', '.join(known)}: {kind!r}")
    require(tools, "tool_choice", "may only be specified while providing tools")
    if kind == "tool":
        name = choice.get("name")
        require(name in tools, "tool_choice.name", f"Tool {name!r} not found in provided tools")


def _check_thinking(body: Json) -> None:
    wanted = body.get("thinking")
    if wanted is None:
        return
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    known = ("adaptive", "enabled", "between_tools", "disabled")
    require(kind in known, "thinking.type", f"must be one of {', '.join(known)}: {kind!r}")
    if kind == "enabled":
        budget = wanted.get("budget_tokens")
        require(
            isinstance(budget, int) and budget >= 1024,  # the API's own minimum
            "thinking.enabled.budget_tokens",
            "Input should be greater than or equal to 1024",
        )
        fits = budget < body.get("max_tokens", budget + 1)
        require(fits, "max_tokens", "must be greater than `thinking.budget_tokens`")


def _check_system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    require(isinstance(system, list), "system", "Input should be a string or a list of blocks")
    for i, block in enumerate(system):
        fits = isinstance(block, dict) and block.get("type") == "text" and block.get("text")
        require(fits, f"system.{i}", "must be a text block that is not empty")


def _check_messages(messages: Any) -> None:
    require(isinstance(messages, list) and messages, "messages", "at least one message is required")
    seen: set[str] = set()
    pending: list[str] = []
    expected = "user"
    for i, message in enumerate(messages):
        where = f"messages.{i}"
        require(isinstance(message, dict), where, "Input should be an object")
        role = message.get("role")
        require(role in BLOCK_TYPES, f"{where}.role", f"must be 'user' or 'assistant': {role!r}")
        require(
            role == expected,
            where,
            f"roles must alternate between 'user' and 'assistant', found {role!r} where"
            f" {expected!r} belongs",
        )
        expected = "assistant" if role == "user" else "user"
        blocks = _blocks(message.get("content"), where)
        for j, block in enumerate(blocks):
            _check_block(block, str(role), f"{where}.content.{j}")
        if role == "user":
            _check_results(blocks, pending, i)
            pending = []
            continue
        pending = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for call in pending:
            require(call not in seen, f"{where}.content", f"`tool_use` ids must be unique: {call}")
            seen.add(call)
    if pending:
        _unanswered(pending, len(messages) - 1)


def _blocks(content: Any, where: str) -> list[Json]:
    if isinstance(content, str):
        require(content.strip(), where, "text content must be non-empty")
        return [{"type": "text", "text": content}]
    require(isinstance(content, list) and content, f"{where}.content", "must not be empty")
    found: list[Json] = content
    return found


def _check_block(block: Any, role: str, where: str) -> None:
    require(isinstance(block, dict), where, "Input should be an object")
    kind = block.get("type")
    known = BLOCK_TYPES[role]
    require(kind in known, f"{where}.type", f"{kind!r} is none of {', '.join(known)} ({role})")
    checks: dict[str, Callable[[Json, str], None]] = {
        "text": _check_text,
        "tool_use": _check_call,
        "thinking": _check_thought,
        "tool_result": _check_result,
    }
    if str(kind) in checks:
        checks[str(kind)](block, where)


def _check_text(block: Json, where: str) -> None:
    words = block.get("text")
    require(isinstance(words, str), f"{where}.text.text", "Field required")
    require(str(words).strip(), where, "text content blocks must be non-empty")


def _check_call(block: Json, where: str) -> None:
    for key, kind in (("id", str), ("name", str), ("input", dict)):
        require(isinstance(block.get(key), kind), f"{where}.tool_use.{key}", "Field required")
    extra = set(block) - {"type", "id", "name", "input", "cache_control", "caller"}
    for key in sorted(extra):
        require(key not in extra, f"{where}.tool_use.{key}", "Extra inputs are not permitted")


def _check_thought(block: Json, where: str) -> None:
    thought, signature = block.get("thinking"), block.get("signature")
    require(isinstance(thought, str), f"{where}.thinking.thinking", "Field required")
    require(isinstance(signature, str), f"{where}.thinking.signature", "Field required")
    require(
        signature == sign(str(thought)),
        where,
        "Invalid `signature` in `thinking` block: pass thinking blocks back exactly as received",
    )


def _check_result(block: Json, where: str) -> None:
    fits = isinstance(block.get("tool_use_id"), str)
    require(fits, f"{where}.tool_result.tool_use_id", "Field required")
    content = block.get("content", "")
    if isinstance(content, str):
        return
    require(isinstance(content, list), f"{where}.tool_result.content", "must be text or blocks")
    for k, part in enumerate(content):
        fits = isinstance(part, dict) and part.get("type") in {"text", "image", "document"}
        require(fits, f"{where}.tool_result.content.{k}", "must be a text, image or document block")


def _check_results(blocks: list[Json], pending: list[str], index: int) -> None:
    """Every call of the turn before is answered here, first thing, and nothing else is."""
    answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    for call in answered:
        require(
            call in pending,
            f"messages.{index}.content",
            f"unexpected `tool_use_id` found in `tool_result` blocks: {call}. Each `tool_result`"
            " block must have a corresponding `tool_use` block in the previous message",
        )
    twice = len(set(answered)) != len(answered)
    require(not twice, f"messages.{index}.content", "each tool_use must have a single result")
    missing = [call for call in pending if call not in answered]
    if missing:
        _unanswered(missing, index - 1)
    kinds = [block["type"] == "tool_result" for block in blocks]
    in_front = sorted(kinds, reverse=True) == kinds
    require(in_front, f"messages.{index}.content", "`tool_result` blocks must come first")


def _unanswered(calls: list[str], index: int) -> None:
    text = (
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately"
        f" after: {', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result`"
        " block in the next message"
    )
    raise invalid(text)
