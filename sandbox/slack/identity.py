"""Blocks as Slack keeps them: each block and interactive element has an id and is found by it."""

from collections.abc import Iterator
from typing import Any

from sandbox.slack.chat.wire import Json, mint
from sandbox.slack.elements import IN_CONTEXT_ACTIONS, IN_INPUT, IN_SECTION

_INTERACTIVE = (IN_SECTION | IN_INPUT | IN_CONTEXT_ACTIONS) - {"image"}
_INSIDE = ("elements", "actions", "child_blocks", "accessory", "element")


def name_blocks(blocks: list[Json]) -> list[Json]:
    """Give every block a block_id and every interactive element an action_id."""
    return [_name(block, is_block=True) for block in blocks]


def _name(node: Json, *, is_block: bool) -> Json:
    named = dict(node)
    if is_block and not named.get("block_id"):
        named["block_id"] = mint("", 5)
    if named.get("type") in _INTERACTIVE and not named.get("action_id"):
        named["action_id"] = mint("", 5)
    if named.get("type") == "rich_text":
        return named
    for key in _INSIDE:
        inner = named.get(key)
        holds_blocks = key == "child_blocks" or named.get("type") == "carousel"
        if isinstance(inner, dict):
            named[key] = _name(inner, is_block=False)
        elif isinstance(inner, list):
            named[key] = [
                _name(child, is_block=holds_blocks) if isinstance(child, dict) else child
                for child in inner
            ]
    return named


def interactive(blocks: list[Json]) -> Iterator[tuple[list[str], Json]]:
    """Every interactive element with the ids of the blocks around it, outermost first."""
    for block in blocks:
        yield from _walk(block, [])


def _walk(node: Any, around: list[str]) -> Iterator[tuple[list[str], Json]]:
    if not isinstance(node, dict):
        return
    here = [*around, node["block_id"]] if "block_id" in node else around
    if node.get("type") in _INTERACTIVE and "action_id" in node:
        yield here, node
    if node.get("type") == "rich_text":
        return
    for key in _INSIDE:
        inner = node.get(key)
        for child in inner if isinstance(inner, list) else [inner]:
            yield from _walk(child, here)


def find_element(blocks: list[Json], block_id: str | None, action_id: str) -> Json | None:
    """The element somebody used: its action id, inside the named block when one is named."""
    for around, element in interactive(blocks):
        if element["action_id"] == action_id and (not block_id or block_id in around):
            return {**element, "block_id": block_id or around[-1]}
    return None
