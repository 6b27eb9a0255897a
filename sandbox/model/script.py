"""What the scripted model says: turns, made of blocks, and faults on demand.

Turn([thinking("…"), tool_use("query_metric", {...}), tool_use("list_events", {...})])
Turn([text("The deploy did it [E2].")])
lambda request: Turn([text(f"You sent {len(request['messages'])} messages")])
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
FAULT_KINDS = (
    "rate_limit",  # 429 with retry-after
    "overloaded",  # 529
    "api_error",  # 500
    "cut",  # the connection ends in the middle of the stream
    "stream_error",  # an `error` event in the middle of the stream
)


@dataclass(frozen=True)
class Turn:
    """One answer of the model."""

    blocks: list[Json]
    stop_reason: str | None = None  # None: "tool_use" if a tool is called, else "end_turn"
    stop_sequence: str | None = None
    cache_read_tokens: int = 0

    @property
    def ends_with(self) -> str:
        """The stop reason sent."""
        if self.stop_reason is not None:
            return self.stop_reason
        called = any(block["type"] == "tool_use" for block in self.blocks)
        return "tool_use" if called else "end_turn"


@dataclass
class Fault:
    """Something that goes wrong with the next requests."""

    kind: str  # one of FAULT_KINDS
    times: int = 1  # requests still to be hit
    retry_after: float | None = None  # seconds, sent as a header
    after_events: int = field(default=4)  # stream events sent before a cut or a stream error


SpokenTurn = Turn | list[Json] | Callable[[Json], "Turn | list[Json]"]


def text(words: str) -> Json:
    """A text block."""
    return {"type": "text", "text": words}


def thinking(thought: str) -> Json:
    """A thinking block; the server signs it."""
    return {"type": "thinking", "thinking": thought}


def tool_use(name: str, arguments: Json, call_id: str | None = None) -> Json:
    """A tool call; the server gives it an id unless one is given."""
    called: Json = {"type": "tool_use", "name": name, "input": arguments}
    return called | ({"id": call_id} if call_id else {})


def garbled_tool_use(name: str, written: str) -> Json:
    """A tool call whose arguments are streamed as they are written here, JSON or not."""
    return {"type": "tool_use", "name": name, "input": {}, "written": written}


def spoken(turn: SpokenTurn, request: Json) -> Turn:
    """The turn itself, worked out from the request if it is a function."""
    made = turn if isinstance(turn, Turn | list) else turn(request)
    return made if isinstance(made, Turn) else Turn(made)
