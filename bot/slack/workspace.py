"""Slack as it is known before anything is answered there: who people are, what channels are called.

workspace = open_workspace(config, clock, groups)     nothing is connected
core is built over workspace.directory, .history and .channels
the room (`bot.slack.app`) is built over core and the workspace
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryState
from slack_sdk.http_retry.builtin_async_handlers import (
    AsyncConnectionErrorRetryHandler,
    AsyncRateLimitErrorRetryHandler,
)
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.ports import Clock
from bot.domain.access import AccessConfig
from bot.slack.channels import SlackChannels
from bot.slack.config import SlackConfig
from bot.slack.directory import ChannelBook, SlackDirectory, SlackHistory
from bot.slack.failures import wait_asked
from bot.slack.teams import Teams

WAITED_OUT = timedelta(seconds=30)  # wall; of a longer limit the caller is told, which has a lease


class RateLimits(AsyncRateLimitErrorRetryHandler):
    """Waits a short limit out. The library's own waits for any time, and fails over a date."""

    async def _can_retry_async(
        self,
        *,
        state: RetryState,  # noqa: ARG002 - the library's signature
        request: HttpRequest,  # noqa: ARG002
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002
    ) -> bool:
        if response is None or response.status_code != 429:
            return False
        return wait_asked(response.headers) <= WAITED_OUT

    async def prepare_for_next_attempt_async(
        self,
        *,
        state: RetryState,
        request: HttpRequest,  # noqa: ARG002
        response: HttpResponse | None = None,
        error: Exception | None = None,  # noqa: ARG002
    ) -> None:
        """Wait."""
        state.next_attempt_requested = True
        wait = wait_asked(response.headers) if response is not None else timedelta(0)
        await asyncio.sleep(wait.total_seconds() + random.random())  # noqa: S311 - spread
        state.increment_current_attempt()


class BotAccount:
    """Who the bot is in Slack."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known: Mapping[str, Any] | None = None

    async def known(self) -> Mapping[str, Any]:
        """Return what auth.test says of us: user, team and their ids; asked once."""
        if self._known is None:
            answer: Any = await self._client.auth_test()
            self._known = dict(answer.data)
        return self._known

    def link_to(self, channel: str, ts: str) -> str:
        """Return the address of a message, as Slack makes them; empty until Slack was asked."""
        home = str((self._known or {}).get("url", ""))
        return f"{home.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}" if home else ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The clients, and what is looked up with them."""

    config: SlackConfig
    client: AsyncWebClient  # repeats a call whose connection broke
    poster: AsyncWebClient  # never repeats a post whose fate is unknown
    directory: SlackDirectory
    history: SlackHistory
    book: ChannelBook
    channels: SlackChannels
    bot: BotAccount


def open_workspace(
    config: SlackConfig, clock: Clock, groups: Callable[[], Collection[str]]
) -> Workspace:
    """Build a workspace. `groups` names the user groups whose membership matters."""
    client = _client(config, repeats=True)
    teams = Teams(client, clock)
    book = ChannelBook(client, clock, teams)
    return Workspace(
        config=config,
        client=client,
        poster=_client(config, repeats=False),
        directory=SlackDirectory(client, clock, groups, teams),
        history=SlackHistory(client, book),
        book=book,
        channels=SlackChannels(config, book),
        bot=BotAccount(client),
    )


def groups_of(access: AccessConfig) -> frozenset[str]:
    """Return the user groups that hold a role somewhere."""
    scopes = [access.holders, *access.channels.values(), *access.services.values()]
    named = {name for scope in scopes for names in scope.values() for name in names}
    return frozenset(name for name in named if name.startswith("S"))


async def check_slack(config: SlackConfig) -> tuple[bool, str]:
    """Say whether Slack knows our token, for doctor; nothing is built or connected."""
    client = _client(config, repeats=False)
    try:
        me = await client.auth_test()
    except (SlackClientError, OSError, TimeoutError) as error:
        why = " ".join(str(error).split())
        return False, f"{config.api_url}: {why}"
    finally:
        if client.session is not None:
            await client.session.close()
    return True, f"connected as {me['user']} to {me['team']}"


def _client(config: SlackConfig, *, repeats: bool) -> AsyncWebClient:
    handlers: list[Any] = [RateLimits(max_retry_count=2)]
    if repeats:
        handlers.insert(0, AsyncConnectionErrorRetryHandler())
    return AsyncWebClient(
        token=config.bot_token, base_url=config.api_url, retry_handlers=handlers, timeout=15
    )
