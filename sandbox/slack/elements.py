"""Block Kit's small parts: text objects, options, confirm dialogs, and interactive elements.

Each check adds *faults*, worded as Slack words them, with a JSON pointer to the wrong place:
`must be less than 76 characters [json-pointer:/blocks/0/elements/1/text/text]`.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.chat.wire import Json

PLAIN = frozenset({"plain_text"})
ANY_TEXT = frozenset({"plain_text", "mrkdwn"})
MAX_ACTION_ID = 255
MAX_URL = 3000
TEXT_BOX = 3000  # what one modal input can hold
_FILE_ID = re.compile(r"^[F][A-Z0-9]{8,}$")

SELECTS = frozenset({"static_select", "users_select", "conversations_select", "channels_select"})
MULTI_SELECTS = frozenset(f"multi_{kind}" for kind in SELECTS)
CHOICES = frozenset({"checkboxes", "radio_buttons"})
PICKERS = frozenset({"datepicker", "timepicker", "datetimepicker"})
TEXT_INPUTS = frozenset(
    {"plain_text_input", "email_text_input", "url_text_input", "number_input", "rich_text_input"}
)
STATEFUL = SELECTS | MULTI_SELECTS | CHOICES | PICKERS | TEXT_INPUTS

IN_ACTIONS = SELECTS | CHOICES | PICKERS | {"button", "overflow", "workflow_button"}
IN_SECTION = IN_ACTIONS | MULTI_SELECTS | {"image"}
IN_INPUT = STATEFUL | {"file_input"}
IN_CONTEXT_ACTIONS = frozenset({"feedback_buttons", "icon_button"})

_COMMON = frozenset({"type", "action_id"})
_FOCUS = frozenset({"focus_on_load"})
_ASK = frozenset({"confirm"})
_HINT = frozenset({"placeholder"})
_OPTIONS = frozenset({"options", "option_groups"})
_TYPED = frozenset({"initial_value", "dispatch_action_config"}) | _HINT | _FOCUS

# element type -> fields it may carry besides `type` and `action_id`
_FIELDS: dict[str, frozenset[str]] = {
    "button": frozenset({"text", "url", "value", "style", "accessibility_label", "agent_prompt",
                         "agent_prompt_display", "visible_to_user_ids"}) | _ASK,
    "workflow_button": frozenset({"text", "workflow", "style", "accessibility_label"}),
    "icon_button": frozenset({"icon", "text", "accessibility_label", "value",
                              "visible_to_user_ids"}) | _ASK,
    "feedback_buttons": frozenset({"positive_button", "negative_button"}),
    "overflow": frozenset({"options"}) | _ASK,
    "static_select": frozenset({"initial_option"}) | _OPTIONS | _HINT | _ASK | _FOCUS,
    "users_select": frozenset({"initial_user"}) | _HINT | _ASK | _FOCUS,
    "channels_select": frozenset({"initial_channel", "response_url_enabled"})
    | _HINT | _ASK | _FOCUS,
    "conversations_select": frozenset({"initial_conversation", "response_url_enabled", "filter",
                                       "default_to_current_conversation"}) | _HINT | _ASK | _FOCUS,
    "multi_static_select": frozenset({"initial_options", "max_selected_items"})
    | _OPTIONS | _HINT | _ASK | _FOCUS,
    "multi_users_select": frozenset({"initial_users", "max_selected_items"})
    | _HINT | _ASK | _FOCUS,
    "multi_channels_select": frozenset({"initial_channels", "max_selected_items"})
    | _HINT | _ASK | _FOCUS,
    "multi_conversations_select": frozenset({"initial_conversations", "max_selected_items",
                                             "filter", "default_to_current_conversation"})
    | _HINT | _ASK | _FOCUS,
    "checkboxes": frozenset({"options", "initial_options"}) | _ASK | _FOCUS,
    "radio_buttons": frozenset({"options", "initial_option"}) | _ASK | _FOCUS,
    "datepicker": frozenset({"initial_date"}) | _HINT | _ASK | _FOCUS,
    "timepicker": frozenset({"initial_time", "timezone"}) | _HINT | _ASK | _FOCUS,
    "datetimepicker": frozenset({"initial_date_time"}) | _ASK | _FOCUS,
    "plain_text_input": frozenset({"multiline", "min_length", "max_length"}) | _TYPED,
    "email_text_input": _TYPED,
    "url_text_input": _TYPED,
    "number_input": frozenset({"is_decimal_allowed", "min_value", "max_value"}) | _TYPED,
    "rich_text_input": frozenset({"min_lines", "max_lines"}) | _TYPED,
    "file_input": frozenset({"filetypes", "max_files"}),
    "image": frozenset({"image_url", "alt_text", "slack_file"}),
}  # fmt: skip

_REQUIRED: dict[str, tuple[str, ...]] = {
    "button": ("text",),
    "workflow_button": ("text", "workflow"),
    "icon_button": ("icon", "text"),
    "feedback_buttons": ("positive_button", "negative_button"),
    "overflow": ("options",),
    "checkboxes": ("options",),
    "radio_buttons": ("options",),
    "number_input": ("is_decimal_allowed",),
    "image": ("alt_text",),
}


@dataclass
class Check:
    """One validation: where it happens, what it found so far.

    Attributes:
        surface: `message`, `modal` or `home`.
        finds_image: tells whether a Slack file id or URL names an uploaded image.
        faults: what is wrong, in Slack's words, in the order found.
    """

    surface: str
    finds_image: Callable[[str], bool]
    faults: list[str] = field(default_factory=list)
    block_ids: set[str] = field(default_factory=set)

    def say(self, message: str, pointer: str) -> None:
        """Add one fault."""
        self.faults.append(f"{message} [json-pointer:{pointer}]")

    def fields(
        self, obj: Json, pointer: str, allowed: Collection[str], required: Collection[str] = ()
    ) -> bool:
        """Check which fields an object carries."""
        before = len(self.faults)
        for key in obj:
            if key not in allowed:
                self.say(f"invalid additional property: {key}", pointer)
        for key in required:
            if obj.get(key) is None:
                self.say(f"missing required field: {key}", pointer)
        return len(self.faults) == before

    def length(self, value: object, pointer: str, most: int, least: int = 1) -> None:
        """Check a string's length in characters."""
        if not isinstance(value, str):
            self.say("must be a string", pointer)
        elif len(value) > most:
            self.say(f"must be less than {most + 1} characters", pointer)
        elif len(value) < least:
            self.say(f"must be more than {least - 1} characters", pointer)

    def one_of(self, value: object, pointer: str, allowed: Collection[str]) -> None:
        """Check an enumeration."""
        if value not in allowed:
            self.say(f"must be one of {', '.join(sorted(allowed))}; got {value!r}", pointer)

    def items(self, value: object, pointer: str, most: int, least: int = 1) -> list[Any]:
        """Check a list's length and return it (empty when it is no list)."""
        if not isinstance(value, list):
            self.say("must be an array", pointer)
            return []
        if len(value) > most:
            self.say(f"no more than {most} items allowed", pointer)
        if len(value) < least:
            self.say(f"no fewer than {least} items allowed", pointer)
        return value


def check_text(
    check: Check, value: object, pointer: str, most: int, kinds: frozenset[str] = ANY_TEXT
) -> None:
    """Check one text object of at most `most` characters."""
    if not isinstance(value, dict):
        check.say("must be a text object", pointer)
        return
    kind = value.get("type")
    if kind not in kinds:
        check.say(f"unsupported type: {kind}", f"{pointer}/type")
        return
    allowed = {"type", "text", "emoji"} if kind == "plain_text" else {"type", "text", "verbatim"}
    if check.fields(value, pointer, allowed, ("text",)):
        check.length(value["text"], f"{pointer}/text", most)


def check_confirm(check: Check, value: object, pointer: str) -> None:
    """Check the dialog that asks before an action counts."""
    if not isinstance(value, dict):
        check.say("must be a confirm object", pointer)
        return
    check.fields(value, pointer, {"title", "text", "confirm", "deny", "style"}, ("text",))
    limits = {"title": (100, PLAIN), "text": (300, ANY_TEXT),
              "confirm": (30, PLAIN), "deny": (30, PLAIN)}  # fmt: skip
    for key, (most, kinds) in limits.items():
        if value.get(key) is not None:
            check_text(check, value[key], f"{pointer}/{key}", most, kinds)
    if value.get("style") is not None:
        check.one_of(value["style"], f"{pointer}/style", {"primary", "danger"})


def check_options(check: Check, element: Json, pointer: str) -> None:
    """Check options, option groups, and that what is preselected is among them."""
    kind = element["type"]
    most = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}.get(kind, 100)
    kinds = ANY_TEXT if kind in CHOICES else PLAIN
    offered: list[Any] = []
    if element.get("option_groups") is not None:
        groups = check.items(element["option_groups"], f"{pointer}/option_groups", 100)
        for index, group in enumerate(groups):
            where = f"{pointer}/option_groups/{index}"
            if not isinstance(group, dict):
                check.say("must be an option group", where)
                continue
            check.fields(group, where, {"label", "options"}, ("label", "options"))
            check_text(check, group.get("label"), f"{where}/label", 75, PLAIN)
            options = check.items(group.get("options"), f"{where}/options", 100)
            offered += _check_option_list(check, options, f"{where}/options", kind, kinds)
    elif element.get("options") is not None:
        options = check.items(element["options"], f"{pointer}/options", most)
        offered += _check_option_list(check, options, f"{pointer}/options", kind, kinds)
    else:
        check.say("missing required field: options", pointer)
    chosen = element.get("initial_options") or []
    if element.get("initial_option") is not None:
        chosen = [element["initial_option"]]
    values = [option.get("value") for option in offered if isinstance(option, dict)]
    for option in chosen:
        if not isinstance(option, dict) or option.get("value") not in values:
            check.say("initial option must match one of the options", pointer)


def _check_option_list(
    check: Check, options: list[Any], pointer: str, kind: str, kinds: frozenset[str]
) -> list[Any]:
    allowed = {"text", "value", "description"} | ({"url"} if kind == "overflow" else set())
    for index, option in enumerate(options):
        where = f"{pointer}/{index}"
        if not isinstance(option, dict):
            check.say("must be an option object", where)
            continue
        if check.fields(option, where, allowed, ("text", "value")):
            check_text(check, option["text"], f"{where}/text", 75, kinds)
            check.length(option["value"], f"{where}/value", 150)
            if option.get("description") is not None:
                check_text(check, option["description"], f"{where}/description", 75, kinds)
    return options


def check_image_source(check: Check, value: Json, pointer: str) -> None:
    """Check that an image names exactly one source and describes itself."""
    if (value.get("image_url") is None) == (value.get("slack_file") is None):
        check.say("must define exactly one of `image_url` or `slack_file`", pointer)
        return
    if value.get("alt_text") is not None:
        check.length(value["alt_text"], f"{pointer}/alt_text", 2000)
    if value.get("image_url") is not None:
        url = value["image_url"]
        check.length(url, f"{pointer}/image_url", MAX_URL)
        if not str(url).startswith(("http://", "https://")):
            check.say("must be a valid URL", f"{pointer}/image_url")
        return
    source = value["slack_file"]
    names = [source.get("id"), source.get("url")] if isinstance(source, dict) else []
    given = [name for name in names if isinstance(name, str)]
    file_id = source.get("id") if isinstance(source, dict) else None
    if file_id is not None and not _FILE_ID.match(str(file_id)):
        fault = f"input must match regex pattern: {_FILE_ID.pattern}"
        check.say(fault, f"{pointer}/slack_file/id")
    elif len(given) != 1 or not check.finds_image(given[0]):
        check.say("invalid slack file", f"{pointer}/slack_file")


def check_element(check: Check, element: object, pointer: str, allowed: Collection[str]) -> None:
    """Check one interactive element (or image) where only `allowed` types may stand."""
    if not isinstance(element, dict):
        check.say("must be an object", pointer)
        return
    kind = element.get("type")
    if not isinstance(kind, str) or kind not in allowed or kind not in _FIELDS:
        check.say(f"unsupported type: {kind}", f"{pointer}/type")
        return
    if not check.fields(element, pointer, _COMMON | _FIELDS[kind], _REQUIRED.get(kind, ())):
        return
    if element.get("action_id") is not None:
        check.length(element["action_id"], f"{pointer}/action_id", MAX_ACTION_ID)
    if element.get("confirm") is not None:
        check_confirm(check, element["confirm"], f"{pointer}/confirm")
    if element.get("placeholder") is not None:
        check_text(check, element["placeholder"], f"{pointer}/placeholder", 150, PLAIN)
    if "options" in _FIELDS[kind]:
        check_options(check, element, pointer)
    _SPECIAL.get(kind, _nothing_special)(check, element, pointer)


def _nothing_special(check: Check, element: Json, pointer: str) -> None:
    """Most elements are judged by their fields alone."""


def _button(check: Check, element: Json, pointer: str) -> None:
    check_text(check, element["text"], f"{pointer}/text", 75, PLAIN)
    if element.get("value") is not None:
        check.length(element["value"], f"{pointer}/value", 2000)
    if element.get("style") is not None:
        check.one_of(element["style"], f"{pointer}/style", {"primary", "danger"})
    if element.get("url") is not None:
        check.length(element["url"], f"{pointer}/url", MAX_URL)
    if element.get("accessibility_label") is not None:
        check.length(element["accessibility_label"], f"{pointer}/accessibility_label", 75)


def _feedback(check: Check, element: Json, pointer: str) -> None:
    for key in ("positive_button", "negative_button"):
        button, where = element[key], f"{pointer}/{key}"
        if not isinstance(button, dict):
            check.say("must be an object", where)
            continue
        check.fields(button, where, {"text", "value", "accessibility_label"}, ("text", "value"))
        check_text(check, button.get("text"), f"{where}/text", 75, PLAIN)
        check.length(button.get("value"), f"{where}/value", 2000)


def _plain_text_input(check: Check, element: Json, pointer: str) -> None:
    for key, least in (("min_length", 0), ("max_length", 1)):
        number = element.get(key)
        if number is not None and not (
            isinstance(number, int) and not isinstance(number, bool) and least <= number <= TEXT_BOX
        ):
            check.say(f"must be between {least} and {TEXT_BOX}", f"{pointer}/{key}")
    if element.get("initial_value") is not None:
        most = element.get("max_length")
        limit = most if isinstance(most, int) else TEXT_BOX
        check.length(element["initial_value"], f"{pointer}/initial_value", limit, 0)


def _number_input(check: Check, element: Json, pointer: str) -> None:
    for key in ("initial_value", "min_value", "max_value"):
        value = element.get(key)
        if value is None:
            continue
        try:
            float(value)
        except (TypeError, ValueError):
            check.say("must be a number written as a string", f"{pointer}/{key}")


_SPECIAL: dict[str, Callable[[Check, Json, str], None]] = {
    "button": _button,
    "icon_button": lambda check, element, pointer: check_text(
        check, element["text"], f"{pointer}/text", 75, PLAIN
    ),
    "feedback_buttons": _feedback,
    "plain_text_input": _plain_text_input,
    "number_input": _number_input,
    "image": check_image_source,
}
