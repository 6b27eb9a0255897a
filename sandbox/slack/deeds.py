"""What people do: write, run commands, press buttons, fill in forms, react, open Home.

deed ──> envelope to the bot ──acked──> its answer is applied (modal closes, reply appears)
                             └─ not ──> `ack_failed` to the person's page: a warning triangle
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.chat import people
from sandbox.slack.chat.people import Channel
from sandbox.slack.chat.typed import rich_text, to_wire
from sandbox.slack.chat.wire import Json, Refusal, mint
from sandbox.slack.chat.workspace import Message
from sandbox.slack.events import Events
from sandbox.slack.forms import complaints, form_values
from sandbox.slack.identity import find_element
from sandbox.slack.methods.streams import end_stream
from sandbox.slack.parts import Parts
from sandbox.slack.responses import Responses
from sandbox.slack.socket_mode import NotAcknowledgedError
from sandbox.slack.triggers import Trigger

_CHOSEN = (
    "value", "selected_option", "selected_options", "selected_user", "selected_users",
    "selected_channel", "selected_channels", "selected_conversation", "selected_conversations",
    "selected_date", "selected_time", "selected_date_time", "rich_text_value",
)  # fmt: skip
NO_COMMANDS_IN_THREADS = "Slack runs no slash commands inside threads; use the message menu"


class DeedError(Exception):
    """The page asked for something a person cannot do here; the message says what to do instead."""


@dataclass
class Deeds:
    """Everything a person can do in the local Slack."""

    parts: Parts
    events: Events
    responses: Responses
    _tasks: set["asyncio.Task[bool]"] = field(default_factory=set)

    def post(
        self, user_id: str, channel_id: str, text: str, thread_ts: str | None = None
    ) -> str | None:
        """Write a message, or run a command; returns the message's ts (None for a command)."""
        channel = self._member_of(user_id, channel_id)
        if not text.strip():
            message = "an empty message cannot be sent: type something"
            raise DeedError(message)
        if text.startswith("/"):
            self.command(user_id, channel, text, thread_ts)
            return None
        chat = self.parts.chat
        wired = to_wire(text, chat.people.values(), chat.channels.values(), chat.groups.values())
        body: Json = {
            "user": user_id, "text": wired, "team": chat.person(user_id).team_id,
            "client_msg_id": mint("", 32).lower(), "blocks": [rich_text(wired)],
        }  # fmt: skip
        if thread_ts:
            parent = chat.find(channel.id, thread_ts)
            if parent is None:
                message = f"there is no message {thread_ts!r} in this channel to reply to"
                raise DeedError(message)
            root = chat.get(channel.id, parent.thread_ts or parent.ts)
            body |= {"thread_ts": root.ts, "parent_user_id": root.author}
        return chat.post(channel.id, body).ts

    def command(
        self, user_id: str, channel: Channel, text: str, thread_ts: str | None
    ) -> "asyncio.Task[bool]":
        """Run a slash command."""
        if thread_ts:
            raise DeedError(NO_COMMANDS_IN_THREADS)
        name, _, rest = text.partition(" ")
        known = {c.command for c in self.parts.manifest.commands}
        if name not in known:
            message = f"{name!r} is not a command here; known are {', '.join(sorted(known))}"
            raise DeedError(message)
        person = self.parts.chat.person(user_id)
        payload: Json = {
            "token": "local-slack", "team_id": person.team_id, "team_domain": people.TEAM_DOMAIN,
            "channel_id": channel.id, "channel_name": channel.name or "directmessage",
            "user_id": user_id, "user_name": person.name, "command": name, "text": rest.strip(),
            "api_app_id": people.APP_ID, "is_enterprise_install": "false",
            "response_url": self.responses.url(channel.id, user_id),
            "trigger_id": self.parts.triggers.mint(user_id),
        }  # fmt: skip
        if self.parts.tenant.grid:
            payload |= {
                "enterprise_id": people.ENTERPRISE_ID, "enterprise_name": people.ENTERPRISE_NAME,
            }  # fmt: skip
        failed = {"kind": "command", "channel": channel.id, "command": name}
        return self._start(self._command(user_id, channel, payload, failed))

    def act(
        self,
        user_id: str,
        action: Json,
        *,
        channel_id: str | None = None,
        message_ts: str | None = None,
        view_id: str | None = None,
        block_id: str | None = None,
        values: Json | None = None,
    ) -> "asyncio.Task[bool]":
        """Press a button or change a select, in a message or a view."""
        action_id = str(action.get("action_id"))
        payload = self._base("block_actions", user_id)
        if view_id:
            view = self._own_view(user_id, view_id)
            element = find_element(view["blocks"], block_id, action_id)
            payload |= {
                "container": {"type": "view", "view_id": view_id},
                "view": self.parts.views.with_state(view, form_values(view, values or {})),
            }
        else:
            channel = self._member_of(user_id, str(channel_id))
            message = self.parts.chat.find(channel.id, message_ts)
            if message is None:
                missing = f"message {message_ts!r} is not here any more: reload the page"
                raise DeedError(missing)
            element = find_element(_all_blocks(message), block_id, action_id)
            payload |= self._message_place(user_id, channel, message)
            payload["container"] |= {"is_ephemeral": message.only_for is not None}
        if element is None:
            missing = f"no element {action_id!r} in block {block_id!r}: reload the page"
            raise DeedError(missing)
        used = _used(element, action) | {"action_ts": f"{self.parts.clock.now():.6f}"}
        state = {used["block_id"]: {action_id: {k: used[k] for k in used if k in _CHOSEN}}}
        payload |= {
            "actions": [used], "trigger_id": self.parts.triggers.mint(user_id, view_id),
            "state": {"values": values or (state if used["type"] != "button" else {})},
        }  # fmt: skip
        failed = {"kind": "action", "channel": channel_id, "message_ts": message_ts,
                  "view_id": view_id, "action_id": action_id}  # fmt: skip
        return self._start(self._ask(user_id, "interactive", payload, failed))

    async def submit(self, user_id: str, view_id: str, values: Json) -> Json:
        """Send a modal's form and apply the bot's answer."""
        view = self._own_view(user_id, view_id)
        filled = form_values(view, values)
        errors = complaints(view, filled)
        if errors:
            return {"ok": True, "response_action": "errors", "errors": errors}
        payload = self._base("view_submission", user_id) | {
            "view": self.parts.views.with_state(view, filled), "response_urls": [],
            "trigger_id": self.parts.triggers.mint(user_id, view_id),
        }  # fmt: skip
        try:
            answer = await self.parts.socket.ask("interactive", payload)
            return self._apply(user_id, view, answer)
        except NotAcknowledgedError as error:
            self._failed(user_id, {"kind": "view", "view_id": view_id}, str(error))
            return {"ok": False, "error": "timeout", "text": str(error)}
        except Refusal as refusal:
            text = f"SRE Agent answered the form with something Slack refuses: {refusal.answer()}"
            self._failed(user_id, {"kind": "view", "view_id": view_id}, text)
            return {"ok": False, "error": refusal.code, "text": text}

    def close_view(self, user_id: str, view_id: str) -> None:
        """Close a modal without sending it."""
        view = self._own_view(user_id, view_id)
        clears = bool(view["clear_on_close"])
        if clears:
            self.parts.views.clear(user_id)
        else:
            self.parts.views.close(view_id)
        if view["notify_on_close"]:
            payload = self._base("view_closed", user_id) | {"view": view, "is_cleared": clears}
            failed = {"kind": "view", "view_id": view_id}
            self._start(self._ask(user_id, "interactive", payload, failed))

    def shortcut(
        self, user_id: str, callback_id: str, channel_id: str, message_ts: str
    ) -> "asyncio.Task[bool]":
        """Use a message shortcut from a message's menu."""
        known = {s.callback_id for s in self.parts.manifest.shortcuts}
        if callback_id not in known:
            message = f"no shortcut {callback_id!r}; the app has {', '.join(sorted(known))}"
            raise DeedError(message)
        channel = self._member_of(user_id, channel_id)
        subject = self.parts.chat.get(channel.id, message_ts)
        payload = self._base("message_action", user_id)
        payload |= self._message_place(user_id, channel, subject)
        del payload["container"]
        payload |= {
            "callback_id": callback_id, "message_ts": subject.ts,
            "action_ts": f"{self.parts.clock.now():.6f}",
            "trigger_id": self.parts.triggers.mint(user_id),
        }  # fmt: skip
        failed = {"kind": "shortcut", "channel": channel.id, "message_ts": subject.ts}
        return self._start(self._ask(user_id, "interactive", payload, failed))

    def react(self, user_id: str, channel_id: str, ts: str, name: str, *, add: bool) -> None:
        """Add or take back a reaction."""
        channel = self._member_of(user_id, channel_id)
        self.parts.chat.react(self.parts.chat.get(channel.id, ts), name, user_id, add=add)

    def open_home(self, user_id: str, tab: str = "home") -> Json | None:
        """Look at the bot's Home (or messages) tab; returns the Home published so far."""
        home = self.parts.views.home(user_id)
        self.events.app_home_opened(user_id, tab, home)
        return home

    def open_assistant(self, user_id: str) -> tuple[str, str]:
        """Open what the app's view is: a new thread in the pane, or an agent's messages.

        Returns channel and thread ts; an agent's thread begins at what the person writes.
        """
        channel = self.parts.chat.direct(user_id)
        if self.parts.manifest.view != "assistant":
            self.open_home(user_id, "messages")
            return channel.id, ""
        body = {
            "user": people.BOT_USER_ID, "bot_id": people.BOT_ID, "app_id": people.APP_ID,
            "subtype": "assistant_app_thread", "text": "New Assistant Thread",
            "assistant_app_thread": {"title": "New Assistant Thread"},
        }  # fmt: skip
        root = self.parts.chat.post(channel.id, body)
        self.events.assistant_started(user_id, root)
        return channel.id, root.ts

    def stop_agent(self, user_id: str, channel_id: str, thread_ts: str) -> list[str]:
        """Stop an agent at work in a thread: its streams end at once, and the app is told."""
        channel = self._member_of(user_id, channel_id)
        ended = [
            ts
            for of, ts in list(self.parts.streams)
            if of == channel.id and self.parts.chat.get(of, ts).thread_ts == thread_ts
        ]
        for ts in ended:
            self.parts.stopped.add((channel.id, ts))
            end_stream(self.parts, channel.id, ts)
        self.events.agent_stopped(user_id, channel, thread_ts, ended)
        return ended

    async def close(self) -> None:
        """Give up on what still waits for the bot."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ------------------------------------------------------------------ inside

    def _member_of(self, user_id: str, channel_id: str) -> Channel:
        channel = self.parts.chat.channel(channel_id)
        self.parts.chat.person(user_id)
        if user_id not in channel.members:
            message = f"{user_id!r} is not in {channel.name or channel.id!r}: invite them first"
            raise DeedError(message)
        return channel

    def _own_view(self, user_id: str, view_id: str) -> Json:
        view = self.parts.views.get(view_id)
        if self.parts.views.owner(view_id) != user_id:
            message = f"view {view_id!r} is somebody else's"
            raise DeedError(message)
        return view

    def _base(self, kind: str, user_id: str) -> Json:
        person = self.parts.chat.person(user_id)
        user = {
            "id": user_id, "username": person.name, "name": person.name, "team_id": person.team_id,
        }  # fmt: skip
        return {
            "type": kind, "token": "local-slack", "api_app_id": people.APP_ID, "user": user,
            "team": {"id": people.TEAM_ID, "domain": people.TEAM_DOMAIN},
            "enterprise": self.parts.organisation, "is_enterprise_install": False,
        }  # fmt: skip

    def _message_place(self, user_id: str, channel: Channel, message: Message) -> Json:
        container: Json = {
            "type": "message", "message_ts": message.ts, "channel_id": channel.id,
        }  # fmt: skip
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        name = channel.name or "directmessage"
        return {
            "container": container, "channel": {"id": channel.id, "name": name},
            "message": self.parts.chat.wire(message, metadata=True),
            "response_url": self.responses.url(channel.id, user_id, message),
        }  # fmt: skip

    def _start(self, work: Coroutine[Any, Any, bool]) -> "asyncio.Task[bool]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, user_id: str, kind: str, payload: Json, failed: Json) -> bool:
        """Send an interaction; tells the person when it was not acknowledged."""
        try:
            await self.parts.socket.ask(kind, payload)
        except NotAcknowledgedError as error:
            self._failed(user_id, failed, str(error))
            return False
        self.parts.hub.stir()
        return True

    async def _command(self, user_id: str, channel: Channel, payload: Json, failed: Json) -> bool:
        try:
            answer = await self.parts.socket.ask("slash_commands", payload)
            self.responses.answer_command(channel.id, user_id, answer)
        except NotAcknowledgedError as error:
            self._failed(user_id, failed, f"{payload['command']} failed: {error}")
            return False
        except Refusal as refusal:
            text = f"{payload['command']} answered with something Slack refuses: {refusal.answer()}"
            self._failed(user_id, failed, text)
            return False
        return True

    def _failed(self, user_id: str, what: Json, text: str) -> None:
        self.parts.hub.push([user_id], {"type": "ack_failed", **what, "text": text})

    def _apply(self, user_id: str, view: Json, answer: Json) -> Json:
        """Do what the ack of a form says."""
        action = answer.get("response_action")
        views = self.parts.views
        if action is None:
            views.close(view["id"])
        elif action == "clear":
            views.clear(user_id)
        elif action == "update":
            views.update(view, answer.get("view") or {})
        elif action == "push":
            trigger = Trigger(user_id, 0.0, view["id"])
            views.push(trigger, answer.get("view") or {})
        elif action == "errors":
            errors = answer.get("errors")
            inputs = {b["block_id"] for b in view["blocks"] if b["type"] == "input"}
            if not isinstance(errors, dict) or not errors or not set(errors) <= inputs:
                message = f"errors must name input blocks of the view, got {errors!r}"
                raise Refusal("invalid_arguments", message)
            return {"ok": True, "response_action": "errors", "errors": errors}
        else:
            raise Refusal("invalid_arguments", f"unknown response_action {action!r}")
        return {"ok": True}


def _all_blocks(message: Message) -> list[Json]:
    attached = [b for a in message.body.get("attachments", []) for b in a.get("blocks") or []]
    return [*message.body.get("blocks", []), *attached]


def _used(element: Json, action: Json) -> Json:
    """The action as Slack reports it: label from the message, choice from the person."""
    kept = ("type", "action_id", "block_id", "text", "value", "style", "placeholder", "confirm")
    used = {key: element[key] for key in kept if key in element}
    chosen = {k: v for k, v in action.items() if k in _CHOSEN and not (k == "value" and k in used)}
    return used | chosen
