"""Answers to interactions that need no token: response URLs and the ack of a slash command."""

from dataclasses import dataclass

from sandbox.slack.chat import people
from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.chat.workspace import Message
from sandbox.slack.methods.args import Args
from sandbox.slack.methods.chat import thread_parent
from sandbox.slack.methods.content import bot_body, content_body, read_content
from sandbox.slack.parts import Parts


@dataclass(frozen=True)
class Responses:
    """Mints response URLs and applies what is sent to them."""

    parts: Parts

    def url(self, channel_id: str, user_id: str, message: Message | None = None) -> str:
        """A fresh response URL for an interaction with (or without) a message."""
        message_ts = message.ts if message else None
        thread_ts = message.thread_ts if message else None
        path = self.parts.triggers.respond_path(channel_id, user_id, message_ts, thread_ts)
        return f"{self.parts.base_url}{path}"

    def use(self, token: str, body: Json) -> None:
        """Apply one answer: replace or delete the original, or say something new."""
        response = self.parts.triggers.use_response(token)
        args = Args(body)
        original = self.parts.chat.find(response.channel, response.message_ts)
        if args.flag("delete_original"):
            self._delete(original)
            return
        if args.flag("replace_original"):
            self._replace(original, args)
            return
        self._say(response.channel, response.user, args)

    def answer_command(self, channel_id: str, user_id: str, answer: Json) -> None:
        """Show what a command's ack carries; an empty ack shows nothing."""
        if answer:
            self._say(channel_id, user_id, Args(answer))

    def _say(self, channel_id: str, user_id: str, args: Args) -> None:
        content = read_content(self.parts, args)
        if content.is_empty:
            raise Refusal("no_text")
        body = bot_body(self.parts, Args({})) | content_body(content)
        if args.text("thread_ts"):
            body["thread_ts"] = thread_parent(self.parts, channel_id, args.text("thread_ts")).ts
        if args.text("response_type", "ephemeral") == "in_channel":
            self.parts.chat.post(channel_id, body)
        else:
            self.parts.chat.whisper(channel_id, user_id, body)

    def _replace(self, original: Message | None, args: Args) -> None:
        message = _own(original)
        content = read_content(self.parts, args)
        if content.is_empty:
            raise Refusal("no_text")
        kept = {k: v for k, v in message.body.items() if k not in {"blocks", "attachments"}}
        body = kept | content_body(content)
        body["edited"] = {"user": people.BOT_USER_ID, "ts": f"{int(self.parts.clock.now())}.000000"}
        self.parts.chat.replace(message, body=body)

    def _delete(self, original: Message | None) -> None:
        self.parts.chat.delete(_own(original))


def _own(original: Message | None) -> Message:
    if original is None:
        raise Refusal("message_not_found")
    if original.author != people.BOT_USER_ID:
        raise Refusal("cant_update_message")
    return original
