"""What of a thread the model is told again: whole exchanges, valid as the Messages API wants them.

    question ─ (tool calls ─ their results)* ─ answer      one exchange, kept or left out whole

A request is refused when a tool call lacks its result, a result its call, or a message its
content, and a thread that holds such a message would never be answered again. So nothing is kept,
and nothing sent, that is not whole; the newest exchanges that fit are told.

Thinking is told again only within the exchange it belongs to. Its signature holds for the model,
and with newer models for the very prompt, that it was written under; both change between questions,
and one signature that does not hold refuses the request. Of past answers the API needs none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools import tokens

MOST_TOKENS = 40_000  # of what was said before; the newest exchanges count
THINKING = frozenset({"thinking", "redacted_thinking"})
Message = Mapping[str, Any]


def told_again(stored: Sequence[Message], most_tokens: int = MOST_TOKENS) -> list[dict[str, Any]]:
    """Return the newest whole exchanges of a thread, oldest first, within a number of tokens."""
    chosen: list[list[dict[str, Any]]] = []
    left = most_tokens
    for found in reversed([*_exchanges(stored)]):
        exchange = [_without_thinking(message) for message in found]
        if not is_whole(exchange):
            continue
        left -= tokens.estimate(json.dumps(exchange, ensure_ascii=False))
        if left < 0:
            break
        chosen.append(exchange)
    return [message for exchange in reversed(chosen) for message in exchange]


def is_whole(exchange: Sequence[Message]) -> bool:
    """Say whether messages are a question, calls with their results, and an answer in words."""
    expected, calls, seen = "user", list[str](), set[str]()
    for message in exchange:
        blocks = _blocks(message)
        foreign = "tool_use" if message["role"] == "user" else "tool_result"
        if any(block["type"] == foreign for block in blocks):
            return False
        results = sorted(b["tool_use_id"] for b in blocks if b["type"] == "tool_result")
        if message["role"] != expected or not blocks or results != calls:
            return False
        calls = sorted(block["id"] for block in blocks if block["type"] == "tool_use")
        if len({*calls}) < len(calls) or not seen.isdisjoint(calls):
            return False
        seen.update(calls)
        expected = "assistant" if expected == "user" else "user"
    last = _blocks(exchange[-1]) if exchange else []
    answered = any(block["type"] == "text" for block in last)
    return expected == "user" and not calls and answered


def without_blanks(content: Sequence[Message]) -> list[dict[str, Any]]:
    """Return blocks without texts that say nothing: the API refuses an empty one."""
    return [
        dict(block)
        for block in content
        if block["type"] != "text" or str(block.get("text", "")).strip()
    ]


def _without_thinking(message: Message) -> dict[str, Any]:
    content = [block for block in message["content"] if block["type"] not in THINKING]
    return {"role": message["role"], "content": content}


def _exchanges(stored: Sequence[Message]) -> Iterator[list[dict[str, Any]]]:
    """Part a thread where somebody asks: a user's message that answers no tool call."""
    exchange: list[dict[str, Any]] = []
    for message in stored:
        blocks = _blocks(message)
        asks = message["role"] == "user" and all(b["type"] != "tool_result" for b in blocks)
        if asks and exchange:
            yield exchange
            exchange = []
        exchange.append({"role": message["role"], "content": blocks})
    if exchange:
        yield exchange


def _blocks(message: Message) -> list[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return without_blanks(content)
