"""What a failed call to Slack means: try again, when, or never.

    SlackApiError ──failure_of──> Failure(code, retry_after, answered, lasting)

What counts is how Slack behaves: one that answers no to the same call again and again refuses it,
whatever the word. The words that are known here only make that quicker, or slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from slack_sdk.errors import SlackApiError

UNREACHABLE = "unreachable"
MOST_WAIT = timedelta(hours=1)  # wall; who asks for more is asked again all the same
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
# Not about what is said: without its blocks the same message is refused as well.
OF_THE_PLACE = frozenset(
    {
        "channel_not_found", "not_in_channel", "is_archived", "thread_not_found",
        "cannot_reply_to_message", "restricted_action", "missing_scope", "not_authed",
        "invalid_auth", "token_revoked", "account_inactive", "user_not_found",
    }
)  # fmt: skip
# About the bot itself: no other way is open either.
OF_US = frozenset(
    {"not_authed", "invalid_auth", "token_revoked", "token_expired", "account_inactive"}
)
NEEDS_INVITE = frozenset({"channel_not_found", "not_in_channel", "is_archived"})
# Slack's own trouble, which passes; the message may be there all the same.
IN_TROUBLE = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call failed.

    `answered`: Slack's API said no. `lasting`: it is known to say no to the same call again.
    """

    code: str
    text: str
    retry_after: timedelta | None = None
    lasting: bool = False
    answered: bool = False

    @property
    def patience(self) -> int:
        """After how many answers of this kind in a row the call is refused."""
        if self.lasting:
            return 1
        return 6 if self.code in IN_TROUBLE else 3

    @property
    def of_the_place(self) -> bool:
        """Whether it is about where, and not about what."""
        return self.code in OF_THE_PLACE

    @property
    def of_us(self) -> bool:
        """Whether it is about the bot itself, wherever it speaks."""
        return self.code in OF_US

    @property
    def gone(self) -> bool:
        """Whether the message does not exist any more."""
        return self.code in GONE


def wait_asked(headers: Mapping[str, Any]) -> timedelta:
    """Return how long an answer asks to wait.

    A second where it does not say, or not in seconds: proxies write dates.
    """
    said: Any = next((v for k, v in headers.items() if k.lower() == "retry-after"), "1")
    said = said[0] if isinstance(said, list) and said else said  # the client's own form
    try:
        seconds = float(said)
    except (TypeError, ValueError):
        seconds = 1.0
    return timedelta(seconds=min(seconds, MOST_WAIT.total_seconds()) if seconds >= 0 else 1.0)


def failure_of(error: Exception) -> Failure:
    """Say what an error of the Slack client means."""
    if not isinstance(error, SlackApiError):
        if isinstance(error.__cause__, SlackApiError):  # an answer that we put into our words
            return replace(failure_of(error.__cause__), text=str(error))
        return Failure(UNREACHABLE, f"{UNREACHABLE}: {type(error).__name__}: {error}")
    status = int(getattr(error.response, "status_code", 200) or 200)
    said = getattr(error.response, "data", error.response)
    if not isinstance(said, Mapping):  # not Slack's JSON: a proxy, or Slack in trouble
        return Failure(UNREACHABLE, f"{UNREACHABLE}: HTTP {status}: {str(said)[:200]}")
    code = str(said.get("error") or "unknown")
    messages = (said.get("response_metadata") or {}).get("messages") or []
    text = "; ".join([code, *(str(m) for m in messages[:3])])
    if status == 429 or code == "ratelimited":
        return Failure(code, text, wait_asked(getattr(error.response, "headers", None) or {}))
    return Failure(code, text, None, code in LASTING, answered=True)
