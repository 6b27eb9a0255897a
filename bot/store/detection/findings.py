"""findings: groups of anomalies as they were told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from bot.domain.finding import Finding
from bot.domain.ids import ChannelId, FindingId
from bot.domain.keyring import Keyring, Purpose
from bot.store.codec import decode, encode
from bot.store.row_seals import RowSeal
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class FindingRow(Base, table=True):
    """One finding. `channel` is empty until it has a place."""

    __tablename__ = "findings"
    id: str = text_column(primary_key=True)
    service: str = text_column(index=True)
    severity: str = text_column()
    opened_at: datetime = time_column(index=True)
    resolved_at: datetime | None = time_column()
    channel: str = text_column(index=True)
    body: str = text_column()
    mac: str | None = text_column()  # NULL: nothing proves it; so before `0010_more_seals`


T = table_of(FindingRow)
SEAL = RowSeal(
    T,
    Purpose.FINDING,
    "id",
    ("id", "service", "severity", "opened_at", "resolved_at", "channel", "body"),
)


class SqlFindings:
    """The port `Findings`."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring

    async def save(self, finding: Finding) -> None:
        """Insert or replace."""
        values = {
            "id": finding.id,
            "service": finding.service,
            "severity": finding.severity.value,
            "opened_at": finding.opened_at,
            "resolved_at": finding.resolved_at,
            "channel": finding.place.channel if finding.place else "",
            "body": encode(finding),
        }
        sealed = await SEAL.resealed(self._session, self._keyring, values)
        await self._session.put(T, [sealed], ["id"])

    async def is_genuine(self, finding_id: FindingId) -> bool:
        """Say whether we wrote a finding as it stands."""
        return await SEAL.is_genuine(self._session, self._keyring, finding_id)

    async def _all(self, query: Select[Any]) -> list[Finding]:
        return [decode(Finding, row.body) for row in await self._session.all(query)]

    async def get(self, finding_id: FindingId) -> Finding:
        """Return one."""
        ids = select(T.c.id).order_by(T.c.opened_at.desc())
        query = select(T.c.body).where(T.c.id == finding_id)
        return decode(Finding, (await self._session.get(query, "finding", finding_id, ids)).body)

    async def open(self) -> list[Finding]:
        """Return findings not resolved, newest first."""
        newest = select(T.c.body).order_by(T.c.opened_at.desc(), T.c.id.desc())
        return await self._all(newest.where(T.c.resolved_at.is_(None)))

    async def list(self, since: datetime, until: datetime) -> list[Finding]:
        """Return findings opened in [since, until), oldest first."""
        oldest = select(T.c.body).order_by(T.c.opened_at, T.c.id)
        return await self._all(oldest.where(T.c.opened_at >= since, T.c.opened_at < until))

    async def latest_in(self, channel: ChannelId) -> Finding | None:
        """Return the newest finding of a channel."""
        newest = select(T.c.body).order_by(T.c.opened_at.desc(), T.c.id.desc())
        found = await self._all(newest.where(T.c.channel == channel).limit(1))
        return found[0] if found else None
