"""chat.*: post, change, delete, whisper, link."""

from sandbox.slack.chat import people
from sandbox.slack.chat.people import Channel
from sandbox.slack.chat.wire import Json, Refusal, is_ts
from sandbox.slack.chat.workspace import Message
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.content import bot_body, content_body, read_content
from sandbox.slack.parts import Parts

_MOST_UPDATED_TEXT = 4_000  # chat.update is stricter than chat.postMessage


async def post_message(parts: Parts, args: Args) -> Json:
    """Post as the bot: into a channel (id or name), a direct message or a thread."""
    thread_ts = args.text("thread_ts")
    channel = _target(parts, args.text("channel"), thread_ts)
    content = read_content(parts, args, truncates=True)
    if content.is_empty:
        raise Refusal("no_text")
    body = bot_body(parts, args) | content_body(content)
    if thread_ts:
        parent = thread_parent(parts, channel.id, thread_ts)
        body |= {"thread_ts": parent.ts, "parent_user_id": parent.author}
        if args.flag("reply_broadcast"):
            body["subtype"] = "thread_broadcast"
    message = parts.chat.post(channel.id, body)
    if thread_ts:
        parts.set_status(channel.id, thread_ts, "")
    shown = parts.chat.wire(message, metadata=True)
    answer: Json = {"ok": True, "channel": channel.id, "ts": message.ts, "message": shown}
    if content.is_truncated:
        warning = "message_truncated"
        answer |= {"warning": warning, "response_metadata": {"warnings": [warning]}}
    return answer


async def update(parts: Parts, args: Args) -> Json:
    """Change a message of the bot; what is not mentioned stays."""
    channel = parts.joined(args.text("channel"))
    if channel.is_archived:
        raise Refusal("is_inactive")
    message = parts.chat.get(channel.id, args.text("ts"))
    _refuse_foreign(message, "cant_update_message")
    if message.streaming:
        raise Refusal("streaming_state_conflict")
    content = read_content(parts, args, most_text=_MOST_UPDATED_TEXT)
    body = dict(message.body)
    if content.text is not None:
        body["text"] = content.text
    for key in ("blocks", "attachments", "metadata"):
        value = getattr(content, key)
        if value:
            body[key] = value
        elif value is not None:
            body.pop(key, None)
    if not body["text"] and not body.get("blocks") and not body.get("attachments"):
        raise Refusal("no_text")
    if args.flag("reply_broadcast") and message.thread_ts:
        body["subtype"] = "thread_broadcast"
    body["edited"] = {"user": people.BOT_USER_ID, "ts": f"{int(parts.clock.now())}.000000"}
    after = parts.chat.replace(message, body=body, tasks=_kept_tasks(message, body))
    return {
        "ok": True, "channel": channel.id, "ts": message.ts, "text": body["text"],
        "message": parts.chat.wire(after, metadata=True),
    }  # fmt: skip


async def delete(parts: Parts, args: Args) -> Json:
    """Delete a message of the bot."""
    channel = parts.joined(args.text("channel"))
    message = parts.chat.get(channel.id, args.text("ts"))
    _refuse_foreign(message, "cant_delete_message")
    parts.streams.pop((channel.id, message.ts), None)
    parts.chat.delete(message)
    return {"ok": True, "channel": channel.id, "ts": message.ts}


async def post_ephemeral(parts: Parts, args: Args) -> Json:
    """Show a message to one member of the channel."""
    channel = parts.writable(args.text("channel"), args.text("thread_ts"))
    user_id = args.text("user")
    if user_id not in channel.members:
        raise Refusal("user_not_in_channel")
    content = read_content(parts, args)
    if content.is_empty:
        raise Refusal("no_text")
    body = bot_body(parts, args) | content_body(content)
    if args.text("thread_ts"):
        body["thread_ts"] = thread_parent(parts, channel.id, args.text("thread_ts")).ts
    message = parts.chat.whisper(channel.id, user_id, body)
    return {"ok": True, "message_ts": message.ts}


async def get_permalink(parts: Parts, args: Args) -> Json:
    """The address of a message on the local page."""
    channel = parts.chat.channel(args.text("channel"))
    message = parts.chat.get(channel.id, args.text("message_ts"))
    place = f"{channel.id}/{message.thread_ts or message.ts}"
    return {"ok": True, "channel": channel.id, "permalink": f"{parts.base_url}/#{place}"}


def thread_parent(parts: Parts, channel_id: str, thread_ts: str) -> Message:
    """The message a thread hangs on. Stricter than Slack, which lets replies dangle."""
    if not is_ts(thread_ts):
        raise Refusal("invalid_thread_ts")
    parent = parts.chat.find(channel_id, thread_ts)
    if parent is None or parent.only_for:
        raise Refusal("thread_not_found")
    if parent.thread_ts:
        message = f"{thread_ts!r} is itself a reply; use its parent's ts {parent.thread_ts!r}"
        raise Refusal("cannot_reply_to_message", message)
    return parent


def _target(parts: Parts, name: str, thread_ts: str) -> Channel:
    """Where to post: a channel id or name, or a person's id for their direct message."""
    if name in parts.chat.people:
        return parts.writable(parts.chat.direct(name).id, thread_ts)
    channel = parts.chat.find_channel(name)
    return parts.writable(channel.id if channel else name, thread_ts)


def _refuse_foreign(message: Message, code: str) -> None:
    if message.author != people.BOT_USER_ID or message.body.get("subtype") == "tombstone":
        raise Refusal(code)


def _kept_tasks(message: Message, body: Json) -> tuple[Json, ...]:
    """A rewritten message keeps its task list only as far as its blocks still show it."""
    shown = {b.get("task_id") for b in body.get("blocks", []) if b.get("type") == "task_card"}
    return tuple(task for task in message.tasks if task["id"] in shown)
