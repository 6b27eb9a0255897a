"""mutes: no new findings for a service, or one metric of it, until a time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from bot.core.ports import Mute
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class MuteRow(Base, table=True):
    """The newest mute of a service and metric; who said what before is in the audit."""

    __tablename__ = "mutes"
    service: str = text_column(primary_key=True)
    metric: str = text_column(primary_key=True)
    until: datetime = time_column(index=True)
    by: str = text_column()
    reason: str = text_column()


T = table_of(MuteRow)


class SqlMutes:
    """The port `Mutes`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, mute: Mute) -> None:
        """Set a mute; the last word on a service and metric counts, so it can be cut short."""
        values = {
            "service": mute.service,
            "metric": mute.metric,
            "until": mute.until,
            "by": mute.by,
            "reason": mute.reason,
        }
        await self._session.put(T, [values], ["service", "metric"])

    async def active(self, at: datetime) -> list[Mute]:
        """Return the mutes in force."""
        query = select(T).where(T.c.until > at).order_by(T.c.service, T.c.metric)
        return [
            Mute(row.service, row.metric, row.until, row.by, row.reason)
            for row in await self._session.all(query)
        ]
