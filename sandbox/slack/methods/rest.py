"""views.*, reactions.*, files.*: thin doors to the parts that know them."""

import re
from typing import Any

from sandbox.slack.chat import people
from sandbox.slack.chat.files import MOST_BYTES
from sandbox.slack.chat.wire import Json, Refusal, is_ts
from sandbox.slack.chat.workspace import wire_reactions
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.chat import thread_parent
from sandbox.slack.methods.content import bot_body
from sandbox.slack.parts import Parts

_EMOJI = re.compile(r"^[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?$")
_MOST_REACTIONS = 50
_MOST_ALT_TEXT = 1_000
_MOST_CHANNELS = 100


async def views_open(parts: Parts, args: Args) -> Json:
    """Open a modal."""
    definition = _view(args)
    trigger = parts.triggers.exchange(args.text("trigger_id"))
    return {"ok": True, "view": parts.views.open(trigger, definition)}


async def views_push(parts: Parts, args: Args) -> Json:
    """Push a modal onto the open one."""
    definition = _view(args)
    trigger = parts.triggers.exchange(args.text("trigger_id"))
    return {"ok": True, "view": parts.views.push(trigger, definition)}


async def views_update(parts: Parts, args: Args) -> Json:
    """Change an open view."""
    if not args.text("view_id") and not args.text("external_id"):
        raise Refusal("invalid_arguments", "missing required field: view_id or external_id")
    old = parts.views.get(args.text("view_id") or None, args.text("external_id") or None)
    return {"ok": True, "view": parts.views.update(old, _view(args), args.text("hash") or None)}


async def views_publish(parts: Parts, args: Args) -> Json:
    """Set a person's App Home."""
    person = parts.chat.person(args.text("user_id"))
    if not parts.manifest.home_tab:
        raise Refusal("not_enabled")
    view = parts.views.publish(person.id, _view(args), args.text("hash") or None)
    return {"ok": True, "view": view}


async def reactions_add(parts: Parts, args: Args) -> Json:
    """React as the bot."""
    return _react(parts, args, add=True)


async def reactions_remove(parts: Parts, args: Args) -> Json:
    """Take the bot's reaction back."""
    return _react(parts, args, add=False)


async def reactions_get(parts: Parts, args: Args) -> Json:
    """The reactions of one message."""
    channel = parts.chat.channel(args.text("channel"))
    message = parts.chat.get(channel.id, args.text("timestamp"))
    shown = parts.chat.wire(message) | {"reactions": wire_reactions(message)}
    return {"ok": True, "type": "message", "channel": channel.id, "message": shown}


async def upload_url(parts: Parts, args: Args) -> Json:
    """Announce a file; the answer says where its bytes go."""
    try:
        size = int(args.text("length"))
    except ValueError:
        raise Refusal("invalid_arguments", "must be an integer [json-pointer:/length]") from None
    if size == 0:
        raise Refusal("missing_argument")
    if not 0 < size <= MOST_BYTES:
        raise Refusal("file_upload_size_restricted")
    if len(args.text("alt_txt")) > _MOST_ALT_TEXT:
        raise Refusal("alt_txt_too_large")
    now = int(parts.clock.now())
    ticket, file = parts.files.announce(args.text("filename"), size, args.text("alt_txt"), now)
    return {"ok": True, "upload_url": f"{parts.base_url}/upload/v1/{ticket}", "file_id": file.id}


async def complete_upload(parts: Parts, args: Args) -> Json:
    """Finish uploads, and share them when a channel is named."""
    wanted: Any = args.structure("files")
    if not isinstance(wanted, list) or not wanted or not all(isinstance(f, dict) for f in wanted):
        raise Refusal("invalid_arguments", "must be an array of files [json-pointer:/files]")
    listed = args.text("channel_id") or args.text("channels")
    names = [name.strip() for name in listed.split(",") if name.strip()]
    if len(names) > _MOST_CHANNELS:
        raise Refusal("channels_limit_exceeded")
    thread_ts = args.text("thread_ts")
    channels = [parts.writable(name, thread_ts) for name in names]
    if thread_ts and len(channels) != 1:
        raise Refusal("invalid_arguments", "thread_ts needs exactly one channel_id")
    if thread_ts:
        thread_parent(parts, channels[0].id, thread_ts)
    done = [parts.files.complete(str(f.get("id")), f.get("title")) for f in wanted]
    body = bot_body(parts, Args({})) | {"text": args.text("initial_comment")}
    if thread_ts:
        body |= {"thread_ts": thread_ts}
    if channels:
        last = max(done, key=lambda file: file.usable_at)
        ids, places = [file.id for file in done], [channel.id for channel in channels]
        parts.files.when_usable(last.id, lambda _: _share(parts, ids, places, body))
    return {"ok": True, "files": [parts.files.info(f.id).wire(parts.base_url) for f in done]}


def _share(parts: Parts, ids: list[str], places: list[str], body: Json) -> None:
    """Bring files that were looked through into channels, all in one message each."""
    for place in places:
        shown = [parts.files.info(each).wire(parts.base_url) for each in ids]
        message = parts.chat.post(place, body | {"files": shown})
        for each in ids:
            parts.files.shared(each, place, message.ts)


async def file_info(parts: Parts, args: Args) -> Json:
    """Return a file; while it is looked through it has no media type."""
    return {"ok": True, "file": parts.files.info(args.text("file")).wire(parts.base_url)}


def _view(args: Args) -> Json:
    definition = args.structure("view")
    if not isinstance(definition, dict):
        raise Refusal("invalid_arguments", "missing required field: view")
    return definition


def _react(parts: Parts, args: Args, *, add: bool) -> Json:
    name = args.text("name").strip(":")
    if not _EMOJI.match(name):
        raise Refusal("invalid_name")
    channel = parts.joined(args.text("channel"))
    if channel.is_archived:
        raise Refusal("is_archived")
    if not is_ts(args.text("timestamp")):
        raise Refusal("bad_timestamp")
    message = parts.chat.get(channel.id, args.text("timestamp"))
    if (channel.id, message.thread_ts or message.ts) in parts.locked:
        raise Refusal("thread_locked")
    if add and name not in message.reactions and len(message.reactions) >= _MOST_REACTIONS:
        raise Refusal("too_many_emoji")
    parts.chat.react(message, name, people.BOT_USER_ID, add=add)
    return {"ok": True}
