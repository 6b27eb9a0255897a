"""Who people are and what channels are called, from Slack, remembered for five minutes.

users.info + usergroups.users.list ──> Person (guest, external, deleted, bot, groups)
                                       `confirm` asks both anew and believes no half answer
conversations.list                 ──> `#incidents` is C0INCIDNT
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from aiohttp import ClientError
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.ports import Clock, Message, Person
from bot.domain.ids import ChannelId, UserId
from bot.domain.place import Place
from bot.slack.failures import failure_of
from foundation.nearest import nearest
from tools.errors import BackendUnavailableError, NotFoundError

log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=5)
PAGE = 200
UNKNOWN = frozenset({"user_not_found", "users_not_found", "user_not_visible", "no_such_subteam"})
CONFIRM_SECONDS = 10.0  # wall; a limit that Slack sets may make its calls wait longer


@dataclass(frozen=True, slots=True)
class _Known:
    person: Person
    at: float


class SlackDirectory:
    """The Directory port over Slack."""

    def __init__(
        self, client: AsyncWebClient, clock: Clock, groups: Callable[[], Collection[str]]
    ) -> None:
        """`groups` names the user groups whose membership matters."""
        self._client, self._clock, self._groups = client, clock, groups
        self._people: dict[str, _Known] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._members_at: float | None = None
        self._team = ""

    async def person(self, user: UserId) -> Person:
        """Return a person. Raises NotFoundError, BackendUnavailableError."""
        known = self._people.get(user)
        now = self._clock.monotonic()
        if known is None or now - known.at > FRESH.total_seconds():
            known = self._people[user] = _Known(await self._look_up(user), now)
        return replace(known.person, groups=await self._groups_of(user))

    async def confirm(self, users: Collection[UserId]) -> Mapping[UserId, Person]:
        """Return those of some people whom Slack knows, read anew with their groups."""
        try:
            async with asyncio.timeout(CONFIRM_SECONDS):
                found = await self._confirmed(users)
        except TimeoutError as error:
            why = f"cannot look people up within {CONFIRM_SECONDS:.0f} s"
            raise BackendUnavailableError("slack", why) from error
        except (KeyError, TypeError) as error:
            why = f"answered a question about people without what it must say: {error!r}"
            raise BackendUnavailableError("slack", why) from error
        return found

    async def _confirmed(self, users: Collection[UserId]) -> dict[UserId, Person]:
        found: dict[UserId, Person] = {}
        for user in users:
            self._people.pop(user, None)
            with suppress(NotFoundError):
                found[user] = await self._look_up(user)
        members, now = await self._read_groups() if found else {}, self._clock.monotonic()
        if found:
            self._members, self._members_at = members, now
        self._people |= {user: _Known(person, now) for user, person in found.items()}
        return {
            user: replace(person, groups=_groups(members, user)) for user, person in found.items()
        }

    async def _look_up(self, user: UserId) -> Person:
        answer = await self._call(self._client.users_info, f"user {user!r}", user=user)
        return await self._read(answer["user"])

    async def _read(self, user: Mapping[str, Any]) -> Person:
        if not self._team:
            self._team = str((await self._call(self._client.auth_test, "ourselves"))["team_id"])
        profile = user.get("profile") or {}
        return Person(
            id=UserId(user["id"]),
            name=str(profile.get("display_name") or user.get("real_name") or user.get("name", "")),
            email=str(profile.get("email", "")),
            guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
            external=_is_external(user, self._team),
            deleted=bool(user.get("deleted")),
            bot=bool(user.get("is_bot")),
        )

    async def _groups_of(self, user: str) -> tuple[str, ...]:
        now = self._clock.monotonic()
        if self._members_at is None or now - self._members_at > FRESH.total_seconds():
            self._members, self._members_at = await self._read_groups(), now
        return _groups(self._members, user)

    async def _read_groups(self) -> dict[str, frozenset[str]]:
        members: dict[str, frozenset[str]] = {}
        for group in sorted(self._groups()):
            try:
                answer = await self._call(
                    self._client.usergroups_users_list, f"group {group!r}", usergroup=group
                )
                members[group] = frozenset(answer["users"])
            except NotFoundError as error:
                log.warning("slack.group_unknown", group=group, why=str(error))
        return members

    async def _call(
        self, method: Callable[..., Awaitable[Any]], what: str, **arguments: Any
    ) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = await method(**arguments)
        except SlackApiError as error:
            failure = failure_of(error)
            if failure.code in UNKNOWN:
                raise NotFoundError(f"Slack knows no {what} ({failure.code})") from error
            why = f"cannot look up {what}: {failure.text}"
            raise BackendUnavailableError("slack", why) from error
        except (SlackClientError, ClientError, OSError, TimeoutError) as error:
            raise BackendUnavailableError("slack", f"cannot look up {what}: {error}") from error
        return answer


def _is_external(user: Mapping[str, Any], ours: str) -> bool:
    """Say whether somebody is in no workspace of ours, wherever in an Enterprise Grid they live."""
    if user.get("is_stranger"):
        return True
    home = user.get("team_id") or ours
    return home != ours and ours not in ((user.get("enterprise_user") or {}).get("teams") or ())


def _groups(members: Mapping[str, frozenset[str]], user: str) -> tuple[str, ...]:
    return tuple(group for group, users in members.items() if user in users)


class ChannelBook:
    """Channel names and ids. Loaded when Slack is reached; asked without waiting."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._ids: dict[str, str] = {}
        self._at: float | None = None

    def known(self, name: str) -> ChannelId:
        """Return a channel's id if its name is known by now, else the name as it is."""
        return ChannelId(self._ids.get(name.removeprefix("#"), name))

    async def id_of(self, name: str) -> ChannelId:
        """Return a channel's id. Raises NotFoundError with the nearest name."""
        if not name.startswith("#"):
            return self.known(name)
        bare = name.removeprefix("#")
        stale = self._at is None or self._clock.monotonic() - self._at > FRESH.total_seconds()
        if bare not in self._ids and stale:
            await self.load()
        if bare not in self._ids:
            raise NotFoundError(
                f"there is no channel {name!r} that the bot can see; invite it there or mend the "
                f"configuration.{nearest(bare, self._ids)}"
            )
        return ChannelId(self._ids[bare])

    async def load(self) -> None:
        """Read all public channels and the private ones the bot is in."""
        ids: dict[str, str] = {}
        cursor = ""
        while True:
            answer = await self._page(cursor)
            ids.update({c["name"]: c["id"] for c in answer["channels"] if c.get("name")})
            cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                break
        self._ids, self._at = ids, self._clock.monotonic()

    async def _page(self, cursor: str) -> Mapping[str, Any]:
        arguments: dict[str, Any] = {"limit": PAGE, "exclude_archived": True}
        if cursor:
            arguments["cursor"] = cursor
        try:
            answer: Any = await self._client.conversations_list(
                types="public_channel,private_channel", **arguments
            )
        except SlackApiError as error:
            why = failure_of(error).text
            if why == "missing_scope":
                why = f"{why} {error.response.get('needed', '')}".strip()
            raise BackendUnavailableError("slack", f"cannot list channels: {why}") from error
        return dict(answer.data)

    async def is_member(self, channel: ChannelId) -> bool:
        """Say whether the bot may speak in a channel."""
        try:
            answer: Any = await self._client.conversations_info(channel=channel)
        except SlackApiError as error:
            if failure_of(error).code in {"channel_not_found", "missing_scope"}:
                return False
            raise
        found = answer["channel"]
        return bool(found.get("is_member") or found.get("is_im"))


class SlackHistory:
    """The ChannelHistory port: what people wrote, for postmortems."""

    def __init__(self, client: AsyncWebClient, book: ChannelBook) -> None:
        self._client, self._book = client, book

    async def messages(self, place: Place, since: datetime, until: datetime) -> list[Message]:
        """Return people's messages in a thread or channel, oldest first."""
        span = {"oldest": f"{since.timestamp():.6f}", "latest": f"{until.timestamp():.6f}"}
        found: list[Message] = []
        cursor = ""
        while True:
            more: dict[str, Any] = {**span, "inclusive": True, "limit": PAGE}
            if cursor:
                more["cursor"] = cursor
            answer = await self._page(place, more)
            found += [_message(m) for m in answer["messages"] if _by_a_person(m)]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return sorted(found, key=lambda m: m.at)

    async def _page(self, place: Place, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            channel = await self._book.id_of(place.channel)
            if place.thread_ts is None:
                answer: Any = await self._client.conversations_history(channel=channel, **arguments)
            else:
                answer = await self._client.conversations_replies(
                    channel=channel, ts=place.thread_ts, **arguments
                )
        except (SlackClientError, OSError, TimeoutError) as error:
            raise BackendUnavailableError("slack", f"cannot read {place.key()}: {error}") from error
        return dict(answer.data)


def _by_a_person(message: Mapping[str, Any]) -> bool:
    plain = message.get("subtype") in {None, "thread_broadcast", "file_share"}
    return bool(message.get("user")) and not message.get("bot_id") and plain


def _message(message: Mapping[str, Any]) -> Message:
    return Message(
        at=datetime.fromtimestamp(float(message["ts"]), tz=UTC),
        by=str(message["user"]),
        text=str(message.get("text", "")),
        extra={"ts": message["ts"]},
    )
