"""incidents and their timeline. Ids are numbered per year without gaps: INC-2026-0007."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Select, insert, select

from bot.domain.ids import ChannelId, IncidentId
from bot.domain.incident import Incident, TimelineEntry
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


T = table_of(IncidentRow)
LINES = table_of(TimelineRow)


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
        return found[0] if found else None

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


def _newest() -> Select[Any]:
    return select(T.c.body).order_by(T.c.declared_at.desc(), T.c.id.desc())
