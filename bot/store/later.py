"""Tables whose ports come with later issues; they are here so that the schema is named once.

alerts     what Alertmanager or an SLO burn fired
documents  what the knowledge index holds, and from which bytes
"""

from __future__ import annotations

from datetime import datetime

from bot.store.schema import Base, text_column, time_column


class AlertRow(Base, table=True):
    """One alert by its fingerprint and start."""

    __tablename__ = "alerts"
    fingerprint: str = text_column(primary_key=True)
    starts_at: datetime = time_column(primary_key=True)
    ends_at: datetime | None = time_column()
    status: str = text_column(index=True)
    service: str = text_column(index=True)
    finding: str | None = text_column()
    body: str = text_column()


class DocumentRow(Base, table=True):
    """One indexed document."""

    __tablename__ = "documents"
    id: str = text_column(primary_key=True)
    kind: str = text_column(index=True)
    title: str = text_column()
    path: str = text_column()
    sha256: str = text_column()
    indexed_at: datetime = time_column()
