"""conversations.*: what channels exist, who is in them, what was said."""

from sandbox.slack.chat import people
from sandbox.slack.chat.people import Channel
from sandbox.slack.chat.wire import Json, Refusal, is_ts, micros_from_ts
from sandbox.slack.chat.workspace import Message
from sandbox.slack.limits import DISTRIBUTED_PAGE
from sandbox.slack.methods.args import Args
from sandbox.slack.parts import Parts, conversations, page_of

_KINDS = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}


async def list_(parts: Parts, args: Args) -> Json:
    """Conversations of the asked types."""
    types = [t.strip() for t in args.text("types", "public_channel").split(",")]
    for kind in types:
        if kind not in _KINDS:
            raise Refusal("invalid_types")
        parts.need_scope(f"{_KINDS[kind]}:read")
    wanted = [
        channel_wire(parts, c)
        for c in conversations(parts.chat)
        if ("im" if c.is_im else "public_channel") in types
        and (not c.is_im or people.BOT_USER_ID in c.members)
        and not (c.is_archived and args.flag("exclude_archived"))
    ]
    shown, cursor = page_of(wanted, args.number("limit", 100, 1000), args.text("cursor"))
    return {"ok": True, "channels": shown, "response_metadata": {"next_cursor": cursor}}


async def info(parts: Parts, args: Args) -> Json:
    """One conversation."""
    channel = parts.chat.channel(args.text("channel"))
    parts.need_scope(_scope(channel, "read"))
    shown = channel_wire(parts, channel)
    if args.flag("include_num_members"):
        shown["num_members"] = len(channel.members)
    return {"ok": True, "channel": shown}


async def history(parts: Parts, args: Args) -> Json:
    """Top-level messages, newest first."""
    channel = parts.chat.channel(args.text("channel"))
    parts.need_scope(_scope(channel, "history"))
    parts.joined(channel.id)
    window = _window(args, parts.chat.top_level(channel.id))
    return _listing(parts, args, window[::-1])


async def replies(parts: Parts, args: Args) -> Json:
    """A thread: its parent, then the replies, oldest first."""
    channel = parts.chat.channel(args.text("channel"))
    parts.need_scope(_scope(channel, "history"))
    parts.joined(channel.id)
    if not is_ts(args.text("ts")):
        raise Refusal("invalid_ts" if args.text("ts") else "thread_not_found")
    message = parts.chat.find(channel.id, args.text("ts"))
    if message is None or message.only_for:
        raise Refusal("thread_not_found")
    if message.thread_ts:
        message = parts.chat.get(channel.id, message.thread_ts)
    window = _window(args, parts.chat.replies(channel.id, message.ts))
    return _listing(parts, args, [message, *window])


async def members(parts: Parts, args: Args) -> Json:
    """Ids of the people in a conversation."""
    channel = parts.chat.channel(args.text("channel"))
    parts.need_scope(_scope(channel, "read"))
    everyone = [{"id": member} for member in channel.members]
    shown, cursor = page_of(everyone, args.number("limit", 100, 1000), args.text("cursor"))
    ids = [member["id"] for member in shown]
    return {"ok": True, "members": ids, "response_metadata": {"next_cursor": cursor}}


async def open_(parts: Parts, args: Args) -> Json:
    """The direct message with one person."""
    if args.text("channel"):
        channel = parts.joined(args.text("channel"))
        return {"ok": True, "channel": {"id": channel.id}, "no_op": True, "already_open": True}
    users = [u.strip() for u in args.text("users").split(",") if u.strip()]
    if not users:
        raise Refusal("users_list_not_supplied")
    if len(users) > 1:
        parts.need_scope("mpim:write")
        raise Refusal("invalid_user_combination", "the local Slack has no group messages")
    known = {c.id for c in parts.chat.channels.values()}
    channel = parts.chat.direct(users[0])
    shown = channel_wire(parts, channel) if args.flag("return_im") else {"id": channel.id}
    opened = channel.id in known
    return {"ok": True, "channel": shown, "no_op": opened, "already_open": opened}


def channel_wire(parts: Parts, channel: Channel) -> Json:
    """A conversation as Slack shows it to the bot."""
    shared: Json = {
        "id": channel.id, "created": 1_700_000_000, "is_archived": channel.is_archived,
        "is_im": channel.is_im, "is_org_shared": False, "context_team_id": people.TEAM_ID,
    }  # fmt: skip
    if parts.tenant.grid:
        shared["enterprise_id"] = people.ENTERPRISE_ID
    if channel.is_im:
        return shared | {"user": channel.members[0], "is_user_deleted": False, "priority": 0}
    return shared | {
        "name": channel.name, "name_normalized": channel.name, "is_channel": True,
        "is_group": False, "is_mpim": False, "is_private": False,
        "is_general": channel.id == people.GENERAL, "is_shared": channel.is_shared,
        "is_ext_shared": channel.is_shared, "is_member": people.BOT_USER_ID in channel.members,
        "creator": people.ALICE, "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": people.ALICE, "last_set": 1_700_000_000},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }  # fmt: skip


def _scope(channel: Channel, verb: str) -> str:
    return f"{'im' if channel.is_im else 'channels'}:{verb}"


def _window(args: Args, messages: list[Message]) -> list[Message]:
    oldest, latest = args.moment("oldest"), args.moment("latest")
    inclusive = args.flag("inclusive")
    low = micros_from_ts(oldest) if oldest else -1
    high = micros_from_ts(latest) if latest else None

    def inside(message: Message) -> bool:
        at = micros_from_ts(message.ts)
        if inclusive:
            return at >= low and (high is None or at <= high)
        return at > low and (high is None or at < high)

    return [message for message in messages if inside(message)]


def _listing(parts: Parts, args: Args, messages: list[Message]) -> Json:
    metadata = args.flag("include_all_metadata")
    everything = [parts.chat.wire(message, metadata=metadata) for message in messages]
    limit = args.number("limit", 100, 999)
    if parts.tenant.distributed:
        limit = min(limit, DISTRIBUTED_PAGE)
    shown, cursor = page_of(everything, limit, args.text("cursor"))
    answer: Json = {"ok": True, "messages": shown, "has_more": bool(cursor)}
    if cursor:
        answer["response_metadata"] = {"next_cursor": cursor}
    return answer
