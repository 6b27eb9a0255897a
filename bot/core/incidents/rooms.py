"""A channel of its own for each serious incident, where that is wanted; the leader's.

serious and open, without one ──> created, people invited, the live card stands there too
somebody joins later          ──> invited
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.core.ports import Clock, Store
from bot.core.shared.incident_book import redraw
from bot.domain.audit import BOT, Event
from bot.domain.ids import ChannelId, IncidentId, UserId
from bot.domain.incident import Incident, PartKind, Priority, StoryPart, TimelineEntry
from bot.domain.place import Place
from bot.locale import Texts
from tools.errors import BackendError

log = structlog.get_logger(__name__)

AGAIN_AFTER = timedelta(minutes=5)  # wall: Slack said no, or was away


class Rooms(Protocol):
    """Channels that are made for incidents."""

    async def open(self, name: str) -> ChannelId:
        """Make a channel, or find the one of this name that we made. Raises BackendError."""
        ...

    async def invite(self, channel: ChannelId, people: Sequence[UserId]) -> None:
        """Bring people into it; who is there already stays. Raises BackendError."""
        ...


@dataclass(slots=True)
class IncidentRooms:
    """Opens channels for incidents at least as serious as `since`."""

    store: Store
    clock: Clock
    rooms: Rooms
    since: Priority
    texts_of: Callable[[ChannelId], Texts]
    _invited: dict[IncidentId, set[UserId]] = field(default_factory=dict)
    _later: dict[IncidentId, datetime] = field(default_factory=dict)  # wall

    async def tick(self) -> int:
        """Look once; returns how many channels were opened."""
        async with self.store.begin() as tx:
            known = await tx.incidents.open()
        opened = 0
        for incident in known:
            if self._later.get(incident.id, self.clock.wall()) > self.clock.wall():
                continue
            try:
                opened += await self._look(incident)
            except BackendError as error:
                self._later[incident.id] = self.clock.wall() + AGAIN_AFTER
                log.warning("incident.room_failed", incident=incident.id, why=str(error))
        for gone in self._invited.keys() - {each.id for each in known}:
            del self._invited[gone]
        return opened

    async def _look(self, incident: Incident) -> bool:
        room, opened = incident.room, False
        if room is None:
            if incident.priority.rank > self.since.rank:
                return False
            room, opened = await self.rooms.open(incident.id.lower()), True
            await self._keep(incident.id, room)
        invited = self._invited.setdefault(incident.id, set())
        missing = [each for each in incident.people if each not in invited]
        if missing:
            await self.rooms.invite(room, missing)
            invited.update(missing)
        return opened

    async def _keep(self, incident_id: IncidentId, room: ChannelId) -> None:
        now, place = self.clock.now(), Place(room)
        async with self.store.begin() as tx:
            incident = await tx.incidents.held(incident_id)
            await tx.incidents.save(replace(incident, room=room))
            await tx.incidents.attach(incident_id, StoryPart(PartKind.POST, place.key(), now))
            line = self.texts_of(incident.place.channel).say("incident.line.room")
            await tx.incidents.note(incident_id, TimelineEntry(now, line, "bot"))
            await tx.outbox.post(f"incident:{incident_id}:room", "incident", incident_id, place)
            await redraw(tx, incident_id)
            facts = {"channel": room}
            event = Event("incident.room_opened", now, BOT, incident_id, facts=facts)
            await tx.audit.append(event)
