"""documents: what the knowledge index holds, and from which bytes. Its port comes later."""

from __future__ import annotations

from datetime import datetime

from bot.store.schema import Base, text_column, time_column


class DocumentRow(Base, table=True):
    """One indexed document."""

    __tablename__ = "documents"
    id: str = text_column(primary_key=True)
    kind: str = text_column(index=True)
    title: str = text_column()
    path: str = text_column()
    sha256: str = text_column()
    indexed_at: datetime = time_column()
