"""Who people are and what channels are called, from Slack, remembered for five minutes.

users.info + usergroups.users.list ──> Person (guest, external, deleted, bot, groups)
                                       `confirm` asks both anew and believes no half answer;
                                       `person` does without a group that cannot be read
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
from bot.slack.teams import Ours, Teams
from foundation.nearest import nearest
from tools.errors import BackendUnavailableError, NotFoundError

log = structlog.get_logger(__name__)

FRESH = timedelta(minutes=5)
UNREAD_AGAIN = timedelta(seconds=30)  # until groups are asked again of which one did not answer
PAGE = 200
GROUP_SECONDS = 5.0  # wall; how long a question waits for a group
UNKNOWN = frozenset({"user_not_found", "users_not_found", "user_not_visible", "no_such_subteam"})
CONFIRM_SECONDS = 10.0  # wall; a limit that Slack sets may make its calls wait longer


@dataclass(frozen=True, slots=True)
class Unread:
    """A user group that cannot be read."""

    group: str
    since: datetime  # wall
    why: str
    gone: bool  # Slack says that there is no such group


@dataclass(frozen=True, slots=True)
class _Known:
    person: Person
    at: float


class SlackDirectory:
    """The Directory port over Slack."""

    def __init__(
        self,
        client: AsyncWebClient,
        clock: Clock,
        groups: Callable[[], Collection[str]],
        teams: Teams | None = None,
    ) -> None:
        """`groups` names the user groups whose membership matters."""
        self._client, self._clock, self._groups = client, clock, groups
        self._teams = teams or Teams(client, clock)
        self._people: dict[str, _Known] = {}
        self._members: dict[str, frozenset[str]] = {}
        self._members_at: float | None = None
        self._unread: dict[str, Unread] = {}

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Return the user groups that could not be read the last time."""
        return tuple(self._unread.values())

    async def person(self, user: UserId) -> Person:
        """Return a person. Raises NotFoundError, BackendUnavailableError."""
        known = self._people.get(user)
        now = self._clock.monotonic()
        if known is None or now - known.at > FRESH.total_seconds():
            known = self._people[user] = _Known(await self._look_up(user), now)
        groups = await self._groups_of(user)
        unread = tuple(each.group for each in self._unread.values() if not each.gone)
        return replace(known.person, groups=groups, unread=unread)

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
        members = await self._read_groups() if found else {}
        now = self._clock.monotonic()
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
        ours: Ours = await self._call(self._teams.ours, "ourselves")
        profile = user.get("profile") or {}
        return Person(
            id=UserId(user["id"]),
            name=str(profile.get("display_name") or user.get("real_name") or user.get("name", "")),
            email=str(profile.get("email", "")),
            guest=bool(user.get("is_restricted") or user.get("is_ultra_restricted")),
            external=not ours.of(user),
            team=ours.of(user),
            deleted=bool(user.get("deleted")),
            bot=bool(user.get("is_bot")),
        )

    async def _groups_of(self, user: str) -> tuple[str, ...]:
        now = self._clock.monotonic()
        fresh = UNREAD_AGAIN if self._unread else FRESH
        if self._members_at is None or now - self._members_at > fresh.total_seconds():
            self._members, self._members_at = await self._readable_groups(), now
        return _groups(self._members, user)

    async def _readable_groups(self) -> dict[str, frozenset[str]]:
        """Return the members of each group; one that cannot be read, however, has none."""
        groups = sorted(self._groups())
        found = await asyncio.gather(*(self.members(group) for group in groups))
        return dict(zip(groups, found, strict=True))

    async def members(self, group: str) -> frozenset[str]:
        """Return a group's members; nobody when it cannot be read, which the status tells."""
        try:
            async with asyncio.timeout(GROUP_SECONDS):
                return await self._members_of(group)
        except TimeoutError:
            self._note(group, f"no answer within {GROUP_SECONDS:.0f} s")
        except (BackendUnavailableError, KeyError, TypeError) as error:
            self._note(group, str(error))
        return frozenset()

    async def _read_groups(self) -> dict[str, frozenset[str]]:
        """Return the members of each group. Raises when one cannot be read."""
        members: dict[str, frozenset[str]] = {}
        for group in sorted(self._groups()):
            try:
                members[group] = await self._members_of(group)
            except BackendUnavailableError as error:
                self._note(group, str(error))
                raise
        return members

    async def _members_of(self, group: str) -> frozenset[str]:
        """Return a group's members, nobody where Slack knows no such group."""
        ours: Ours = await self._call(self._teams.ours, "ourselves")
        for arguments in ours.arguments():
            try:
                answer = await self._call(
                    self._client.usergroups_users_list,
                    f"group {group!r}",
                    usergroup=group,
                    **arguments,
                )
            except NotFoundError as error:
                unknown = str(error)
                continue
            members = frozenset(answer["users"])
            self._unread.pop(group, None)
            return members
        self._note(group, unknown if ours.ids else "no workspace is granted", gone=True)
        return frozenset()

    def _note(self, group: str, why: str, *, gone: bool = False) -> None:
        """Remember that a group cannot be read, and since when."""
        log.warning("slack.group_unread", group=group, why=why)
        before = self._unread.get(group)
        since = before.since if before is not None else self._clock.wall()
        self._unread[group] = Unread(group, since, why, gone)

    async def _call(
        self, method: Callable[..., Awaitable[Any]], what: str, **arguments: Any
    ) -> Any:
        try:
            answer = await method(**arguments)
        except SlackApiError as error:
            failure = failure_of(error)
            if failure.code in UNKNOWN:
                raise NotFoundError(f"Slack knows no {what} ({failure.code})") from error
            why = f"cannot look up {what}: {failure.text}"
            raise BackendUnavailableError("slack", why) from error
        except (SlackClientError, ClientError, OSError, TimeoutError) as error:
            raise BackendUnavailableError("slack", f"cannot look up {what}: {error}") from error
        return answer


def _groups(members: Mapping[str, frozenset[str]], user: str) -> tuple[str, ...]:
    return tuple(group for group, users in members.items() if user in users)


class ChannelBook:
    """Channel names and ids. Loaded when Slack is reached; asked without waiting."""

    def __init__(self, client: AsyncWebClient, clock: Clock, teams: Teams | None = None) -> None:
        self._client, self._clock = client, clock
        self._teams = teams or Teams(client, clock)
        self._ids: dict[str, str] = {}
        self._private: set[str] = set()  # ids and #names; what was private once is not forgotten
        self._at: float | None = None

    def is_private(self, channel: str) -> bool:
        """Say whether a channel was seen to be private."""
        return channel in self._private

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
                f"configuration.{nearest(bare, self._public())}"
            )
        return ChannelId(self._ids[bare])

    def _public(self) -> list[str]:
        """Return the names that everybody may read."""
        return [name for name, channel in self._ids.items() if channel not in self._private]

    async def load(self) -> None:
        """Read all public channels and the private ones the bot is in."""
        ids: dict[str, str] = {}
        for of in (await self._ours()).arguments():
            cursor = ""
            while True:
                answer = await self._page(cursor, of)
                named = {c["name"]: c["id"] for c in answer["channels"] if c.get("name")}
                ids = named | ids  # of two workspaces the first has the say
                private = [c for c in answer["channels"] if c.get("is_private")]
                self._private |= {c["id"] for c in private}
                self._private |= {f"#{c['name']}" for c in private if c.get("name")}
                cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
                if not cursor:
                    break
        self._ids, self._at = ids, self._clock.monotonic()

    async def _ours(self) -> Ours:
        try:
            return await self._teams.ours()
        except SlackApiError as error:
            why = f"cannot ask who we are: {failure_of(error).text}"
            raise BackendUnavailableError("slack", why) from error

    async def _page(self, cursor: str, of: Mapping[str, str]) -> Mapping[str, Any]:
        arguments: dict[str, Any] = {"limit": PAGE, "exclude_archived": True, **of}
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
