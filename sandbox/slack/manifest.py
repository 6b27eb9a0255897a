"""What the installed app may do, read from a Slack app manifest.

    manifest dict ──read──> Manifest(scopes, events, commands, message shortcuts, tabs, view)

Without a dict the repository's `slack-manifest.yaml` is read; without that file `BUILT_IN` serves.
"""

from dataclasses import dataclass
from pathlib import Path

from sandbox.slack.chat.wire import Json

_FILE = Path(__file__).resolve().parents[2] / "slack-manifest.yaml"

BUILT_IN: Json = {
    "display_information": {"name": "SRE Agent"},
    "features": {
        "bot_user": {"display_name": "sre", "always_online": True},
        "app_home": {"home_tab_enabled": True, "messages_tab_enabled": True},
        "assistant_view": {"assistant_description": "Answers questions about production"},
        "slash_commands": [
            {"command": "/sre", "description": "Talk to SRE Agent", "usage_hint": "help"},
            {"command": "/ask", "description": "Ask about production", "usage_hint": "question"},
            {"command": "/postmortem", "description": "Draft a postmortem", "usage_hint": "[id]"},
        ],
        "shortcuts": [
            {"name": "Ask SRE Agent", "type": "message", "callback_id": "message.ask",
             "description": "Ask about this message"},
            {"name": "Draft a postmortem", "type": "message", "callback_id": "message.postmortem",
             "description": "Draft a postmortem from this thread"},
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "app_mentions:read", "assistant:write", "channels:history", "channels:read",
                "chat:write", "commands", "files:read", "files:write", "im:history", "im:read",
                "im:write", "reactions:read", "reactions:write", "usergroups:read", "users:read",
                "users:read.email",
            ]
        }
    },
    "settings": {
        "event_subscriptions": {
            "bot_events": [
                "app_home_opened", "app_mention", "assistant_thread_context_changed",
                "assistant_thread_started", "member_joined_channel", "message.channels",
                "message.im", "reaction_added", "reaction_removed",
            ]
        },
        "interactivity": {"is_enabled": True},
        "socket_mode_enabled": True,
    },
}  # fmt: skip

EVENT_SCOPES: dict[str, frozenset[str]] = {
    "app_mention": frozenset({"app_mentions:read"}),
    "message.channels": frozenset({"channels:history"}),
    "message.im": frozenset({"im:history"}),
    "reaction_added": frozenset({"reactions:read"}),
    "reaction_removed": frozenset({"reactions:read"}),
    "member_joined_channel": frozenset({"channels:read"}),
    "member_left_channel": frozenset({"channels:read"}),
    "assistant_thread_started": frozenset({"assistant:write"}),
    "assistant_thread_context_changed": frozenset({"assistant:write"}),
    "agent_session_stopped": frozenset({"chat:write"}),
    "app_context_changed": frozenset(),
    "app_home_opened": frozenset(),
}


_OF_ASSISTANTS = frozenset({"assistant_thread_started", "assistant_thread_context_changed"})
_OF_AGENTS = frozenset({"app_context_changed", "agent_session_stopped"})
_OF_ANOTHER_VIEW = {
    "agent": _OF_ASSISTANTS, "assistant": _OF_AGENTS, "": _OF_ASSISTANTS | _OF_AGENTS,
}  # fmt: skip


@dataclass(frozen=True)
class Command:
    """One slash command of the app."""

    command: str
    description: str
    usage_hint: str


@dataclass(frozen=True)
class Shortcut:
    """One message shortcut of the app (the ⋯ menu of a message)."""

    callback_id: str
    name: str


@dataclass(frozen=True)
class Manifest:
    """The parts of an app manifest that decide what Slack allows and sends."""

    scopes: frozenset[str]
    events: frozenset[str]
    commands: tuple[Command, ...]
    shortcuts: tuple[Shortcut, ...]
    home_tab: bool
    messages_tab: bool
    view: str  # "agent" | "assistant" | "": how people meet the app in its messages

    def receives(self, subscription: str) -> bool:
        """Tell whether events of this subscription reach the app: subscribed and in scope."""
        if subscription not in self.events or subscription in _OF_ANOTHER_VIEW[self.view]:
            return False
        return EVENT_SCOPES.get(subscription, frozenset()) <= self.scopes


def read_manifest(manifest: Json | None = None) -> Manifest:
    """Read a manifest dict, or the repository's file, or the built-in one."""
    if manifest is None:
        manifest = _from_file() or BUILT_IN
    features = manifest.get("features") or {}
    settings = manifest.get("settings") or {}
    scopes = ((manifest.get("oauth_config") or {}).get("scopes") or {}).get("bot") or []
    events = (settings.get("event_subscriptions") or {}).get("bot_events") or []
    return Manifest(
        scopes=frozenset(scopes),
        events=frozenset(events),
        commands=tuple(
            Command(c["command"], c.get("description", ""), c.get("usage_hint", ""))
            for c in features.get("slash_commands") or []
        ),
        shortcuts=tuple(
            Shortcut(s["callback_id"], s["name"])
            for s in features.get("shortcuts") or []
            if s.get("type") == "message"
        ),
        home_tab=bool((features.get("app_home") or {}).get("home_tab_enabled")),
        messages_tab=bool((features.get("app_home") or {}).get("messages_tab_enabled")),
        view=_view_of(features),
    )


def _view_of(features: Json) -> str:
    """Tell which of the two experiences the app has; no app has both."""
    views = [name for name in ("agent", "assistant") if features.get(f"{name}_view")]
    if len(views) > 1:
        message = "a manifest has `agent_view` or `assistant_view`, never both: take one away"
        raise ValueError(message)
    for name in views:
        if not features[f"{name}_view"].get(f"{name}_description"):
            message = f"`{name}_view` needs `{name}_description`"
            raise ValueError(message)
    return views[0] if views else ""


def _from_file() -> Json | None:
    if not _FILE.exists():
        return None
    import yaml

    loaded = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else None
