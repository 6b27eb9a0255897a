"""The closed list of Web API methods: what each needs and who runs it. Others: `unknown_method`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sandbox.slack.methods import chat, conversations, members, rest, streams
from sandbox.slack.methods.args import Args
from sandbox.slack.parts import Parts
from sandbox.slack.wire import Json

Run = Callable[[Parts, Args], Awaitable[Json]]


@dataclass(frozen=True)
class Method:
    """One Web API method.

    Attributes:
        scopes: the caller needs one of these; methods that depend on the channel check themselves.
        required: arguments without which the call is refused.
        token: `bot` or `app`.
    """

    run: Run
    scopes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    token: str = "bot"


_WRITE = ("chat:write",)
_ASSISTANT = ("assistant:write",)

METHODS: dict[str, Method] = {
    "auth.test": Method(members.auth_test),
    "apps.connections.open": Method(members.connections_open, token="app"),
    "chat.postMessage": Method(chat.post_message, _WRITE, ("channel",)),
    "chat.update": Method(chat.update, _WRITE, ("channel", "ts")),
    "chat.delete": Method(chat.delete, _WRITE, ("channel", "ts")),
    "chat.postEphemeral": Method(chat.post_ephemeral, _WRITE, ("channel", "user")),
    "chat.getPermalink": Method(chat.get_permalink, (), ("channel", "message_ts")),
    "chat.startStream": Method(streams.start_stream, _WRITE, ("channel", "thread_ts")),
    "chat.appendStream": Method(streams.append_stream, _WRITE, ("channel", "ts")),
    "chat.stopStream": Method(streams.stop_stream, _WRITE, ("channel", "ts")),
    "conversations.list": Method(conversations.list_),
    "conversations.info": Method(conversations.info, (), ("channel",)),
    "conversations.history": Method(conversations.history, (), ("channel",)),
    "conversations.replies": Method(conversations.replies, (), ("channel", "ts")),
    "conversations.members": Method(conversations.members, (), ("channel",)),
    "conversations.open": Method(conversations.open_, ("im:write",)),
    "users.info": Method(members.users_info, ("users:read",), ("user",)),
    "users.list": Method(members.users_list, ("users:read",)),
    "users.lookupByEmail": Method(members.lookup_by_email, ("users:read.email",), ("email",)),
    "usergroups.users.list": Method(members.group_users, ("usergroups:read",), ("usergroup",)),
    "views.open": Method(rest.views_open, (), ("trigger_id", "view")),
    "views.push": Method(rest.views_push, (), ("trigger_id", "view")),
    "views.update": Method(rest.views_update, (), ("view",)),
    "views.publish": Method(rest.views_publish, (), ("user_id", "view")),
    "reactions.add": Method(
        rest.reactions_add, ("reactions:write",), ("channel", "timestamp", "name")
    ),
    "reactions.remove": Method(
        rest.reactions_remove, ("reactions:write",), ("channel", "timestamp", "name")
    ),
    "reactions.get": Method(rest.reactions_get, ("reactions:read",), ("channel", "timestamp")),
    "files.getUploadURLExternal": Method(rest.upload_url, ("files:write",), ("filename", "length")),
    "files.completeUploadExternal": Method(rest.complete_upload, ("files:write",), ("files",)),
    "files.info": Method(rest.file_info, ("files:read",), ("file",)),
    "assistant.threads.setStatus": Method(
        rest.set_status, ("assistant:write", "chat:write"), ("channel_id", "thread_ts")
    ),
    "assistant.threads.setTitle": Method(
        rest.set_title, _ASSISTANT, ("channel_id", "thread_ts", "title")
    ),
    "assistant.threads.setSuggestedPrompts": Method(
        rest.set_suggested_prompts, _ASSISTANT, ("channel_id", "prompts")
    ),
}
