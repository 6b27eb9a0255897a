"""conversations.create, invite, archive: what changes a channel."""

import re

from sandbox.slack.chat import people
from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.conversations import channel_wire
from sandbox.slack.parts import Parts

_MOST_NAME = 80
_MOST_INVITED = 1_000
_NAME = re.compile(r"^[\w-]+$")


async def create(parts: Parts, args: Args) -> Json:
    """Make a public channel, with the bot in it."""
    name = args.text("name")
    if len(name) > _MOST_NAME:
        raise Refusal("invalid_name_maxlength")
    if not name.strip("-_"):
        raise Refusal("invalid_name_punctuation")
    if not _NAME.match(name) or name != name.lower():
        raise Refusal("invalid_name_specials")
    if args.flag("is_private"):
        raise Refusal("restricted_action", "the local Slack has no private channels")
    if parts.chat.find_channel(name) is not None:
        raise Refusal("name_taken")
    return {"ok": True, "channel": channel_wire(parts, parts.chat.create_channel(name))}


async def invite(parts: Parts, args: Args) -> Json:
    """Bring people into a channel; one who cannot come keeps the others out, unless forced."""
    channel = parts.chat.channel(args.text("channel"))
    if channel.is_archived:
        raise Refusal("is_archived")
    parts.joined(channel.id)
    if channel.is_im:
        raise Refusal("method_not_supported_for_channel_type")
    users = [user.strip() for user in args.text("users").split(",") if user.strip()]
    if not users or len(users) > _MOST_INVITED:
        raise Refusal("no_user" if not users else "invalid_arguments")
    refusals = {user: _why_not(parts, channel.members, user) for user in users}
    wrong = [(user, why) for user, why in refusals.items() if why]
    if wrong and not (args.flag("force") and len(wrong) < len(users)):
        errors = [{"user": user, "ok": False, "error": why} for user, why in wrong]
        raise Refusal(wrong[0][1], errors=errors)
    for user, why in refusals.items():
        if not why:
            parts.chat.add_member(channel.id, user, by=people.BOT_USER_ID)
    return {"ok": True, "channel": channel_wire(parts, parts.chat.channel(channel.id))}


async def archive(parts: Parts, args: Args) -> Json:
    """Archive a channel: it can be read, and nobody posts there any more."""
    channel = parts.joined(args.text("channel"))
    if channel.is_im:
        raise Refusal("method_not_supported_for_channel_type")
    if channel.id == people.GENERAL:
        raise Refusal("cant_archive_general")
    if channel.is_archived:
        raise Refusal("already_archived")
    parts.chat.archive(channel.id)
    return {"ok": True}


def _why_not(parts: Parts, members: tuple[str, ...], user: str) -> str:
    if user == people.BOT_USER_ID:
        return "cant_invite_self"
    if user not in parts.chat.people:
        return "user_not_found"
    return "already_in_channel" if user in members else ""
