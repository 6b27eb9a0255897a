"""What was reported: digest slots and postmortems."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bot.domain.ids import ChannelId, IncidentId, PostmortemId
from bot.domain.postmortem import Postmortem


class Digests(Protocol):
    """Which digest slots were told, so that a slot is told once."""

    async def take(self, channel: ChannelId, slot: datetime, at: datetime) -> bool:
        """Claim a slot; False when it was told already."""
        ...

    async def last(self, channel: ChannelId) -> datetime | None:
        """Return the newest slot told in a channel."""
        ...


class Postmortems(Protocol):
    """Postmortem drafts and published ones."""

    async def save(self, postmortem: Postmortem) -> None:
        """Insert or replace."""
        ...

    async def get(self, postmortem_id: PostmortemId) -> Postmortem:
        """Return one."""
        ...

    async def of_incident(self, incident_id: IncidentId) -> Postmortem | None:
        """Return an incident's postmortem."""
        ...
