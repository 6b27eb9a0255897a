"""The bot without Slack: it knows nobody, reads no channel, and shows its answers to nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from bot.core.ports import Message, Person, Reply
from bot.core.shared.silent_reply import SilentReply
from bot.domain.ids import ChannelId, UserId
from bot.domain.place import TERMINAL, Place
from bot.domain.question import Voice
from bot.domain.run import Running
from tools.errors import NotFoundError
from tools.world import ServiceSpec


class NoSlack:
    """The ports Directory, ChannelHistory and Channels; who is not known may answer no plan."""

    async def person(self, user: UserId) -> Person:
        """Raise NotFoundError."""
        raise NotFoundError(f"nobody knows {user!r}: Slack is not configured")

    async def confirm(self, users: Collection[UserId]) -> Mapping[UserId, Person]:  # noqa: ARG002 - the port's signature
        """Return nobody."""
        return {}

    async def messages(self, place: Place, since: datetime, until: datetime) -> list[Message]:  # noqa: ARG002 - the port's signature
        """Return nothing."""
        return []

    def known(self, name: str) -> ChannelId:
        """Return the name as it is."""
        return ChannelId(name)

    def of_service(self, service: ServiceSpec | None) -> ChannelId:  # noqa: ARG002 - the port's signature
        """Return the terminal: there is no other channel."""
        return TERMINAL.channel

    def voice_of(self, channel: ChannelId) -> Voice:  # noqa: ARG002 - the port's signature
        """Return how the terminal is spoken to."""
        return Voice()

    def reply_for(self, run: Running) -> Reply:  # noqa: ARG002 - the signature of Slack's
        """Return a reply that shows nothing: answers stay in the store."""
        return SilentReply()


class TokenOwners:
    """The directory of an API without Slack: people are known by the id of their token alone."""

    async def person(self, user: UserId) -> Person:
        """Return a full member by this id."""
        return Person(user, user)

    async def confirm(self, users: Collection[UserId]) -> Mapping[UserId, Person]:
        """Return full members by these ids."""
        return {user: Person(user, user) for user in users}
