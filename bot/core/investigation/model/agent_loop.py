"""The agent loop: model turn, tool calls side by side, again, until it answers.

    messages ──> model.turn ──> text ──> released sentence by sentence
        ^             └──────> tool calls ──> all at once ──> one user message of results
        └────────────────────────────────────────────┘

The loop holds no power: tools read or propose. It ends by itself, by budget or by a stop. An answer
may come with a closing call (what it concludes, for programs): it costs no further request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import prompts
from bot.core.investigation.model.conversation import without_blanks
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
MOST_PER_TOKEN = 20  # characters; a model that writes on past its tokens is none of ours
MOST_CALLS = 64  # of one turn, side by side; twenty are much
COMPLETE = frozenset({"tool_use", "end_turn", "stop_sequence"})  # then calls have all arguments

CallTool = Callable[[ToolUse], Awaitable[tuple[str, bool]]]  # (text, failed)


class RunStoppedError(Exception):
    """A person pressed Stop."""


@dataclass(slots=True)
class Talk:
    """One conversation with the model while it runs. `messages` and `spent` grow."""

    system: str
    messages: list[dict[str, Any]]
    tools: Sequence[Tool]
    budget: Budget
    max_tokens: int = MAX_OUTPUT_TOKENS
    spent: Usage = field(default_factory=Usage)  # so far, also when the talk fails


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the loop calls. `call_tool` never raises for a failed tool: it returns the error."""

    say: Callable[[str], Awaitable[None]]
    call_tool: CallTool
    stopped: Callable[[], Awaitable[bool]]
    closing: frozenset[str] = frozenset()  # tools that end the talk when they come with a text


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
    """Run the loop. Raises ModelUnavailableError when Claude is not to be had, refuses or is mute.

    What `talk.messages` holds then is no whole exchange.
    """
    started = clock.monotonic()
    while True:
        if await hooks.stopped():
            raise RunStoppedError
        spent = replace(talk.spent, seconds=clock.monotonic() - started)
        over = over_budget(spent, talk.budget)
        if over:
            _add_to_last_user_message(talk.messages, prompts.render("last_step", reason=over))
        response = await _one_turn(model, talk, hooks, allow_tools=not over)
        if response.end is not None:
            talk.spent = _add(talk.spent, response.end)
        end = _judged(response)
        content, cut = without_blanks(end.content), _why_cut(end.stop_reason, talk)
        closes = await _close(response, end, hooks)
        if response.uses and not (over or closes):
            if end.stop_reason in COMPLETE:
                _say_as_assistant(talk.messages, content)
                results = await _results(response.uses, hooks)
                talk.messages.append({"role": "user", "content": results})
            else:
                _note_cut(talk.messages, content, cut)
            continue
        content = [block for block in content if block["type"] != "tool_use"]
        if not any(block["type"] == "text" for block in content):
            raise ModelUnavailableError(f"Claude gave no answer ({cut or end.stop_reason})")
        _say_as_assistant(talk.messages, content)
        if end.stop_reason == "pause_turn" and not over:
            continue
        seconds = clock.monotonic() - started
        usage = replace(talk.spent, seconds=seconds)
        return TalkOutcome(response.text, usage, end.model, cut or over)


async def _close(response: _Response, end: TurnEnd, hooks: Hooks) -> bool:
    """Make the closing calls of a turn that holds the answer; say whether it was one.

    One that fails is not asked for again: the answer was read by people already.
    """
    closing = bool(response.uses) and all(use.name in hooks.closing for use in response.uses)
    if not (closing and response.text.strip() and end.stop_reason in COMPLETE):
        return False
    await asyncio.gather(*map(hooks.call_tool, response.uses))
    return True


def _judged(response: _Response) -> TurnEnd:
    """Return how a turn ended. Raises ModelUnavailableError when it is not one."""
    if response.end is None:
        raise ModelUnavailableError("Claude's answer ended before it was complete")
    if response.end.stop_reason == "refusal":
        raise ModelUnavailableError("Claude declined to answer this question")
    return response.end


def _why_cut(stop_reason: str, talk: Talk) -> str:
    """Return why a turn ended before the model had said everything; empty when it had."""
    if stop_reason in COMPLETE or stop_reason == "pause_turn":
        return ""
    known = {
        "max_tokens": f"the answer was longer than {talk.max_tokens} tokens",
        "model_context_window_exceeded": "the conversation no longer fits the model",
    }
    return known.get(stop_reason, f"it ended for a reason we do not know, {stop_reason!r}")


def _note_cut(messages: list[dict[str, Any]], content: list[dict[str, Any]], why: str) -> None:
    """Let the model go on after a reply whose tool calls may be halves: they are not run."""
    kept = [block for block in content if block["type"] != "tool_use"]
    if any(block["type"] == "text" for block in kept):
        _say_as_assistant(messages, kept)
    _add_to_last_user_message(messages, prompts.render("cut_off", reason=why))


async def _one_turn(model: Model, talk: Talk, hooks: Hooks, *, allow_tools: bool) -> _Response:
    response = _Response()
    request = ModelRequest(talk.system, talk.messages, talk.tools, talk.max_tokens, allow_tools)
    most = talk.max_tokens * MOST_PER_TOKEN
    try:
        async with asyncio.timeout(talk.budget.seconds):
            async for event in model.turn(request):
                match event:
                    case TextDelta(text):
                        response.text += text
                        if len(response.text) > most:
                            raise ModelUnavailableError(f"Claude's answer is over {most} letters")
                        await hooks.say(text)
                    case ToolUse():
                        response.uses.append(event)
                    case TurnEnd():
                        response.end = event
    except TimeoutError as error:
        why = f"Claude's answer did not end within {talk.budget.seconds:.0f} seconds"
        raise ModelUnavailableError(why) from error
    return response


async def _results(uses: Sequence[ToolUse], hooks: Hooks) -> list[dict[str, Any]]:
    """Run every call side by side and return all results for one user message."""
    answers = list(await asyncio.gather(*map(hooks.call_tool, uses[:MOST_CALLS])))
    late = f"not done: at most {MOST_CALLS} calls at once; ask again for what is still needed"
    answers += [(late, True)] * (len(uses) - len(answers))
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


def _say_as_assistant(messages: list[dict[str, Any]], content: list[dict[str, Any]]) -> None:
    """Append what the model said; after a pause it goes on in the message that it began."""
    last = messages[-1]
    if last["role"] == "assistant":
        messages[-1] = {"role": "assistant", "content": [*last["content"], *content]}
    else:
        messages.append({"role": "assistant", "content": content})


def _add_to_last_user_message(messages: list[dict[str, Any]], text: str) -> None:
    """Append a text block to the last message, which is the user's (results or the question)."""
    last = messages[-1]
    if last["role"] != "user":
        messages.append({"role": "user", "content": [{"type": "text", "text": text}]})
        return
    content = last["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    messages[-1] = {"role": "user", "content": [*blocks, {"type": "text", "text": text}]}
