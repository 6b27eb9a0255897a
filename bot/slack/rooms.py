"""Channels that the bot makes for incidents. They need the scope `channels:manage`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.ids import ChannelId, UserId
from bot.slack.directory import ChannelBook
from bot.slack.failures import failure_of
from tools.errors import BackendUnavailableError

THERE_ALREADY = frozenset({"already_in_channel", "cant_invite_self"})
_ERRORS = (SlackClientError, OSError, TimeoutError)


class SlackRooms:
    """The Rooms port over Slack."""

    def __init__(self, client: AsyncWebClient, book: ChannelBook) -> None:
        self._client, self._book = client, book

    async def open(self, name: str) -> ChannelId:
        """Make a channel; one of this name was made before a crash, and is found."""
        try:
            answer: Any = await self._client.conversations_create(name=name)
            return ChannelId(answer["channel"]["id"])
        except SlackApiError as error:
            if failure_of(error).code != "name_taken":
                raise _failed("make a channel", error) from error
        except _ERRORS as error:
            raise _failed("make a channel", error) from error
        await self._book.load()
        return await self._book.id_of(f"#{name}")

    async def invite(self, channel: ChannelId, people: Sequence[UserId]) -> None:
        """Bring each person in; one who cannot come keeps nobody else out."""
        for user in people:
            try:
                await self._client.conversations_invite(channel=channel, users=user)
            except SlackApiError as error:
                if failure_of(error).code not in THERE_ALREADY:
                    raise _failed(f"invite {user}", error) from error
            except _ERRORS as error:
                raise _failed(f"invite {user}", error) from error


def _failed(what: str, error: Exception) -> BackendUnavailableError:
    return BackendUnavailableError("slack", f"cannot {what}: {failure_of(error).text}")
