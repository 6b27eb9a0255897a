"""alerts: what Alertmanager or an SLO burn fired. Its port comes with the alert's own noun."""

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
