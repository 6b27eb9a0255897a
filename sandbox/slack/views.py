"""Modals and App Home tabs: a stack of at most three modals per person, one Home per person.

open ──> [root]      push ──> [root, second]      update: in place, guarded by `hash`
submit / close take the top away; `clear` empties the stack
"""

from sandbox.slack.blockkit import check_view
from sandbox.slack.chat import people
from sandbox.slack.chat.files import Files
from sandbox.slack.chat.shelf import Shelf
from sandbox.slack.chat.wire import Json, Refusal, WorldClock, mint
from sandbox.slack.elements import Check
from sandbox.slack.hub import Hub
from sandbox.slack.identity import name_blocks
from sandbox.slack.triggers import Trigger

MOST_STACKED = 3
MOST_VIEW_BYTES = 250_000


class Views:
    """Every open modal and published Home."""

    def __init__(self, shelf: Shelf, hub: Hub, files: Files, clock: WorldClock) -> None:
        """Read open views back from the shelf."""
        self._shelf = shelf
        self._hub = hub
        self._files = files
        self._clock = clock
        self._views: dict[str, Json] = {}
        self._stacks: dict[str, list[str]] = {}
        self._homes: dict[str, str] = {}
        self._owner: dict[str, str] = {}
        for view_id, record in shelf.all("view"):
            self._views[view_id], self._owner[view_id] = record["view"], record["user"]
        for user_id, record in shelf.all("stack"):
            self._stacks[user_id] = record["views"]
        for user_id, record in shelf.all("home"):
            self._homes[user_id] = record["view"]

    def get(self, view_id: str | None, external_id: str | None = None) -> Json:
        """A view by id or external id, or Slack's `not_found`."""
        for known, view in self._views.items():
            if known == view_id or (external_id and view["external_id"] == external_id):
                return view
        raise Refusal("not_found")

    def owner(self, view_id: str) -> str:
        """Whose view it is."""
        return self._owner[view_id]

    def stack(self, user_id: str) -> list[Json]:
        """The open modals of a person, root first."""
        return [self._views[view_id] for view_id in self._stacks.get(user_id, [])]

    def home(self, user_id: str) -> Json | None:
        """The published Home of a person."""
        view_id = self._homes.get(user_id)
        return self._views[view_id] if view_id else None

    def open(self, trigger: Trigger, definition: Json) -> Json:
        """Open a new modal; what was open is replaced."""
        self._judge(definition, "modal")
        self._refuse_second(definition)
        self.clear(trigger.user)
        view = self._build(definition, trigger.user)
        self._keep(view, trigger.user)
        self._set_stack(trigger.user, [view["id"]])
        self._hub.push([trigger.user], {"type": "view_open", "view": view})
        return view

    def push(self, trigger: Trigger, definition: Json) -> Json:
        """Put a modal on top of the one the person just used."""
        self._judge(definition, "modal")
        stack = self._stacks.get(trigger.user, [])
        if trigger.view_id is None or trigger.view_id not in stack:
            raise Refusal("invalid_trigger_id", "views.push needs a trigger from an open modal")
        if len(stack) >= MOST_STACKED:
            raise Refusal("push_limit_reached")
        self._refuse_second(definition)
        view = self._build(definition, trigger.user)
        view |= {"previous_view_id": stack[-1], "root_view_id": stack[0]}
        self._keep(view, trigger.user)
        self._set_stack(trigger.user, [*stack, view["id"]])
        self._hub.push([trigger.user], {"type": "view_push", "view": view})
        return view

    def update(self, old: Json, definition: Json, view_hash: str | None = None) -> Json:
        """Replace the content of a modal in place."""
        if view_hash and view_hash != old["hash"]:
            raise Refusal("hash_conflict")
        self._judge(definition, old["type"])
        user_id = self._owner[old["id"]]
        kept = ("id", "root_view_id", "previous_view_id")
        view = self._build(definition, user_id) | {key: old[key] for key in kept}
        self._keep(view, user_id)
        kind = "home" if view["type"] == "home" else "view_update"
        self._hub.push([user_id], {"type": kind, "view": view})
        return view

    def publish(self, user_id: str, definition: Json, view_hash: str | None = None) -> Json:
        """Set a person's App Home."""
        old = self.home(user_id)
        if old is not None:
            return self.update(old, definition, view_hash)
        self._judge(definition, "home")
        view = self._build(definition, user_id)
        self._keep(view, user_id)
        self._homes[user_id] = view["id"]
        self._shelf.put("home", user_id, {"view": view["id"]})
        self._hub.push([user_id], {"type": "home", "view": view})
        return view

    def close(self, view_id: str) -> None:
        """Take one modal away; those above it go too."""
        user_id = self._owner.get(view_id, "")
        stack = self._stacks.get(user_id, [])
        if view_id not in stack:
            return
        index = stack.index(view_id)
        self._set_stack(user_id, stack[:index])
        for gone in reversed(stack[index:]):
            self._forget(gone)
            self._hub.push([user_id], {"type": "view_close", "view_id": gone})

    def clear(self, user_id: str) -> None:
        """Close every modal of a person."""
        stack = self._stacks.get(user_id, [])
        if stack:
            self.close(stack[0])

    def with_state(self, view: Json, values: Json) -> Json:
        """The view as a submission shows it."""
        return {**view, "state": {"values": values}}

    def _judge(self, definition: Json, kind: str) -> None:
        check = Check(kind, lambda name: self._files.find_image(name) is not None)
        check_view(check, definition)
        if not check.faults and definition["type"] != kind:
            check.say(f"must be a {kind} here, got {definition['type']!r}", "/view/type")
        if check.faults:
            raise Refusal("invalid_arguments", *check.faults)
        if len(str(definition).encode()) > MOST_VIEW_BYTES:
            raise Refusal("view_too_large")

    def _refuse_second(self, definition: Json) -> None:
        external = definition.get("external_id")
        if external and any(view["external_id"] == external for view in self._views.values()):
            raise Refusal("duplicate_external_id")

    def _build(self, definition: Json, user_id: str) -> Json:
        view_id = mint("V")
        view: Json = {
            "id": view_id, "team_id": people.TEAM_ID, "type": definition["type"],
            "title": definition.get("title"), "submit": definition.get("submit"),
            "close": definition.get("close"), "blocks": name_blocks(definition["blocks"]),
            "private_metadata": definition.get("private_metadata") or "",
            "callback_id": definition.get("callback_id") or "",
            "external_id": definition.get("external_id") or "", "state": {"values": {}},
            "hash": f"{int(self._clock.now())}.{mint('', 8)}",
            "clear_on_close": bool(definition.get("clear_on_close")),
            "notify_on_close": bool(definition.get("notify_on_close")),
            "previous_view_id": None, "root_view_id": view_id, "app_id": people.APP_ID,
            "app_installed_team_id": people.TEAM_ID, "bot_id": people.BOT_ID,
        }  # fmt: skip
        self._owner[view_id] = user_id
        return view

    def _keep(self, view: Json, user_id: str) -> None:
        self._views[view["id"]] = view
        self._owner[view["id"]] = user_id
        self._shelf.put("view", view["id"], {"view": view, "user": user_id})

    def _forget(self, view_id: str) -> None:
        self._views.pop(view_id, None)
        self._shelf.drop("view", view_id)

    def _set_stack(self, user_id: str, stack: list[str]) -> None:
        self._stacks[user_id] = stack
        self._shelf.put("stack", user_id, {"views": stack})
