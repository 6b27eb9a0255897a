"""What the bot hears: changes of the chat as Events API payloads, if the manifest subscribes.

A mention in a channel is two events, `app_mention` and `message`; in a direct message one.
"""

from dataclasses import dataclass

from sandbox.slack.chat import people
from sandbox.slack.chat.people import Channel
from sandbox.slack.chat.typed import mentions
from sandbox.slack.chat.wire import Json, mint
from sandbox.slack.chat.workspace import Change, Message
from sandbox.slack.parts import Parts


@dataclass(frozen=True)
class Events:
    """Turns changes into events and hands them to Socket Mode."""

    parts: Parts

    def on_change(self, change: Change) -> None:
        """Tell the bot about a change, where Slack would."""
        channel = self.parts.chat.channel(change.channel)
        bot_left = change.kind == "left" and change.name == people.BOT_USER_ID
        if people.BOT_USER_ID not in channel.members and not bot_left:
            return
        if change.message is not None and change.message.only_for:
            return
        if change.kind == "posted" and change.message is not None:
            self._posted(channel, change.message)
        elif change.kind in {"edited", "deleted"} and change.message and change.previous:
            self._changed(channel, change.kind, change.message, change.previous)
        elif change.kind == "reacted" and change.message is not None:
            self._reacted(channel, change, change.message)
        elif change.kind in {"joined", "left"}:
            self._moved(channel, change)

    def app_home_opened(self, user_id: str, tab: str, view: Json | None) -> None:
        """Somebody opened the bot's Home or messages."""
        channel = self.parts.chat.direct(user_id)
        event: Json = {
            "type": "app_home_opened", "user": user_id, "channel": channel.id, "tab": tab,
            "event_ts": self.parts.chat.next_ts(channel.id),
        }  # fmt: skip
        if view:
            event["view"] = view
        self._send("app_home_opened", channel, event)

    def assistant_started(self, user_id: str, root: Message) -> None:
        """Somebody opened the assistant pane."""
        channel = self.parts.chat.direct(user_id)
        thread = {
            "user_id": user_id, "channel_id": channel.id, "thread_ts": root.ts, "context": {},
        }  # fmt: skip
        event = {
            "type": "assistant_thread_started", "assistant_thread": thread, "event_ts": root.ts,
        }  # fmt: skip
        self._send("assistant_thread_started", channel, event)

    def agent_stopped(
        self, user_id: str, channel: Channel, thread_ts: str, ended: list[str]
    ) -> None:
        """Somebody pressed Slack's stop button of an agent at work."""
        event = {
            "type": "agent_session_stopped", "user": user_id, "channel": channel.id,
            "thread_ts": thread_ts, "streaming_message_ts": ended,
            "event_ts": self.parts.chat.next_ts(channel.id),
        }  # fmt: skip
        self._send("agent_session_stopped", channel, event)

    # ------------------------------------------------------------------ inside

    def _posted(self, channel: Channel, message: Message) -> None:
        shown = self.parts.chat.wire(message, metadata=True)
        shown = {k: v for k, v in shown.items() if k != "type"}
        event = {"type": "message", **shown, "channel": channel.id, "event_ts": message.ts}
        event |= {"channel_type": "im" if channel.is_im else "channel"}
        mentioned = mentions(str(message.body.get("text", "")), people.BOT_USER_ID)
        if mentioned and not channel.is_im and message.author != people.BOT_USER_ID:
            mention = {k: v for k, v in event.items() if k != "channel_type"}
            self._send("app_mention", channel, mention | {"type": "app_mention"})
        self._send(_message_subscription(channel), channel, event)

    def _changed(self, channel: Channel, kind: str, message: Message, previous: Message) -> None:
        chat = self.parts.chat
        event: Json = {
            "type": "message", "hidden": True, "channel": channel.id,
            "channel_type": "im" if channel.is_im else "channel",
            "previous_message": chat.wire(previous, metadata=True),
            "ts": chat.next_ts(channel.id),
        }  # fmt: skip
        event["event_ts"] = event["ts"]
        if kind == "edited":
            event |= {"subtype": "message_changed", "message": chat.wire(message, metadata=True)}
        else:
            event |= {"subtype": "message_deleted", "deleted_ts": previous.ts}
        self._send(_message_subscription(channel), channel, event)

    def _reacted(self, channel: Channel, change: Change, message: Message) -> None:
        kind = "reaction_added" if change.added else "reaction_removed"
        event = {
            "type": kind, "user": change.by, "reaction": change.name, "item_user": message.author,
            "item": {"type": "message", "channel": channel.id, "ts": message.ts},
            "event_ts": self.parts.chat.next_ts(channel.id),
        }  # fmt: skip
        self._send(kind, channel, event)

    def _moved(self, channel: Channel, change: Change) -> None:
        kind = "member_joined_channel" if change.kind == "joined" else "member_left_channel"
        event: Json = {
            "type": kind, "user": change.name, "channel": channel.id, "channel_type": "C",
            "team": people.TEAM_ID, "event_ts": self.parts.chat.next_ts(channel.id),
        }  # fmt: skip
        if change.kind == "joined" and change.by != change.name:
            event["inviter"] = change.by
        self._send(kind, channel, event)

    def _send(self, subscription: str, channel: Channel, event: Json) -> None:
        if not self.parts.manifest.receives(subscription):
            return
        enterprise = people.ENTERPRISE_ID if self.parts.tenant.grid else None
        bot = {
            "enterprise_id": enterprise, "team_id": people.TEAM_ID, "user_id": people.BOT_USER_ID,
            "is_bot": True, "is_enterprise_install": False,
        }  # fmt: skip
        payload = {
            "token": "local-slack", "team_id": people.TEAM_ID, "context_team_id": people.TEAM_ID,
            "context_enterprise_id": enterprise, "api_app_id": people.APP_ID, "event": event,
            "type": "event_callback", "event_id": mint("Ev"),
            "event_time": int(float(event["event_ts"])), "authorizations": [bot],
            "is_ext_shared_channel": channel.is_shared, "event_context": f"4-{mint('', 24)}",
        }  # fmt: skip
        if enterprise:
            payload["enterprise_id"] = enterprise
        self.parts.socket.send_event(payload)


def _message_subscription(channel: Channel) -> str:
    return "message.im" if channel.is_im else "message.channels"
