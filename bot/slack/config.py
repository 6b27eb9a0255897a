"""How the Slack room is reached and how its channels are spoken to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.locale import DEFAULT_LANGUAGE, DEFAULT_TIMEZONE
from foundation.retries import RetryPolicy

API_URL = "https://slack.com/api/"
RETRY = RetryPolicy(
    first=timedelta(seconds=2), longest=timedelta(minutes=5), give_up_after=6
)  # wall time


@dataclass(frozen=True, slots=True)
class SlackConfig:
    """Everything the room must be told. Channels are ids or names (`#incidents`).

    With `app_token` the room connects over Socket Mode; without it Slack calls us over HTTP and
    `signing_secret` proves that it is Slack.
    """

    bot_token: str = field(repr=False)
    owner: str  # this process, for leases
    app_token: str = field(default="", repr=False)
    signing_secret: str = field(default="", repr=False)
    api_url: str = API_URL
    incidents_channel: str = "#incidents"
    digest_channel: str = "#sre-digest"
    default_locale: str = DEFAULT_LANGUAGE
    locales: Mapping[str, str] = field(default_factory=dict)  # per channel
    default_timezone: str = DEFAULT_TIMEZONE
    timezones: Mapping[str, str] = field(default_factory=dict)  # per channel
    link_hosts: tuple[str, ...] = ()  # hosts that links may lead to
    concurrency: int = 8  # envelopes worked on at once
    poll: timedelta = timedelta(milliseconds=500)  # how often the tables are looked at unasked
    lease: timedelta = timedelta(seconds=30)  # wall time, renewed while the work goes on
    retry: RetryPolicy = RETRY  # of work that failed; then it is parked for a person
