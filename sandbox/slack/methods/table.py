"""The closed list of Web API methods: what each needs and who runs it. Others: `unknown_method`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.slack.chat.wire import Json
from sandbox.slack.methods import agents, channels, chat, conversations, members, rest, streams
from sandbox.slack.methods.args import Args
from sandbox.slack.parts import Parts

Run = Callable[[Parts, Args], Awaitable[Json]]


@dataclass(frozen=True)
class Method:
    """One Web API method.

    Attributes:
        tier: how often it may be called (`sandbox.slack.limits`); 0 has limits of its own.
        scopes: the caller needs one of these; methods that depend on the channel check themselves.
        required: arguments without which the call is refused.
        token: `bot` or `app`.
    """

    run: Run
    tier: int = 0
    scopes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    token: str = "bot"


_WRITE = ("chat:write",)
_ASSISTANT = ("assistant:write",)
_MANAGE = ("channels:manage",)
_GROUPS = ("usergroups:read",)
_REACT = ("channel", "timestamp", "name")

METHODS: dict[str, Method] = {
    "auth.test": Method(members.auth_test),
    "apps.connections.open": Method(members.connections_open, 1, token="app"),
    "chat.postMessage": Method(chat.post_message, 0, _WRITE, ("channel",)),
    "chat.update": Method(chat.update, 3, _WRITE, ("channel", "ts")),
    "chat.delete": Method(chat.delete, 3, _WRITE, ("channel", "ts")),
    "chat.postEphemeral": Method(chat.post_ephemeral, 4, _WRITE, ("channel", "user")),
    "chat.getPermalink": Method(chat.get_permalink, 0, (), ("channel", "message_ts")),
    "chat.startStream": Method(streams.start_stream, 2, _WRITE, ("channel", "thread_ts")),
    "chat.appendStream": Method(streams.append_stream, 4, _WRITE, ("channel", "ts")),
    "chat.stopStream": Method(streams.stop_stream, 2, _WRITE, ("channel", "ts")),
    "conversations.list": Method(conversations.list_, 2),
    "conversations.info": Method(conversations.info, 3, (), ("channel",)),
    "conversations.history": Method(conversations.history, 3, (), ("channel",)),
    "conversations.replies": Method(conversations.replies, 3, (), ("channel", "ts")),
    "conversations.members": Method(conversations.members, 4, (), ("channel",)),
    "conversations.open": Method(conversations.open_, 3, ("im:write",)),
    "conversations.create": Method(channels.create, 2, _MANAGE, ("name",)),
    "conversations.invite": Method(
        channels.invite, 3, ("channels:manage", "channels:write.invites"), ("channel",)
    ),
    "conversations.archive": Method(channels.archive, 2, _MANAGE, ("channel",)),
    "users.info": Method(members.users_info, 4, ("users:read",), ("user",)),
    "users.list": Method(members.users_list, 2, ("users:read",)),
    "users.lookupByEmail": Method(members.lookup_by_email, 3, ("users:read.email",), ("email",)),
    "usergroups.list": Method(members.groups_list, 2, _GROUPS),
    "usergroups.users.list": Method(members.group_users, 2, _GROUPS, ("usergroup",)),
    "usergroups.users.update": Method(
        members.group_update, 2, ("usergroups:write",), ("usergroup",)
    ),
    "views.open": Method(rest.views_open, 4, (), ("trigger_id", "view")),
    "views.push": Method(rest.views_push, 4, (), ("trigger_id", "view")),
    "views.update": Method(rest.views_update, 4, (), ("view",)),
    "views.publish": Method(rest.views_publish, 4, (), ("user_id", "view")),
    "reactions.add": Method(rest.reactions_add, 3, ("reactions:write",), _REACT),
    "reactions.remove": Method(rest.reactions_remove, 2, ("reactions:write",), _REACT),
    "reactions.get": Method(rest.reactions_get, 3, ("reactions:read",), ("channel", "timestamp")),
    "files.getUploadURLExternal": Method(
        rest.upload_url, 4, ("files:write",), ("filename", "length")
    ),
    "files.completeUploadExternal": Method(rest.complete_upload, 4, ("files:write",), ("files",)),
    "files.info": Method(rest.file_info, 4, ("files:read",), ("file",)),
    "assistant.threads.setStatus": Method(
        agents.set_status, 0, ("chat:write", "assistant:write"), ("channel_id", "thread_ts")
    ),
    "assistant.threads.setTitle": Method(
        agents.set_title, 0, _ASSISTANT, ("channel_id", "thread_ts", "title")
    ),
    "assistant.threads.setSuggestedPrompts": Method(
        agents.set_suggested_prompts, 4, _ASSISTANT, ("channel_id", "prompts")
    ),
}
