"""What a failed call to Slack means: try again, when, or never.

SlackApiError ──failure_of──> Failure(code, retry_after, lasting)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from slack_sdk.errors import SlackApiError

GONE = frozenset({"message_not_found", "thread_not_found", "cant_update_message"})
LASTING = frozenset(
    {
        "channel_not_found", "not_in_channel", "is_archived", "invalid_blocks", "no_text",
        "invalid_arguments", "msg_too_long", "msg_blocks_too_long", "restricted_action",
        "missing_scope", "not_authed", "invalid_auth", "token_revoked", "account_inactive",
        "message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed",
        "cannot_reply_to_message", "user_not_found", "metadata_too_large",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed. `lasting`: the same call would fail again."""

    code: str
    text: str
    retry_after: timedelta | None = None
    lasting: bool = False

    @property
    def gone(self) -> bool:
        """Whether the message does not exist any more."""
        return self.code in GONE


def failure_of(error: Exception) -> Failure:
    """Say what an error of the Slack client means."""
    if not isinstance(error, SlackApiError):
        return Failure("unreachable", f"{type(error).__name__}: {error}")
    status = int(getattr(error.response, "status_code", 200) or 200)
    said = getattr(error.response, "data", error.response)
    if not isinstance(said, Mapping):  # not Slack's JSON: a proxy, or Slack in trouble
        return Failure("unreachable", f"HTTP {status}: {str(said)[:200]}")
    code = str(said.get("error") or "unknown")
    messages = (said.get("response_metadata") or {}).get("messages") or []
    text = "; ".join([code, *(str(m) for m in messages[:3])])
    if status == 429 or code == "ratelimited":
        headers = getattr(error.response, "headers", None) or {}
        seconds = headers.get("Retry-After") or headers.get("retry-after") or "1"
        return Failure(code, text, timedelta(seconds=float(seconds)))
    return Failure(code, text, None, code in LASTING)
