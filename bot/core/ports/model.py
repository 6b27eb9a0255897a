"""The language model: one request, one streamed turn.

turn(request) --> TextDelta | ToolUse … --> exactly one TurnEnd
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class ModelUnavailableError(Exception):
    """Claude is not configured, unreachable, overloaded or out of quota; fall back."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of prose."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One complete tool call the model asks for."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """The end of one model turn. `content` is plain JSON, kept verbatim (thinking included)."""

    stop_reason: str
    content: Sequence[Mapping[str, Any]]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    usd_micros: int
    model: str


ModelEvent = TextDelta | ToolUse | TurnEnd


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to the model."""

    system: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any]  # tools.contract.Tool
    max_tokens: int
    allow_tools: bool = True  # False on the last step: answer now


class Model(Protocol):
    """A tool-calling language model."""

    name: str

    def turn(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream one turn; ends with exactly one TurnEnd. Raises ModelUnavailableError."""
        ...
