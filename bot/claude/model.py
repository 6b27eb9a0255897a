"""Claude behind the Model port: one streamed turn of the Messages API.

    ModelRequest --messages.stream--> TextDelta … ToolUse … TurnEnd

The conversation lives in our store; the request is stateless. Content blocks are handed back as
plain JSON, thinking and signatures verbatim, because the API wants them returned unchanged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.claude.prices import usd_micros
from bot.core.ports import (
    ModelEvent,
    ModelRequest,
    ModelUnavailableError,
    TextDelta,
    ToolUse,
    TurnEnd,
)

if TYPE_CHECKING:
    import anthropic


_CACHED: Mapping[str, Any] = {"cache_control": {"type": "ephemeral"}}  # a prefix that comes again
_MARKABLE = frozenset({"text", "tool_use", "tool_result"})


@dataclass(frozen=True, slots=True)
class ClaudeConfig:
    """How Claude is reached. `timeout_seconds` bounds one request, `max_retries` its repeats."""

    api_key: str
    model: str = "claude-sonnet-5-5"
    base_url: str = ""  # empty: the SDK's own
    timeout_seconds: float = 90.0
    max_retries: int = 2


class Claude:
    """The Model port over `anthropic.AsyncAnthropic`."""

    def __init__(self, config: ClaudeConfig) -> None:
        """Keep the configuration; the SDK (1.5 s to import) is loaded at the first turn."""
        self.name = config.model
        self._config = config
        self._client: anthropic.AsyncAnthropic | None = None

    def _connected(self) -> anthropic.AsyncAnthropic:
        if self._client is None:
            import anthropic

            self._client = anthropic.AsyncAnthropic(
                api_key=self._config.api_key,
                base_url=self._config.base_url or None,
                timeout=self._config.timeout_seconds,
                max_retries=self._config.max_retries,
            )
        return self._client

    async def turn(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream one turn. Raises ModelUnavailableError, naming what Claude said."""
        client = self._connected()
        import anthropic
        import httpx2

        try:
            async with client.messages.stream(**self._parameters(request)) as stream:
                async for event in stream:
                    if event.type == "text":
                        yield TextDelta(event.text)
                message = await stream.get_final_message()
        except anthropic.APIStatusError as error:
            raise ModelUnavailableError(
                f"Claude answered {error.status_code} ({_error_type(error)})"
            ) from error
        except anthropic.APIError as error:
            raise ModelUnavailableError(f"Claude cannot be reached: {error.message}") from error
        except httpx2.HTTPError as error:  # in the middle of a stream the SDK does not wrap it
            raise ModelUnavailableError(f"Claude's answer broke off: {error}") from error
        except anthropic.AnthropicError as error:
            raise ModelUnavailableError(f"Claude cannot be used: {error}") from error
        except ValueError as error:  # the SDK reads a tool call's arguments while they come
            raise ModelUnavailableError(f"Claude's tool call is no JSON: {error}") from error
        for each in message.content:
            if each.type == "tool_use":
                _require_object(each.name, each.input)
        content = [b.model_dump(mode="json", exclude_none=True) for b in message.content]
        for block in content:
            block.pop("parsed_output", None)
            if block["type"] == "tool_use":
                yield ToolUse(block["id"], block["name"], block["input"])
        yield self._end(message, content)

    def _parameters(self, request: ModelRequest) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self._config.model,
            "max_tokens": request.max_tokens,
            "system": [{"type": "text", "text": request.system, **_CACHED}],
            "messages": _marked(request.messages),
            "thinking": {"type": "adaptive"},
        }
        if request.tools:
            tools = [_definition(tool) for tool in request.tools]
            parameters["tools"] = [*tools[:-1], {**tools[-1], **_CACHED}]
            parameters["tool_choice"] = {"type": "auto" if request.allow_tools else "none"}
        return parameters

    def _end(self, message: Any, content: Sequence[Mapping[str, Any]]) -> TurnEnd:
        usage = message.usage
        cached = usage.cache_read_input_tokens or 0
        written = usage.cache_creation_input_tokens or 0
        return TurnEnd(
            stop_reason=message.stop_reason or "end_turn",
            content=content,
            input_tokens=usage.input_tokens + cached + written,
            output_tokens=usage.output_tokens,
            cached_tokens=cached,
            usd_micros=usd_micros(
                message.model,
                fresh=usage.input_tokens,
                written=written,
                cached=cached,
                output=usage.output_tokens,
            ),
            model=message.model,
        )

    async def check(self) -> str:
        """Ask for something free of charge. Raises ModelUnavailableError."""
        client = self._connected()
        import anthropic

        try:
            await client.messages.count_tokens(
                model=self._config.model, messages=[{"role": "user", "content": "ping"}]
            )
        except anthropic.APIStatusError as error:
            raise ModelUnavailableError(
                f"Claude answered {error.status_code} ({_error_type(error)})"
            ) from error
        except anthropic.AnthropicError as error:
            raise ModelUnavailableError(f"Claude cannot be reached: {error}") from error
        return f"{self._config.model} answers"

    async def close(self) -> None:
        """Close the connection pool."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def _marked(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages with a cache mark at their end: the next request of the talk repeats them.

    Thinking takes no mark. The caller's messages stay as they are: a mark that is stored would
    stand in the middle of later requests, where only four are allowed.
    """
    found = [dict(each) for each in messages]
    content = found[-1]["content"] if found else ""
    if isinstance(content, str):
        if content:
            found[-1]["content"] = [{"type": "text", "text": content, **_CACHED}]
    elif content and content[-1]["type"] in _MARKABLE:
        found[-1]["content"] = [*content[:-1], {**content[-1], **_CACHED}]
    return found


def _require_object(tool: str, arguments: Any) -> None:
    """Refuse arguments that are JSON, but no object: the API would refuse to be told them again."""
    if not isinstance(arguments, dict):
        told = f"{tool} was given {arguments!r:.80}"
        raise ModelUnavailableError(f"Claude's tool call has no named arguments: {told}")


def _definition(tool: Any) -> dict[str, Any]:
    """Return a tool as the API wants it."""
    return {"name": tool.name, "description": tool.description, "input_schema": tool.schema()}


def _error_type(error: Any) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error")
    return str(inner.get("type", "error")) if isinstance(inner, dict) else "error"
