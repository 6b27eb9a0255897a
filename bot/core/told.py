"""Desks as the Slack room calls them: each request ends in one sentence for the person who asked.

click, command ──> ToldPostmortems.draft(…) ──> Told(ok, message)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.core.digests import DigestDesk
from bot.core.postmortems import PostmortemDesk, PostmortemError
from bot.domain.ids import ChannelId, IncidentId, PostmortemId, UserId
from bot.domain.place import Place
from bot.locale import Texts
from tools.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Told:
    """How a request ended."""

    ok: bool
    message: str


class ToldPostmortems:
    """Drafting, editing and publishing, with an answer for the person."""

    def __init__(self, desk: PostmortemDesk, texts_of: Callable[[ChannelId], Texts]) -> None:
        """Answer for a desk, in the channel's language."""
        self._desk, self._texts_of = desk, texts_of

    async def draft(self, incident: IncidentId, user: UserId, place: Place) -> Told:
        """Draft an incident's report; its card is posted in `place`."""
        try:
            report = await self._desk.draft(incident, user, place)
        except NotFoundError as error:
            return Told(ok=False, message=str(error))
        return Told(ok=True, message=self._say(place.channel, "drafted", id=report.id))

    async def edit(
        self, postmortem: PostmortemId, user: UserId, sections: Mapping[str, str]
    ) -> Told:
        """Replace sections of a draft."""
        try:
            report = await self._desk.edit(postmortem, user, sections)
        except (NotFoundError, PostmortemError) as error:
            return Told(ok=False, message=str(error))
        return Told(ok=True, message=self._say(report.place.channel, "edited", id=report.id))

    async def publish(self, postmortem: PostmortemId, user: UserId) -> Told:
        """Publish a draft."""
        try:
            report = await self._desk.publish(postmortem, user)
        except (NotFoundError, PostmortemError) as error:
            return Told(ok=False, message=str(error))
        return Told(ok=True, message=self._say(report.place.channel, "published", id=report.id))

    def _say(self, channel: ChannelId, word: str, **fields: object) -> str:
        return self._texts_of(channel).say(f"postmortem.told_{word}", **fields)


class ToldDigests:
    """A digest now, for `/sre digest`."""

    def __init__(self, desk: DigestDesk, texts_of: Callable[[ChannelId], Texts]) -> None:
        """Answer for a desk, in the channel's language."""
        self._desk, self._texts_of = desk, texts_of

    async def __call__(self, channel: ChannelId, user: UserId) -> Told:
        """Post a digest to a channel now; the scheduled one still covers its whole span."""
        await self._desk.post_now(channel, user)
        return Told(ok=True, message=self._texts_of(channel).say("digest.told_now"))
