"""The agent loop: model turn, tool calls side by side, again, until it answers.

    messages ──> model.turn ──> text ──> released sentence by sentence
        ^             └──────> tool calls ──> all at once ──> one user message of results
        └────────────────────────────────────────────┘

The loop holds no power: tools read or propose. It ends by itself, by budget or by a stop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import prompts
from bot.core.ports import (
    Budget,
    Clock,
    Model,
    ModelRequest,
    ModelUnavailableError,
    TextDelta,
    ToolUse,
    TurnEnd,
)
from bot.domain.answer import Usage
from tools.contract import Tool

MAX_OUTPUT_TOKENS = 4096  # of one turn; an answer of five bullets needs a tenth of it


CallTool = Callable[[ToolUse], Awaitable[tuple[str, bool]]]  # (text, failed)


class RunStoppedError(Exception):
    """A person pressed Stop."""


@dataclass(slots=True)
class Talk:
    """One conversation with the model while it runs. `messages` grows; nothing else changes."""

    system: str
    messages: list[dict[str, Any]]
    tools: Sequence[Tool]
    budget: Budget
    max_tokens: int = MAX_OUTPUT_TOKENS


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the loop calls. `call_tool` never raises for a failed tool: it returns the error."""

    say: Callable[[str], Awaitable[None]]
    call_tool: CallTool
    stopped: Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class TalkOutcome:
    """How a talk ended. `text` is the last turn's prose, `cut` why it ended early, if it did."""

    text: str
    usage: Usage
    model: str
    cut: str = ""


@dataclass(slots=True)
class _Response:
    """What the model brought in one turn."""

    text: str = ""
    uses: list[ToolUse] = field(default_factory=list)
    end: TurnEnd | None = None


async def converse(model: Model, talk: Talk, hooks: Hooks, clock: Clock) -> TalkOutcome:
    """Run the loop. Raises ModelUnavailableError when Claude is not to be had or refuses."""
    started = clock.monotonic()
    usage = Usage()
    while True:
        if await hooks.stopped():
            raise RunStoppedError
        spent = replace(usage, seconds=clock.monotonic() - started)
        cut = over_budget(spent, talk.budget)
        if cut:
            _add_to_last_user_message(talk.messages, prompts.render("last_step", reason=cut))
        response = await _one_turn(model, talk, hooks, allow_tools=not cut)
        end = response.end
        if end is None:
            raise ModelUnavailableError("Claude's answer ended before it was complete")
        usage = _add(usage, end)
        if end.stop_reason == "refusal":
            raise ModelUnavailableError("Claude declined to answer this question")
        talk.messages.append({"role": "assistant", "content": list(end.content)})
        if end.stop_reason == "pause_turn":
            continue
        if not response.uses or cut:
            limits = {
                "max_tokens": f"the answer was longer than {talk.max_tokens} tokens",
                "model_context_window_exceeded": "the conversation no longer fits the model",
            }
            seconds = clock.monotonic() - started
            why = limits.get(end.stop_reason, cut)
            return TalkOutcome(response.text, replace(usage, seconds=seconds), end.model, why)
        talk.messages.append({"role": "user", "content": await _results(response.uses, hooks)})


async def _one_turn(model: Model, talk: Talk, hooks: Hooks, *, allow_tools: bool) -> _Response:
    response = _Response()
    request = ModelRequest(talk.system, talk.messages, talk.tools, talk.max_tokens, allow_tools)
    async for event in model.turn(request):
        match event:
            case TextDelta(text):
                response.text += text
                await hooks.say(text)
            case ToolUse():
                response.uses.append(event)
            case TurnEnd():
                response.end = event
    return response


async def _results(uses: Sequence[ToolUse], hooks: Hooks) -> list[dict[str, Any]]:
    """Run every call side by side and return all results for one user message."""
    answers = await asyncio.gather(*(hooks.call_tool(use) for use in uses))
    return [
        {
            "type": "tool_result",
            "tool_use_id": use.id,
            "content": [{"type": "text", "text": text}],
            **({"is_error": True} if failed else {}),
        }
        for use, (text, failed) in zip(uses, answers, strict=True)
    ]


def over_budget(spent: Usage, budget: Budget) -> str:
    """Return which limit is used up, as a person reads it; empty when there is room."""
    tokens = spent.input_tokens + spent.output_tokens
    if spent.steps >= budget.max_steps - 1:
        return f"{budget.max_steps} steps"
    if tokens >= budget.max_tokens:
        return f"{budget.max_tokens} tokens"
    if spent.seconds >= budget.seconds:
        return f"{budget.seconds:.0f} seconds"
    limit = budget.usd_micros_per_turn
    if limit is not None and spent.usd_micros >= limit:
        return f"${limit / 1e6:.2f}"
    return ""


def _add(usage: Usage, end: TurnEnd) -> Usage:
    return Usage(
        steps=usage.steps + 1,
        input_tokens=usage.input_tokens + end.input_tokens,
        output_tokens=usage.output_tokens + end.output_tokens,
        cached_tokens=usage.cached_tokens + end.cached_tokens,
        usd_micros=usage.usd_micros + end.usd_micros,
    )


def _add_to_last_user_message(messages: list[dict[str, Any]], text: str) -> None:
    """Append a text block to the last message, which is the user's (results or the question)."""
    last = messages[-1]
    if last["role"] != "user":
        messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
        return
    content = last["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    messages[-1] = {"role": "user", "content": [*blocks, {"type": "text", "text": text}]}
