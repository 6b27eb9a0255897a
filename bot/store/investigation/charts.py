"""charts: PNG images by id, kept until they are uploaded and for the record."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, select
from sqlmodel import Field

from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class ChartRow(Base, table=True):
    """One chart."""

    __tablename__ = "charts"
    id: str = text_column(primary_key=True)
    png: bytes = Field(sa_type=LargeBinary)
    alt_text: str = text_column()
    at: datetime = time_column(index=True)


T = table_of(ChartRow)


class SqlCharts:
    """The port `Charts`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def save(self, chart_id: str, png: bytes, alt_text: str, at: datetime) -> None:
        """Keep one chart; the same id again replaces it."""
        values = {"id": chart_id, "png": png, "alt_text": alt_text, "at": at}
        await self._session.put(T, [values], ["id"])

    async def get(self, chart_id: str) -> tuple[bytes, str]:
        """Return a chart's PNG and alternative text."""
        ids = select(T.c.id).order_by(T.c.at.desc())
        row = await self._session.get(select(T).where(T.c.id == chart_id), "chart", chart_id, ids)
        return bytes(row.png), row.alt_text
