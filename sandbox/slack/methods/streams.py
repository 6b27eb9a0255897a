"""chat.startStream, appendStream, stopStream: one message that grows while it is written.

    start ──> streaming ──append*──> streaming ──stop──> finished
                        ├── about five minutes later ──> finished by Slack itself
                        └── a person stops the agent ──> `stopped_by_user`

A stream grows by `markdown_text` or by `chunks`, never by both. `task_update` replaces a task's
title and status and *appends* to its details, as Slack does.
"""

import asyncio
from typing import Any

from sandbox.slack.blockkit import MOST_IN_MESSAGE, MOST_MARKDOWN
from sandbox.slack.chat import people
from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.chat.workspace import Message
from sandbox.slack.identity import name_blocks
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.chat import thread_parent
from sandbox.slack.methods.content import bot_body, judge_blocks, read_content
from sandbox.slack.parts import OpenStream, Parts

_STATUSES = frozenset({"pending", "in_progress", "complete", "error"})
_MODES = ("timeline", "plan", "dense")
_MOST_TASK_TEXT = 256  # characters of a task's id, title, details and output, each time


async def start_stream(parts: Parts, args: Args) -> Json:
    """Begin a streaming reply in a thread."""
    thread_ts = args.text("thread_ts")
    channel = parts.writable(args.text("channel"), thread_ts)
    if args.has("metadata"):
        raise Refusal("invalid_arguments", "invalid additional property: metadata")
    if args.text("task_display_mode", "timeline") not in _MODES:
        pointer = "[json-pointer:/task_display_mode]"
        raise Refusal("invalid_arguments", f"must be one of {', '.join(_MODES)} {pointer}")
    parent = thread_parent(parts, channel.id, thread_ts)
    if not channel.is_im:
        for name in ("recipient_team_id", "recipient_user_id"):
            if not args.text(name):
                raise Refusal(f"missing_{name}")
        if parts.chat.person(args.text("recipient_user_id")).id not in channel.members:
            raise Refusal("user_not_in_channel")
    body = bot_body(parts, args) | {
        "text": "", "blocks": [], "thread_ts": parent.ts, "parent_user_id": parent.author,
    }  # fmt: skip
    stream = OpenStream()
    blocks, text, tasks = _grown(parts, stream, _chunks(args, stream), [], "", ())
    message = parts.chat.post(channel.id, body | {"blocks": blocks, "text": text}, streaming=True)
    if tasks:
        message = parts.chat.replace(message, "streamed", tasks=tasks)
    parts.streams[channel.id, message.ts] = stream
    loop = asyncio.get_running_loop()
    loop.call_later(parts.stream_seconds, end_stream, parts, channel.id, message.ts)
    parts.set_status(channel.id, parent.ts, "")
    return {"ok": True, "channel": channel.id, "ts": message.ts}


async def append_stream(parts: Parts, args: Args) -> Json:
    """Add text, tasks or blocks to a stream."""
    if (args.text("channel"), args.text("ts")) in parts.stopped:
        raise Refusal("stopped_by_user")
    message, stream = _streaming(parts, args)
    chunks = _chunks(args, stream)
    if not chunks:
        raise Refusal("markdown_text_or_chunks_required")
    old = message.body
    blocks, text, tasks = _grown(parts, stream, chunks, old["blocks"], old["text"], message.tasks)
    body = {**old, "blocks": blocks, "text": text}
    parts.chat.replace(message, "streamed", body=body, tasks=tasks)
    return {"ok": True, "channel": message.channel, "ts": message.ts}


async def stop_stream(parts: Parts, args: Args) -> Json:
    """Finish a stream, with blocks below the text and metadata if wanted."""
    message, stream = _streaming(parts, args)
    old, chunks = message.body, _chunks(args, stream)
    blocks, text, tasks = _grown(parts, stream, chunks, old["blocks"], old["text"], message.tasks)
    below = args.structure("blocks", "invalid_blocks_format")
    if isinstance(below, list) and len(below) > MOST_IN_MESSAGE:
        raise Refusal("msg_blocks_too_many")
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


def end_stream(parts: Parts, channel_id: str, ts: str) -> None:
    """End a stream that was not stopped in time."""
    if parts.streams.pop((channel_id, ts), None) is not None:
        parts.chat.replace(parts.chat.get(channel_id, ts), streaming=False)


def _streaming(parts: Parts, args: Args) -> tuple[Message, OpenStream]:
    channel = parts.joined(args.text("channel"))
    message = parts.chat.get(channel.id, args.text("ts"))
    parts.writable(channel.id, message.thread_ts or "")
    if message.author != people.BOT_USER_ID:
        raise Refusal("message_not_owned_by_app")
    stream = parts.streams.get((channel.id, message.ts))
    if stream is None:
        raise Refusal("message_not_in_streaming_state")
    return message, stream


def _grown(
    parts: Parts,
    stream: OpenStream,
    chunks: list[Json],
    blocks: list[Json],
    text: str,
    tasks: tuple[Json, ...],
) -> tuple[list[Json], str, tuple[Json, ...]]:
    """The stream's blocks, text and tasks after what this call adds."""
    for chunk in chunks:
        kind = chunk.get("type")
        if kind == "markdown_text":
            added = _string(chunk, "text", MOST_MARKDOWN, "msg_too_long")
            text += added
            blocks = _with_markdown(blocks, added)
        elif kind == "task_update":
            tasks = _with_task(tasks, chunk)
            blocks = _with_card(blocks, next(t for t in tasks if t["id"] == chunk["id"]))
        elif kind == "plan_update":
            title = _string(chunk, "title", _MOST_TASK_TEXT)
            plain = [b for b in blocks if b["type"] != "plan"]
            blocks = [*name_blocks([{"type": "plan", "title": title}]), *plain]
        elif kind == "blocks":
            given = chunk.get("blocks")
            stream.blocks += len(given) if isinstance(given, list) else 0
            if stream.blocks > MOST_IN_MESSAGE:
                raise Refusal("msg_blocks_too_many")
            blocks = [*blocks, *(judge_blocks(parts, given) or [])]
        else:
            raise Refusal("invalid_chunks", f"unsupported type: {kind}")
    return blocks, text, tasks


def _chunks(args: Args, stream: OpenStream) -> list[Json]:
    """What a call adds; the first that adds anything decides the stream's mode."""
    chunks: Any = args.structure("chunks", "invalid_chunks")
    if args.has("chunks") and args.has("markdown_text"):
        raise Refusal("cannot_provide_both_markdown_text_and_chunks")
    if chunks is not None and (
        not isinstance(chunks, list) or not all(isinstance(c, dict) for c in chunks)
    ):
        raise Refusal("invalid_chunks")
    markdown = args.text("markdown_text")
    if markdown:
        chunks = [{"type": "markdown_text", "text": markdown}]
    if not chunks:
        return []
    mode = "markdown_text" if markdown else "chunks"
    if stream.mode not in {"", mode}:
        raise Refusal("streaming_mode_mismatch")
    stream.mode = mode
    return list(chunks)


def _string(chunk: Json, key: str, most: int, refusal: str = "invalid_chunks") -> str:
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
    task_id = _string(chunk, "id", _MOST_TASK_TEXT)
    title = _string(chunk, "title", _MOST_TASK_TEXT)
    for key in ("details", "output"):
        if chunk.get(key):
            _string(chunk, key, _MOST_TASK_TEXT)
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
