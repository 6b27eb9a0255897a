"""What a person filled into a modal: the state Slack sends, and what its client checks itself."""

from typing import Any

from sandbox.slack.chat.wire import Json
from sandbox.slack.elements import STATEFUL
from sandbox.slack.identity import find_element, interactive

_EMPTY: dict[str, str] = {
    "static_select": "selected_option", "radio_buttons": "selected_option",
    "users_select": "selected_user", "channels_select": "selected_channel",
    "conversations_select": "selected_conversation", "multi_static_select": "selected_options",
    "checkboxes": "selected_options", "multi_users_select": "selected_users",
    "multi_channels_select": "selected_channels",
    "multi_conversations_select": "selected_conversations", "datepicker": "selected_date",
    "timepicker": "selected_time", "datetimepicker": "selected_date_time",
    "rich_text_input": "rich_text_value",
}  # fmt: skip
_LISTS = frozenset({"checkboxes"} | {kind for kind in _EMPTY if kind.startswith("multi_")})
_REQUIRED = "Please complete this required field."


def form_values(view: Json, given: Json) -> Json:
    """The state of every stateful element; what was not filled in is null (or an empty list)."""
    values: Json = {}
    for around, element in interactive(view["blocks"]):
        kind = element["type"]
        if kind not in STATEFUL:
            continue
        block_id, action_id = around[-1], element["action_id"]
        field = _EMPTY.get(kind, "value")
        filled = (given.get(block_id) or {}).get(action_id) or {}
        value = filled.get(field)
        if value in ("", None):
            value = [] if kind in _LISTS else None
        values.setdefault(block_id, {})[action_id] = {"type": kind, field: value}
    return values


def complaints(view: Json, values: Json) -> dict[str, str]:
    """What Slack's own client refuses before the bot sees the form: block id -> sentence."""
    errors: dict[str, str] = {}
    for block in view["blocks"]:
        if block["type"] != "input":
            continue
        found = find_element([block], block["block_id"], block["element"]["action_id"])
        if found is None:
            continue
        filled = values.get(block["block_id"], {}).get(found["action_id"], {})
        value = filled.get(_EMPTY.get(found["type"], "value"))
        if not value and value != 0:
            if not block.get("optional"):
                errors[block["block_id"]] = _REQUIRED
            continue
        complaint = _judge(found, value)
        if complaint:
            errors[block["block_id"]] = complaint
    return errors


def _judge(element: Json, value: Any) -> str | None:
    kind = element["type"]
    text = str(value)
    if kind == "plain_text_input":
        most, least = element.get("max_length") or 3000, element.get("min_length") or 0
        if len(text) > most:
            return f"This entry must be less than {most + 1} characters."
        if len(text) < least:
            return f"This entry must be at least {least} characters."
    elif kind == "email_text_input" and ("@" not in text or "." not in text.rpartition("@")[2]):
        return "Please enter a valid email address."
    elif kind == "url_text_input" and not text.startswith(("http://", "https://")):
        return "Please enter a valid URL."
    elif kind == "number_input":
        return _judge_number(element, text)
    return None


def _judge_number(element: Json, text: str) -> str | None:
    try:
        number = float(text)
    except ValueError:
        return "Please enter a number."
    if not element.get("is_decimal_allowed") and not number.is_integer():
        return "Please enter a whole number."
    if element.get("min_value") is not None and number < float(element["min_value"]):
        return f"Please enter {element['min_value']} or more."
    if element.get("max_value") is not None and number > float(element["max_value"]):
        return f"Please enter {element['max_value']} or less."
    return None
