"""Where a message goes when Slack does not take it where it belongs.

    thread ──refused──> its channel ──refused──> the default one ──refused──> admins, each alone
                             │ private, or with readers of its own ────────────────^
                             └ somebody's direct message: no other way

`meant` keeps where it belongs, and the message says so. When no way is left it is held, told in
the status, and tried again from where it belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.core.ports import Detour, OutboxRow
from bot.domain.access import AccessConfig, Role, stranger
from bot.domain.ids import ChannelId, UserId
from bot.domain.place import Place
from bot.slack.failures import failure_of
from bot.slack.workspace import Workspace
from tools.errors import BackendError, NotFoundError

log = structlog.get_logger(__name__)

MOST_ADMINS = 5  # who are told, each in a direct message
HIDDEN = frozenset({"channel_not_found", "not_in_channel"})  # asked for what a channel is
NOBODY_ELSES = frozenset({"question"})  # views that only make sense where they were asked for
_ERRORS = (SlackClientError, BackendError, NotFoundError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Way:
    """Where a message goes next, and the copies that go with it."""

    place: Place
    meant: Detour
    copies: tuple[Place, ...] = ()


class Ways:
    """Finds the next way of a message."""

    def __init__(self, workspace: Workspace, access: Callable[[], AccessConfig]) -> None:
        self._workspace, self._access = workspace, access

    async def next(self, row: OutboxRow, why: str) -> Way | None:
        """Return where a refused message goes now, None when no way is left."""
        here = self._workspace.book.known(row.channel)
        before = row.meant or Detour(row.channel, row.thread_ts, why)
        meant = Detour(before.channel, before.thread_ts, why)
        if row.thread_ts is not None and row.meant is None:
            return Way(Place(row.channel), meant)
        personal = meant.channel.startswith("D")
        if personal or row.view in NOBODY_ELSES or (row.meant and here.startswith("D")):
            return None
        default = await self._default()
        if here != default and default and not await self._is_closed(meant.channel):
            return Way(Place(default), meant)
        admins = await self._admins(meant.channel)
        return Way(admins[0], meant, tuple(admins[1:])) if admins else None

    async def _default(self) -> ChannelId:
        try:
            name = self._workspace.config.incidents_channel
            return await self._workspace.book.id_of(name)
        except _ERRORS as error:
            log.warning("ways.no_default", why=str(error))
            return ChannelId("")

    async def _is_closed(self, channel: ChannelId) -> bool:
        """Say whether not everybody may read what is told there: it goes to no wider circle."""
        known = self._workspace.book.known(channel)
        if known in self._access().channels or self._workspace.book.is_private(known):
            return True
        try:
            answer: Any = await self._workspace.client.conversations_info(channel=known)
            return bool(answer["channel"].get("is_private"))
        except (*_ERRORS, KeyError) as error:
            log.info("ways.unknown_channel", channel=channel, why=str(error))
            # Public ones are shown to every bot: an id that is not is private, or out of reach.
            hidden = isinstance(error, SlackApiError) and failure_of(error).code in HIDDEN
            return hidden and not known.startswith("#")  # a name may as well be misspelt

    async def _admins(self, channel: ChannelId) -> list[Place]:
        """Return the direct messages of the admins of a channel."""
        config = self._access()
        own = config.channels.get(self._workspace.book.known(channel), {})
        places: list[Place] = []
        for user in await self._people({**config.holders, **own}.get(Role.ADMIN, ())):
            try:
                person = await self._workspace.directory.person(user)
                if stranger(person):
                    continue
                opened: Any = await self._workspace.client.conversations_open(users=user)
                places.append(Place(ChannelId(opened["channel"]["id"])))
            except (*_ERRORS, KeyError) as error:
                log.warning("ways.admin_unreachable", user=user, why=str(error))
            if len(places) == MOST_ADMINS:
                break
        return places

    async def _people(self, holders: tuple[str, ...]) -> list[UserId]:
        """Return people and the members of groups, each once."""
        people: dict[UserId, None] = {}
        for name in holders:
            if name.startswith(("U", "W")):
                people[UserId(name)] = None
            elif name.startswith("S"):
                members = await self._workspace.directory.members(name)
                people |= dict.fromkeys(map(UserId, sorted(members)))
        return list(people)
