"""How long Slack, or a proxy before it, asks to wait; no answer stops the bot for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryState

from bot.slack.config import SlackConfig
from bot.slack.failures import failure_of
from bot.slack.workspace import open_workspace
from tests.fakes.clock import FakeClock

HOUR = 3600.0


class _Answer:
    status_code = 429

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers, self.data = headers, {"ok": False, "error": "ratelimited"}


@pytest.mark.parametrize(
    ("said", "seconds", "inside"),
    [
        ("0", 0.0, True),
        ("7", 7.0, True),
        ("31", 31.0, False),  # longer than the lease of what is being sent
        ("1000000000", HOUR, False),
        ("inf", HOUR, False),
        ("nan", 1.0, True),
        ("-5", 1.0, True),
        ("Fri, 27 Nov 2026 08:00:00 GMT", 1.0, True),  # RFC 9110 allows it; proxies write it
        (None, 1.0, True),
    ],
)
async def test_whatever_a_limit_says_the_wait_is_a_bounded_one(
    said: str | None, seconds: float, inside: bool
) -> None:
    headers: dict[str, Any] = {} if said is None else {"retry-after": said}
    failure = failure_of(SlackApiError("", _Answer(headers)))  # type: ignore[no-untyped-call]
    assert failure.retry_after == timedelta(seconds=seconds)
    config = SlackConfig(bot_token="xoxb-1", owner="one")
    poster = open_workspace(config, FakeClock(), frozenset).poster
    asked = HttpRequest(method="POST", url="", headers={})
    answer = HttpResponse(status_code=429, headers=headers)
    (limits,) = poster.retry_handlers
    assert (
        await limits.can_retry_async(state=RetryState(), request=asked, response=answer) is inside
    )
