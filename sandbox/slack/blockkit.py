"""Block Kit judged as Slack does: block types per surface, required fields, limits, unique ids.

blocks ──check_blocks──> faults (Slack's wording and JSON pointers) ──> `invalid_blocks`
view   ──check_view────> faults ──> `invalid_arguments`
"""

from collections.abc import Callable
from typing import Any

from sandbox.slack.chat.wire import Json
from sandbox.slack.elements import (
    ANY_TEXT,
    IN_ACTIONS,
    IN_CONTEXT_ACTIONS,
    IN_INPUT,
    IN_SECTION,
    MAX_URL,
    PLAIN,
    Check,
    check_element,
    check_image_source,
    check_text,
)

MOST_IN_MESSAGE = 50
MOST_IN_VIEW = 100
MOST_MARKDOWN = 12_000  # characters, over all markdown blocks of one message

_IN_VIEWS = frozenset(
    {"section", "divider", "image", "actions", "context", "input", "header", "video", "rich_text",
     "alert"}
)  # fmt: skip
_TASK_STATUS = frozenset({"pending", "in_progress", "complete", "error"})
_RICH_PARTS = frozenset(
    {"text", "link", "user", "usergroup", "channel", "emoji", "broadcast", "date", "color", "team"}
)
_RICH_ROWS = frozenset(
    {"rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"}
)

# block type -> (fields it may carry besides `type` and `block_id`, those it must carry)
_FIELDS: dict[str, tuple[frozenset[str], tuple[str, ...]]] = {
    "section": (frozenset({"text", "fields", "accessory", "expand"}), ()),
    "divider": (frozenset(), ()),
    "image": (frozenset({"image_url", "slack_file", "alt_text", "title"}), ("alt_text",)),
    "actions": (frozenset({"elements"}), ("elements",)),
    "context": (frozenset({"elements"}), ("elements",)),
    "context_actions": (frozenset({"elements"}), ("elements",)),
    "input": (
        frozenset({"label", "element", "hint", "optional", "dispatch_action"}),
        ("label", "element"),
    ),
    "file": (frozenset({"external_id", "source"}), ("external_id", "source")),
    "header": (frozenset({"text"}), ("text",)),
    "markdown": (frozenset({"text"}), ("text",)),
    "video": (
        frozenset({"alt_text", "video_url", "thumbnail_url", "title", "title_url", "description",
                   "provider_icon_url", "provider_name", "author_name"}),
        ("alt_text", "video_url", "thumbnail_url", "title"),
    ),
    "rich_text": (frozenset({"elements"}), ("elements",)),
    "table": (frozenset({"rows", "column_settings"}), ("rows",)),
    "task_card": (
        frozenset({"task_id", "title", "details", "output", "sources", "status"}),
        ("task_id", "title", "status"),
    ),
    "plan": (frozenset({"title", "tasks"}), ("title",)),
    "alert": (frozenset({"text", "level"}), ("text",)),
    "card": (
        frozenset({"hero_image", "icon", "title", "subtitle", "body", "actions"}), (),
    ),
    "container": (
        frozenset({"title", "rich_text_title", "subtitle", "child_blocks", "width", "icon",
                   "is_collapsible", "default_collapsed", "has_header_divider"}),
        ("child_blocks",),
    ),
    "carousel": (frozenset({"elements"}), ("elements",)),
}  # fmt: skip


def check_blocks(check: Check, blocks: object, pointer: str = "/blocks") -> None:
    """Check the blocks of one surface; faults land in `check`."""
    most = MOST_IN_MESSAGE if check.surface == "message" else MOST_IN_VIEW
    for index, block in enumerate(check.items(blocks, pointer, most, 0)):
        check_block(check, block, f"{pointer}/{index}")


def check_block(check: Check, block: object, pointer: str) -> None:
    """Check one block."""
    if not isinstance(block, dict):
        check.say("must be an object", pointer)
        return
    kind = block.get("type")
    if not isinstance(kind, str) or kind not in _FIELDS:
        check.say(f"unsupported type: {kind}", f"{pointer}/type")
        return
    if check.surface != "message" and kind not in _IN_VIEWS:
        check.say(f"unsupported type: {kind} (not in a {check.surface})", f"{pointer}/type")
        return
    allowed, required = _FIELDS[kind]
    if not check.fields(block, pointer, allowed | {"type", "block_id"}, required):
        return
    block_id = block.get("block_id")
    if block_id is not None:
        check.length(block_id, f"{pointer}/block_id", 255, 0)
        if block_id and str(block_id) in check.block_ids:
            check.say(f"`block_id` already exists: {block_id}", f"{pointer}/block_id")
        check.block_ids.add(str(block_id))
    _CHECKS[kind](check, block, pointer)
    _unique_action_ids(check, block, pointer)


def check_view(check: Check, view: object) -> None:
    """Check a modal or an App Home view."""
    if not isinstance(view, dict):
        check.say("must be an object", "/view")
        return
    kind = view.get("type")
    if kind not in {"modal", "home"}:
        check.say(f"unsupported type: {kind}", "/view/type")
        return
    check.surface = kind
    common = {"type", "blocks", "private_metadata", "callback_id", "external_id"}
    modal = {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"}
    required = ("blocks", "title") if kind == "modal" else ("blocks",)
    if not check.fields(view, "/view", common | (modal if kind == "modal" else set()), required):
        return
    for key in ("title", "submit", "close"):
        if view.get(key) is not None:
            check_text(check, view[key], f"/view/{key}", 24, PLAIN)
    for key, most in (("private_metadata", 3000), ("callback_id", 255), ("external_id", 255)):
        if view.get(key) is not None:
            check.length(view[key], f"/view/{key}", most, 0)
    check_blocks(check, view["blocks"], "/view/blocks")
    has_input = any(isinstance(b, dict) and b.get("type") == "input" for b in view["blocks"] or [])
    if kind == "modal" and has_input and view.get("submit") is None:
        check.say("missing required field: submit (a modal with inputs needs one)", "/view")


def markdown_length(blocks: list[Json]) -> int:
    """Characters in all markdown blocks of a message."""
    return sum(len(b.get("text", "")) for b in blocks if b.get("type") == "markdown")


def _unique_action_ids(check: Check, block: Json, pointer: str) -> None:
    elements = block.get("elements")
    if not isinstance(elements, list):
        return
    seen: set[str] = set()
    for index, element in enumerate(elements):
        action_id = element.get("action_id") if isinstance(element, dict) else None
        if isinstance(action_id, str):
            if action_id in seen:
                where = f"{pointer}/elements/{index}/action_id"
                check.say(f"`action_id` {action_id} already exists in this block", where)
            seen.add(action_id)


def _section(check: Check, block: Json, pointer: str) -> None:
    if block.get("text") is None and block.get("fields") is None:
        check.say("must define either `text` or `fields`", pointer)
    if block.get("text") is not None:
        check_text(check, block["text"], f"{pointer}/text", 3000)
    if block.get("fields") is not None:
        for index, text in enumerate(check.items(block["fields"], f"{pointer}/fields", 10)):
            check_text(check, text, f"{pointer}/fields/{index}", 2000)
    if block.get("accessory") is not None:
        check_element(check, block["accessory"], f"{pointer}/accessory", IN_SECTION)


def _divider(check: Check, block: Json, pointer: str) -> None:
    """A divider carries nothing."""


def _image(check: Check, block: Json, pointer: str) -> None:
    check_image_source(check, block, pointer)
    if block.get("title") is not None:
        check_text(check, block["title"], f"{pointer}/title", 2000, PLAIN)


def _elements(allowed: frozenset[str], most: int) -> Callable[[Check, Json, str], None]:
    def judge(check: Check, block: Json, pointer: str) -> None:
        for index, element in enumerate(
            check.items(block["elements"], f"{pointer}/elements", most)
        ):
            check_element(check, element, f"{pointer}/elements/{index}", allowed)

    return judge


def _context(check: Check, block: Json, pointer: str) -> None:
    for index, element in enumerate(check.items(block["elements"], f"{pointer}/elements", 10)):
        where = f"{pointer}/elements/{index}"
        if isinstance(element, dict) and element.get("type") == "image":
            check_element(check, element, where, {"image"})
        else:
            check_text(check, element, where, 3000)


def _input(check: Check, block: Json, pointer: str) -> None:
    check_text(check, block["label"], f"{pointer}/label", 2000, PLAIN)
    if block.get("hint") is not None:
        check_text(check, block["hint"], f"{pointer}/hint", 2000, PLAIN)
    check_element(check, block["element"], f"{pointer}/element", IN_INPUT)


def _file(check: Check, block: Json, pointer: str) -> None:
    check.one_of(block["source"], f"{pointer}/source", {"remote"})


def _header(check: Check, block: Json, pointer: str) -> None:
    check_text(check, block["text"], f"{pointer}/text", 150, PLAIN)


def _markdown(check: Check, block: Json, pointer: str) -> None:
    check.length(block["text"], f"{pointer}/text", MOST_MARKDOWN)


def _video(check: Check, block: Json, pointer: str) -> None:
    check_text(check, block["title"], f"{pointer}/title", 200, PLAIN)
    check.length(block["alt_text"], f"{pointer}/alt_text", 2000)
    for key in ("video_url", "thumbnail_url"):
        check.length(block[key], f"{pointer}/{key}", MAX_URL)
    if block.get("author_name") is not None:
        check.length(block["author_name"], f"{pointer}/author_name", 50)


def _rich_text(check: Check, block: Json, pointer: str) -> None:
    for index, row in enumerate(check.items(block.get("elements"), f"{pointer}/elements", 1000, 0)):
        where = f"{pointer}/elements/{index}"
        if not isinstance(row, dict) or row.get("type") not in _RICH_ROWS:
            got = row.get("type") if isinstance(row, dict) else row
            check.say(f"unsupported type: {got}", f"{where}/type")
            continue
        for inner, part in enumerate(
            check.items(row.get("elements"), f"{where}/elements", 1000, 0)
        ):
            kinds = {"rich_text_section"} if row["type"] == "rich_text_list" else _RICH_PARTS
            got = part.get("type") if isinstance(part, dict) else part
            if got not in kinds:
                check.say(f"unsupported type: {got}", f"{where}/elements/{inner}/type")
            elif got == "text":
                check.length(part.get("text"), f"{where}/elements/{inner}/text", 40_000)


def _table(check: Check, block: Json, pointer: str) -> None:
    for index, row in enumerate(check.items(block["rows"], f"{pointer}/rows", 100)):
        for column, cell in enumerate(check.items(row, f"{pointer}/rows/{index}", 20)):
            where = f"{pointer}/rows/{index}/{column}"
            kind = cell.get("type") if isinstance(cell, dict) else cell
            if kind not in {"raw_text", "raw_number", "rich_text"}:
                check.say(f"unsupported type: {kind}", f"{where}/type")
            elif kind == "rich_text":
                _rich_text(check, cell, where)
            elif kind == "raw_text":
                check.length(cell.get("text"), f"{where}/text", 3000)
    if block.get("column_settings") is not None:
        check.items(block["column_settings"], f"{pointer}/column_settings", 20, 0)


def _task_card(check: Check, block: Json, pointer: str) -> None:
    check.length(block["task_id"], f"{pointer}/task_id", 255)
    check.length(block["title"], f"{pointer}/title", 256)
    check.one_of(block["status"], f"{pointer}/status", _TASK_STATUS)
    for key in ("details", "output"):
        value = block.get(key)
        if value is None:
            continue
        if not isinstance(value, dict) or value.get("type") != "rich_text":
            check.say("must be a rich_text object", f"{pointer}/{key}")
        else:
            _rich_text(check, value, f"{pointer}/{key}")


def _plan(check: Check, block: Json, pointer: str) -> None:
    check.length(block["title"], f"{pointer}/title", 256)
    for index, task in enumerate(check.items(block.get("tasks") or [], f"{pointer}/tasks", 50, 0)):
        where = f"{pointer}/tasks/{index}"
        if not isinstance(task, dict) or task.get("type") != "task_card":
            check.say("must be a task_card", where)
        else:
            check_block(check, task, where)


def _alert(check: Check, block: Json, pointer: str) -> None:
    check_text(check, block["text"], f"{pointer}/text", 3000)
    if block.get("level") is not None:
        levels = {"default", "info", "warning", "error", "success"}
        check.one_of(block["level"], f"{pointer}/level", levels)


def _card(check: Check, block: Json, pointer: str) -> None:
    if not any(block.get(key) for key in ("hero_image", "title", "body", "actions")):
        check.say("must define at least one of hero_image, title, body or actions", pointer)
    for key, most in (("title", 150), ("subtitle", 150), ("body", 200)):
        if block.get(key) is not None:
            check_text(check, block[key], f"{pointer}/{key}", most, ANY_TEXT)
    for key in ("hero_image", "icon"):
        if block.get(key) is not None:
            check_element(check, block[key], f"{pointer}/{key}", {"image"})
    for index, element in enumerate(
        check.items(block.get("actions") or [], f"{pointer}/actions", 5, 0)
    ):
        check_element(check, element, f"{pointer}/actions/{index}", {"button"})


def _container(check: Check, block: Json, pointer: str) -> None:
    if block.get("title") is None and block.get("rich_text_title") is None:
        check.say("must define either `title` or `rich_text_title`", pointer)
    if block.get("title") is not None:
        check_text(check, block["title"], f"{pointer}/title", 150, PLAIN)
    if block.get("subtitle") is not None:
        check_text(check, block["subtitle"], f"{pointer}/subtitle", 150)
    if block.get("width") is not None:
        widths = {"narrow", "standard", "wide", "full"}
        check.one_of(block["width"], f"{pointer}/width", widths)
    children = check.items(block["child_blocks"], f"{pointer}/child_blocks", 10)
    for index, child in enumerate(children):
        where = f"{pointer}/child_blocks/{index}"
        if isinstance(child, dict) and child.get("type") in {"container", "carousel"}:
            check.say(f"unsupported type: {child['type']} (inside a container)", f"{where}/type")
        else:
            check_block(check, child, where)


def _carousel(check: Check, block: Json, pointer: str) -> None:
    for index, card in enumerate(check.items(block["elements"], f"{pointer}/elements", 10)):
        where = f"{pointer}/elements/{index}"
        if not isinstance(card, dict) or card.get("type") != "card":
            check.say("must be a card", where)
        else:
            check_block(check, card, where)


_CHECKS: dict[str, Callable[[Check, Any, str], None]] = {
    "section": _section,
    "divider": _divider,
    "image": _image,
    "actions": _elements(IN_ACTIONS, 25),
    "context": _context,
    "context_actions": _elements(IN_CONTEXT_ACTIONS, 5),
    "input": _input,
    "file": _file,
    "header": _header,
    "markdown": _markdown,
    "video": _video,
    "rich_text": _rich_text,
    "table": _table,
    "task_card": _task_card,
    "plan": _plan,
    "alert": _alert,
    "card": _card,
    "container": _container,
    "carousel": _carousel,
}
