"""A message as text alone, for when Slack refuses its blocks: everything but its buttons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import MOST_FALLBACK, Block, cut, escape


def plain(rendered: Rendered, note: str) -> str:
    """Return a message's text and that of its blocks as mrkdwn, and a note that says why."""
    lines = [rendered.text, *(line for block in rendered.blocks for line in _said(block))]
    told = "\n".join(dict.fromkeys(line for line in lines if line))
    return f"{cut(told, MOST_FALLBACK - len(note) - 1)}\n{note}"


def _said(block: Block) -> Iterator[str]:
    """Yield what a block says; what a button says is no text."""
    if block["type"] == "markdown":
        yield escape(block["text"])
        return
    if block["type"] == "actions":
        return
    for part in (block.get("text"), *block.get("fields", ()), *block.get("elements", ())):
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield _mrkdwn(part)


def _mrkdwn(part: dict[str, Any]) -> str:
    text: str = part["text"]
    return escape(text) if part["type"] == "plain_text" else text
