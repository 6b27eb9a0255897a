"""Short-lived permissions Slack hands out with an interaction: trigger ids and response URLs.

*trigger id*: opens one view, within 3 seconds of wall time.
*response URL*: answers an interaction up to 5 times within 30 minutes of wall time.
"""

import asyncio
from dataclasses import dataclass, replace

from sandbox.slack.chat.wire import Refusal, mint

TRIGGER_SECONDS = 3.0
RESPONSE_SECONDS = 30 * 60.0
RESPONSE_USES = 5


@dataclass(frozen=True)
class Trigger:
    """Proof that a person just did something; `view_id` is the view they did it in."""

    user: str
    made: float
    view_id: str | None = None
    is_used: bool = False


@dataclass(frozen=True)
class ResponseUrl:
    """Where an interaction may be answered; `message_ts` is the message it came from."""

    channel: str
    user: str
    made: float
    message_ts: str | None = None
    thread_ts: str | None = None
    uses: int = 0


class Triggers:
    """All trigger ids and response URLs still remembered."""

    def __init__(self, seconds: float = TRIGGER_SECONDS) -> None:
        """Let trigger ids live `seconds` of wall time."""
        self._seconds = seconds
        self._triggers: dict[str, Trigger] = {}
        self._responses: dict[str, ResponseUrl] = {}

    def mint(self, user: str, view_id: str | None = None) -> str:
        """A fresh trigger id for what this person just did."""
        trigger_id = f"{mint('', 10)}.{mint('', 12)}.{mint('', 32).lower()}"
        self._triggers[trigger_id] = Trigger(user, _now(), view_id)
        return trigger_id

    def exchange(self, trigger_id: str) -> Trigger:
        """Use a trigger id up, or refuse as Slack does."""
        trigger = self._triggers.get(trigger_id)
        if trigger is None:
            raise Refusal("invalid_trigger_id")
        if trigger.is_used:
            raise Refusal("exchanged_trigger_id")
        if _now() - trigger.made > self._seconds:
            raise Refusal("expired_trigger_id")
        self._triggers[trigger_id] = replace(trigger, is_used=True)
        return trigger

    def respond_path(
        self, channel: str, user: str, message_ts: str | None = None, thread_ts: str | None = None
    ) -> str:
        """The path of a fresh response URL."""
        token = mint("", 24)
        response = ResponseUrl(channel, user, _now(), message_ts, thread_ts)
        self._responses[token] = response
        return f"/response/{token}"

    def use_response(self, token: str) -> ResponseUrl:
        """Count one use of a response URL, or refuse."""
        response = self._responses.get(token)
        if response is None or _now() - response.made > RESPONSE_SECONDS:
            raise Refusal("expired_url")
        if response.uses >= RESPONSE_USES:
            raise Refusal("used_url")
        self._responses[token] = replace(response, uses=response.uses + 1)
        return response


def _now() -> float:
    return asyncio.get_running_loop().time()
