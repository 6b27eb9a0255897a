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
    status_channel: str = ""  # where stakeholders read of incidents; empty: where those are told
    default_locale: str = DEFAULT_LANGUAGE
    locales: Mapping[str, str] = field(default_factory=dict)  # per channel
    default_timezone: str = DEFAULT_TIMEZONE
    timezones: Mapping[str, str] = field(default_factory=dict)  # per channel
    link_hosts: tuple[str, ...] = ()  # hosts that links may lead to
    concurrency: int = 8  # envelopes worked on at once
    brake_concurrency: int = 2  # of those that halt, stop, approve or reject, beside the others
    door_concurrency: int = 4  # envelopes committed at once; the brake waits for none of them
    halt_patience: timedelta = timedelta(seconds=1)  # for the database, before the file must do
    asked_per_minute: int = 60  # by one person, who is told; the brake is never refused
    poll: timedelta = timedelta(milliseconds=500)  # how often the tables are looked at unasked
    lease: timedelta = timedelta(seconds=30)  # wall time, renewed while the work goes on
    retry: RetryPolicy = RETRY  # of work that failed; then it is parked for a person
