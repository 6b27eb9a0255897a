"""chat.startStream, appendStream, stopStream: one message that grows while it is written.

    start ──> streaming ──append*──> streaming ──stop──> finished
                        └── about five minutes later ──> finished by Slack itself

`task_update` replaces a task's title and status and *appends* to its details, as Slack does.
"""

import asyncio
from typing import Any

from sandbox.slack import people
from sandbox.slack.blockkit import MOST_MARKDOWN
from sandbox.slack.identity import name_blocks
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.chat import thread_parent
from sandbox.slack.methods.content import bot_body, judge_blocks, read_content
from sandbox.slack.parts import Parts
from sandbox.slack.wire import Json, Refusal
from sandbox.slack.workspace import Message

_STATUSES = frozenset({"pending", "in_progress", "complete", "error"})
_MOST_TITLE = 256


async def start_stream(parts: Parts, args: Args) -> Json:
    """Begin a streaming reply in a thread."""
    channel = parts.joined(args.text("channel"))
    if args.has("metadata"):
        raise Refusal("invalid_arguments", "invalid additional property: metadata")
    mode = args.text("task_display_mode", "timeline")
    if mode not in {"timeline", "plan"}:
        raise Refusal(
            "invalid_arguments", "must be timeline or plan [json-pointer:/task_display_mode]"
        )
    parent = thread_parent(parts, channel.id, args.text("thread_ts"))
    if not channel.is_im:
        for name in ("recipient_team_id", "recipient_user_id"):
            if not args.text(name):
                raise Refusal(f"missing_{name}")
        if args.text("recipient_user_id") not in channel.members:
            raise Refusal("user_not_in_channel")
    body = bot_body(parts, args) | {
        "text": "", "blocks": [], "thread_ts": parent.ts, "parent_user_id": parent.author,
    }  # fmt: skip
    blocks, text, tasks = _grown(parts, args, [], "", ())
    message = parts.chat.post(channel.id, body | {"blocks": blocks, "text": text}, streaming=True)
    if tasks:
        message = parts.chat.replace(message, "streamed", tasks=tasks)
    loop = asyncio.get_running_loop()
    parts.streams[channel.id, message.ts] = loop.time()
    loop.call_later(parts.stream_seconds, _end, parts, channel.id, message.ts)
    parts.set_status(channel.id, parent.ts, "")
    return {"ok": True, "channel": channel.id, "ts": message.ts}


async def append_stream(parts: Parts, args: Args) -> Json:
    """Add text, tasks or blocks to a stream."""
    message = _streaming(parts, args)
    if not args.text("markdown_text") and not args.structure("chunks"):
        raise Refusal("no_text")
    old = message.body
    blocks, text, tasks = _grown(parts, args, old["blocks"], old["text"], message.tasks)
    body = {**old, "blocks": blocks, "text": text}
    parts.chat.replace(message, "streamed", body=body, tasks=tasks)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


async def stop_stream(parts: Parts, args: Args) -> Json:
    """Finish a stream, with blocks below the text and metadata if wanted."""
    message = _streaming(parts, args)
    old = message.body
    blocks, text, tasks = _grown(parts, args, old["blocks"], old["text"], message.tasks)
    content = read_content(parts, Args({k: args.given.get(k) for k in ("blocks", "metadata")}))
    body = {**old, "blocks": [*blocks, *(content.blocks or [])], "text": text}
    if not body["blocks"] and not tasks:
        raise Refusal("no_text")
    if content.metadata:
        body["metadata"] = content.metadata
    parts.streams.pop((message.channel, message.ts), None)
    after = parts.chat.replace(message, "edited", body=body, tasks=tasks, streaming=False)
    shown = parts.chat.wire(after, metadata=True)
    return {"ok": True, "channel": message.channel, "ts": message.ts, "message": shown}


def _end(parts: Parts, channel_id: str, ts: str) -> None:
    """Slack ends a stream that was not stopped in time."""
    if parts.streams.pop((channel_id, ts), None) is not None:
        parts.chat.replace(parts.chat.get(channel_id, ts), streaming=False)


def _streaming(parts: Parts, args: Args) -> Message:
    channel = parts.joined(args.text("channel"))
    message = parts.chat.get(channel.id, args.text("ts"))
    if message.author != people.BOT_USER_ID:
        raise Refusal("message_not_owned_by_app")
    if (channel.id, message.ts) not in parts.streams:
        raise Refusal("message_not_in_streaming_state")
    return message


def _grown(
    parts: Parts, args: Args, blocks: list[Json], text: str, tasks: tuple[Json, ...]
) -> tuple[list[Json], str, tuple[Json, ...]]:
    """The stream's blocks, text and tasks after what this call adds."""
    for chunk in _chunks(args):
        kind = chunk.get("type")
        if kind == "markdown_text":
            added = _string(chunk, "text", MOST_MARKDOWN, "msg_too_long")
            text += added
            blocks = _with_markdown(blocks, added)
        elif kind == "task_update":
            tasks = _with_task(tasks, chunk)
            blocks = _with_card(blocks, next(t for t in tasks if t["id"] == chunk["id"]))
        elif kind == "plan_update":
            title = _string(chunk, "title", _MOST_TITLE, "msg_too_long")
            plain = [b for b in blocks if b["type"] != "plan"]
            blocks = [*name_blocks([{"type": "plan", "title": title}]), *plain]
        elif kind == "blocks":
            blocks = [*blocks, *(judge_blocks(parts, chunk.get("blocks")) or [])]
        else:
            raise Refusal("invalid_chunks", f"unsupported type: {kind}")
    return blocks, text, tasks


def _chunks(args: Args) -> list[Json]:
    chunks: Any = args.structure("chunks", "invalid_chunks")
    if chunks is None:
        chunks = []
    if not isinstance(chunks, list) or not all(isinstance(c, dict) for c in chunks):
        raise Refusal("invalid_chunks")
    markdown = args.text("markdown_text")
    if markdown and chunks:
        raise Refusal("invalid_arguments", "markdown_text and chunks exclude each other")
    return [{"type": "markdown_text", "text": markdown}] if markdown else chunks


def _string(chunk: Json, key: str, most: int, refusal: str) -> str:
    value = chunk.get(key)
    if not isinstance(value, str) or not value:
        raise Refusal("invalid_chunks", f"missing required field: {key}")
    if len(value) > most:
        raise Refusal(refusal)
    return value


def _with_markdown(blocks: list[Json], added: str) -> list[Json]:
    if blocks and blocks[-1]["type"] == "markdown":
        return [*blocks[:-1], {**blocks[-1], "text": blocks[-1]["text"] + added}]
    return [*blocks, *name_blocks([{"type": "markdown", "text": added}])]


def _with_task(tasks: tuple[Json, ...], chunk: Json) -> tuple[Json, ...]:
    task_id = _string(chunk, "id", 255, "invalid_chunks")
    title = _string(chunk, "title", _MOST_TITLE, "msg_too_long")
    if chunk.get("status") not in _STATUSES:
        message = f"status must be one of {', '.join(sorted(_STATUSES))}"
        raise Refusal("invalid_chunks", f"{message}; got {chunk.get('status')!r}")
    old = next((task for task in tasks if task["id"] == task_id), {})
    task = {
        "id": task_id, "title": title, "status": chunk["status"],
        "details": (old.get("details") or "") + (chunk.get("details") or ""),
        "output": chunk.get("output") or old.get("output") or "",
        "sources": chunk.get("sources") or old.get("sources") or [],
    }  # fmt: skip
    if not old:
        return (*tasks, task)
    return tuple(task if known["id"] == task_id else known for known in tasks)


def _with_card(blocks: list[Json], task: Json) -> list[Json]:
    card: Json = {
        "type": "task_card", "task_id": task["id"], "title": task["title"],
        "status": task["status"],
    }  # fmt: skip
    for key in ("details", "output"):
        if task[key]:
            section = {
                "type": "rich_text_section",
                "elements": [{"type": "text", "text": task[key]}],
            }
            card[key] = {"type": "rich_text", "elements": [section]}
    if task["sources"]:
        card["sources"] = task["sources"]
    for index, block in enumerate(blocks):
        if block["type"] == "task_card" and block["task_id"] == task["id"]:
            return [*blocks[:index], card | {"block_id": block["block_id"]}, *blocks[index + 1 :]]
    return [*blocks, *name_blocks([card])]
