"""What a person did in Slack: every payload becomes one frozen Interaction.

    event, block_actions, view_submission, message_action, slash command ──parse──> Interaction

A payload with a missing or wrong field is a `MalformedError` that names it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.domain.ids import ChannelId, Ts, UserId
from bot.domain.place import Place

EVENT, ACTION, COMMAND, VIEW, SHORTCUT = "event", "action", "command", "view", "shortcut"
NOWHERE = ChannelId("")
_KIND_OF_TYPE = {
    "block_actions": ACTION,
    "view_submission": VIEW,
    "message_action": SHORTCUT,
    "shortcut": SHORTCUT,
    "view_closed": "closed",
}


_TS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")


class MalformedError(ValueError):
    """The payload lacks what it must have; the message names the field."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One thing somebody did. Empty text is absent."""

    kind: str
    name: str  # action id, callback id, command or event type
    key: str  # event_id or trigger_id
    user: UserId
    channel: ChannelId = NOWHERE
    ts: Ts | None = None  # of the message it is about
    thread_ts: Ts | None = None
    text: str = ""
    value: str = ""  # of a button or of the chosen option
    block_id: str = ""
    trigger_id: str = ""
    response_url: str = ""
    subtype: str = ""
    bot: bool = False
    direct: bool = False
    assistant: bool = False
    author: UserId | None = None  # of the message a shortcut is about
    fields: Mapping[str, str] = field(default_factory=dict)  # a form's inputs by block id
    subject: str = ""  # what a form is about
    tab: str = ""
    view_id: str = ""  # of the modal a button stands in

    @property
    def word(self) -> str:
        """The first word of a command's text, in small letters; `help` when there is none."""
        return self.text.partition(" ")[0].lower() or "help"

    @property
    def rest(self) -> str:
        """A command's text behind its first word."""
        return self.text.partition(" ")[2].strip()

    @property
    def place(self) -> Place:
        """The thread it belongs to; the thread under the message if it is in none."""
        return Place(self.channel, self.thread_ts or self.ts)


Read = Interaction | MalformedError  # an envelope as it was read


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)


class _Id(_Part):
    id: str = Field(min_length=1)


class _Message(_Part):
    ts: str = ""
    thread_ts: str = ""
    text: str = ""
    user: str = ""
    bot_id: str = ""


class _Option(_Part):
    value: str = ""


class _Action(_Part):
    action_id: str = Field(min_length=1)
    block_id: str = ""
    value: str = ""
    selected_option: _Option | None = None


class _Container(_Part):
    channel_id: str = ""
    message_ts: str = ""
    thread_ts: str = ""


class _Shown(_Part):
    id: str = ""
    private_metadata: str = ""


class _Interaction(_Part):
    user: _Id
    view: _Shown = Field(default_factory=_Shown)
    trigger_id: str = ""
    response_url: str = ""
    channel: _Id | None = None
    message: _Message | None = None
    container: _Container = Field(default_factory=_Container)


class _Click(_Interaction):
    actions: list[_Action] = Field(min_length=1)


class _Shortcut(_Interaction):
    callback_id: str = Field(min_length=1)
    message_ts: str = ""


class _Input(_Part):
    value: str | None = None
    selected_option: _Option | None = None
    selected_user: str | None = None

    def given(self) -> str:
        """Return what was typed or chosen; empty for nothing."""
        chosen = self.selected_option.value if self.selected_option else ""
        return self.value or chosen or self.selected_user or ""


class _State(_Part):
    values: dict[str, dict[str, _Input]] = Field(default_factory=dict)


class _View(_Part):
    callback_id: str = Field(min_length=1)
    private_metadata: str = ""
    state: _State = Field(default_factory=_State)


class _Form(_Part):
    user: _Id
    trigger_id: str = ""
    view: _View


class _Command(_Part):
    command: str = Field(min_length=1)
    text: str = ""
    user_id: str = Field(min_length=1)
    channel_id: str = Field(min_length=1)
    trigger_id: str = ""
    response_url: str = ""


class _Thread(_Part):
    user_id: str = Field(min_length=1)
    channel_id: str = Field(min_length=1)
    thread_ts: str = Field(min_length=1)


class _Event(_Part):
    type: str = Field(min_length=1)
    user: str = ""
    channel: str = ""
    channel_type: str = ""
    ts: str = ""
    thread_ts: str = ""
    text: str = ""
    subtype: str = ""
    bot_id: str = ""
    hidden: bool = False
    tab: str = ""
    assistant_thread: dict[str, Any] | None = None


def kind_of(body: Mapping[str, Any]) -> str:
    """Return what sort of envelope this is; empty for one we never act on."""
    if isinstance(body.get("event"), Mapping):
        return EVENT
    if body.get("command"):
        return COMMAND
    return _KIND_OF_TYPE.get(str(body.get("type", "")), "")


def dedupe_key(body: Mapping[str, Any]) -> str:
    """Return the id that two deliveries of one envelope share."""
    for name in ("event_id", "trigger_id"):
        if body.get(name):
            return str(body[name])
    text = json.dumps(body, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def parse(kind: str, body: Mapping[str, Any]) -> Interaction:
    """Read an envelope. Raises MalformedError."""
    readers = {
        EVENT: _read_event,
        ACTION: _read_click,
        COMMAND: _read_command,
        VIEW: _read_form,
        SHORTCUT: _read_shortcut,
    }
    reader = readers.get(kind)
    if reader is None:
        raise MalformedError(f"nothing is known of envelopes of kind {kind!r}")
    try:
        return reader(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedError(f"field {where!r}: {first['msg'].lower()}") from error


def read_of(kind: str, body: Mapping[str, Any]) -> Read:
    """Return an envelope as it is read: what it says, or what it lacks."""
    try:
        return parse(kind, body)
    except MalformedError as error:
        return error


def _read_event(body: Mapping[str, Any]) -> Interaction:
    event = _Event.model_validate(body["event"])
    if event.type.startswith("assistant_thread"):
        thread = _Thread.model_validate(event.assistant_thread or {})
        return Interaction(
            EVENT,
            event.type,
            dedupe_key(body),
            UserId(thread.user_id),
            ChannelId(thread.channel_id),
            thread_ts=_ts(thread.thread_ts),
            direct=True,
            assistant=True,
        )
    needs = ("user", "channel", "ts") if event.type == "app_mention" else ()
    for name in needs:
        if not getattr(event, name):
            raise MalformedError(f"field 'event.{name}': field required")
    return Interaction(
        kind=EVENT,
        name=event.type,
        key=dedupe_key(body),
        user=UserId(event.user),
        channel=ChannelId(event.channel),
        ts=_ts(event.ts),
        thread_ts=_ts(event.thread_ts),
        text=event.text,
        subtype=event.subtype or ("hidden" if event.hidden else ""),
        bot=bool(event.bot_id),
        direct=event.channel_type == "im",
        assistant=event.assistant_thread is not None,
        tab=event.tab,
    )


def _read_click(body: Mapping[str, Any]) -> Interaction:
    click = _Click.model_validate(body)
    action = click.actions[0]
    chosen = action.selected_option.value if action.selected_option else action.value
    return _interaction(click, body, ACTION, action.action_id, chosen, action.block_id)


def _read_shortcut(body: Mapping[str, Any]) -> Interaction:
    shortcut = _Shortcut.model_validate(body)
    return _interaction(shortcut, body, SHORTCUT, shortcut.callback_id, "", "")


def _interaction(
    of: _Interaction, body: Mapping[str, Any], kind: str, name: str, value: str, block_id: str
) -> Interaction:
    message = of.message or _Message()
    opened_in, opened_thread, _ = unpack(of.view.private_metadata)
    channel = of.channel.id if of.channel else of.container.channel_id or opened_in
    return Interaction(
        kind=kind,
        name=name,
        key=dedupe_key(body),
        user=UserId(of.user.id),
        channel=ChannelId(channel),
        ts=_ts(message.ts or of.container.message_ts),
        thread_ts=_ts(message.thread_ts or of.container.thread_ts or opened_thread),
        text=message.text,
        value=value,
        block_id=block_id,
        trigger_id=of.trigger_id,
        response_url=of.response_url,
        direct=channel.startswith("D"),
        author=UserId(message.user) if message.user else None,
        view_id=of.view.id,
    )


def _read_form(body: Mapping[str, Any]) -> Interaction:
    form = _Form.model_validate(body)
    fields = {
        block: next((i.given() for i in inputs.values()), "")
        for block, inputs in form.view.state.values.items()
    }
    channel, thread, subject = unpack(form.view.private_metadata)
    return Interaction(
        kind=VIEW,
        name=form.view.callback_id,
        key=dedupe_key(body),
        user=UserId(form.user.id),
        channel=ChannelId(channel),
        thread_ts=_ts(thread),
        trigger_id=form.trigger_id,
        fields=fields,
        subject=subject,
    )


def _read_command(body: Mapping[str, Any]) -> Interaction:
    command = _Command.model_validate(body)
    return Interaction(
        kind=COMMAND,
        name=command.command,
        key=dedupe_key(body),
        user=UserId(command.user_id),
        channel=ChannelId(command.channel_id),
        text=command.text.strip(),
        trigger_id=command.trigger_id,
        response_url=command.response_url,
        direct=command.channel_id.startswith("D"),
    )


def pack(interaction: Interaction, subject: str) -> str:
    """Return what a modal carries through: where it was opened and what it is about."""
    thread = interaction.thread_ts or interaction.ts or ""
    return f"{interaction.channel}|{thread}|{subject}"


def unpack(metadata: str) -> tuple[str, str, str]:
    """Read what `pack` wrote; missing parts are empty."""
    channel, _, rest = metadata.partition("|")
    thread, _, subject = rest.partition("|")
    return channel, thread, subject


def _ts(text: str) -> Ts | None:
    """Return a message's timestamp; Slack's are seconds with a fraction, and nothing else is."""
    if text and _TS.fullmatch(text) is None:
        raise MalformedError(f"timestamp {text[:40]!r} is not Slack's seconds.fraction")
    return Ts(text) if text else None
