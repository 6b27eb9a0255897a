"""incidents, their timeline and what belongs to them.

Ids are numbered per year without gaps: INC-2026-0007.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Select, insert, select, update

from bot.domain.ids import ChannelId, IncidentId
from bot.domain.incident import Incident, PartKind, StoryPart, TimelineEntry
from bot.domain.place import Place
from bot.store.codec import decode, encode
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session


class IncidentRow(Base, table=True):
    """One incident."""

    __tablename__ = "incidents"
    id: str = text_column(primary_key=True)
    priority: str = text_column()
    service: str = text_column(index=True)
    place: str = text_column(index=True)
    channel: str = text_column(index=True)
    declared_at: datetime = time_column(index=True)
    resolved_at: datetime | None = time_column()
    body: str = text_column()


class TimelineRow(Base, table=True):
    """One dated line."""

    __tablename__ = "timeline"
    __table_args__ = (
        Index("ix_timeline_incident", "incident", "at", "id"),
        {"sqlite_autoincrement": True},
    )
    id: int | None = number_column(default=None, primary_key=True)
    incident: str = text_column(foreign_key="incidents.id")
    at: datetime = time_column()
    text: str = text_column()
    source: str = text_column()
    by: str = text_column()
    ref: str = text_column()


class PartRow(Base, table=True):
    """One thing that belongs to an incident."""

    __tablename__ = "incident_parts"
    kind: str = text_column(primary_key=True)
    ref: str = text_column(primary_key=True)
    incident: str = text_column(foreign_key="incidents.id", index=True)
    at: datetime = time_column()


T = table_of(IncidentRow)
LINES = table_of(TimelineRow)
PARTS = table_of(PartRow)


class SqlIncidents:
    """The port `Incidents`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def next_id(self, year: int) -> IncidentId:
        """Return the next id of a year; rolled back, the number is given back."""
        count = await self._session.count_up(f"incident:{year}")
        return IncidentId(f"INC-{year}-{count:04d}")

    async def save(self, incident: Incident) -> None:
        """Insert or replace."""
        values = {
            "id": incident.id,
            "priority": incident.priority.value,
            "service": incident.service,
            "place": incident.place.key(),
            "channel": incident.place.channel,
            "declared_at": incident.declared_at,
            "resolved_at": incident.resolved_at,
            "body": encode(incident),
        }
        await self._session.put(T, [values], ["id"])

    async def _all(self, query: Select[Any]) -> list[Incident]:
        return [decode(Incident, row.body) for row in await self._session.all(query)]

    async def get(self, incident_id: IncidentId) -> Incident:
        """Return one."""
        ids = select(T.c.id).order_by(T.c.declared_at.desc())
        query = select(T.c.body).where(T.c.id == incident_id)
        found = await self._session.get(query, "incident", incident_id, ids)
        return decode(Incident, found.body)

    async def open(self) -> list[Incident]:
        """Return incidents not resolved, newest first."""
        return await self._all(_newest().where(T.c.resolved_at.is_(None)))

    async def latest_in(self, channel: ChannelId) -> Incident | None:
        """Return the newest incident of a channel."""
        found = await self._all(_newest().where(T.c.channel == channel).limit(1))
        return found[0] if found else None

    async def at(self, place: Place) -> Incident | None:
        """Return the incident whose thread this is, the newest if there are several."""
        found = await self._all(_newest().where(T.c.place == place.key()).limit(1))
        if found or not (owner := await self.owner_of(PartKind.POST, place.key())):
            return found[0] if found else None
        return await self.get(owner)

    async def note(self, incident_id: IncidentId, entry: TimelineEntry) -> None:
        """Add a line to the timeline."""
        await self.get(incident_id)
        values = {
            "incident": incident_id,
            "at": entry.at,
            "text": entry.text,
            "source": entry.source,
            "by": entry.by,
            "ref": entry.ref,
        }
        await self._session.run(insert(LINES).values(**values))

    async def timeline(self, incident_id: IncidentId) -> list[TimelineEntry]:
        """Return the timeline, oldest first."""
        query = select(LINES).where(LINES.c.incident == incident_id)
        return [
            TimelineEntry(row.at, row.text, row.source, row.by, row.ref)
            for row in await self._session.all(query.order_by(LINES.c.at, LINES.c.id))
        ]

    async def held(self, incident_id: IncidentId) -> Incident:
        """Return one that nobody else changes before this transaction ends."""
        await self._session.lock(f"incident:{incident_id}")
        return await self.get(incident_id)

    async def newest(self, limit: int = 100) -> list[Incident]:
        """Return incidents in whatever state, newest first."""
        return await self._all(_newest().limit(limit))

    async def attach(self, incident_id: IncidentId, part: StoryPart) -> bool:
        """Let something belong to an incident; False when it belongs to one already."""
        values = {"kind": part.kind.value, "ref": part.ref, "incident": incident_id, "at": part.at}
        return await self._session.add_new(PARTS, values, ["kind", "ref"])

    async def owner_of(self, kind: PartKind, ref: str) -> IncidentId | None:
        """Return the incident that something belongs to."""
        query = select(PARTS.c.incident).where(PARTS.c.kind == kind.value, PARTS.c.ref == ref)
        found = await self._session.value(query)
        return IncidentId(found) if found else None

    async def parts(self, incident_id: IncidentId) -> list[StoryPart]:
        """Return what belongs to an incident, oldest first."""
        query = select(PARTS).where(PARTS.c.incident == incident_id)
        rows = await self._session.all(query.order_by(PARTS.c.at, PARTS.c.kind, PARTS.c.ref))
        return [StoryPart(PartKind(row.kind), row.ref, row.at) for row in rows]

    async def absorb(self, incident_id: IncidentId, into: IncidentId) -> None:
        """Give another incident all parts and the whole timeline of one."""
        for table in (PARTS, LINES):
            moved = update(table).where(table.c.incident == incident_id)
            await self._session.run(moved.values(incident=into))


def _newest() -> Select[Any]:
    return select(T.c.body).order_by(T.c.declared_at.desc(), T.c.id.desc())
