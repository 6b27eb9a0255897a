"""assistant.threads.*: what a person sees of an agent at work, and may ask it."""

from typing import Any

from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.chat.workspace import Message
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.chat import thread_parent
from sandbox.slack.parts import Parts

_MOST_PROMPTS = 4
_MOST_LOADING = 10


async def set_status(parts: Parts, args: Args) -> Json:
    """Say what the bot is doing in a thread; empty text clears it."""
    channel = parts.joined(args.text("channel_id"))
    parent = _thread(parts, channel.id, args.text("thread_ts"))
    loading = args.structure("loading_messages") or []
    if not isinstance(loading, list) or len(loading) > _MOST_LOADING:
        raise Refusal("invalid_arguments", "no more than 10 items allowed")
    parts.set_status(channel.id, parent.ts, args.text("status"))
    return {"ok": True}


async def set_title(parts: Parts, args: Args) -> Json:
    """Name an assistant thread."""
    channel = parts.joined(args.text("channel_id"))
    if not channel.is_im:
        raise Refusal("method_not_supported_for_channel_type")
    message = _thread(parts, channel.id, args.text("thread_ts"))
    body = {**message.body, "assistant_app_thread": {"title": args.text("title")}}
    parts.chat.replace(message, "streamed", body=body)
    return {"ok": True}


async def set_suggested_prompts(parts: Parts, args: Args) -> Json:
    """Offer up to four prompts in a thread, or in the messages of an agent."""
    if not parts.manifest.view:
        raise Refusal("not_agent_app")
    channel = parts.joined(args.text("channel_id"))
    if not channel.is_im:
        raise Refusal("method_not_supported_for_channel_type")
    thread_ts = args.text("thread_ts")
    if not thread_ts and parts.manifest.view == "assistant":
        raise Refusal("missing_thread_ts")
    if thread_ts:
        _thread(parts, channel.id, thread_ts)
    prompts: Any = args.structure("prompts")
    complete = isinstance(prompts, list) and all(
        isinstance(p, dict) and p.get("title") and p.get("message") for p in prompts
    )
    if not complete or not 1 <= len(prompts) <= _MOST_PROMPTS:
        message = "must be 1 to 4 objects with title and message [json-pointer:/prompts]"
        raise Refusal("invalid_arguments", message)
    event = {
        "type": "suggested_prompts", "channel": channel.id,
        "thread_ts": thread_ts or None, "prompts": prompts, "title": args.text("title"),
    }  # fmt: skip
    parts.hub.push(channel.members, event)
    return {"ok": True}


def _thread(parts: Parts, channel_id: str, thread_ts: str) -> Message:
    try:
        return thread_parent(parts, channel_id, thread_ts)
    except Refusal as refusal:
        raise Refusal("invalid_thread_ts") from refusal
