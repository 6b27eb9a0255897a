"""feedback: a person's last word on an answer."""

from __future__ import annotations

from datetime import datetime

from bot.core.ports import Feedback
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class FeedbackRow(Base, table=True):
    """One person's 👍 or 👎 on one run."""

    __tablename__ = "feedback"
    run_id: str = text_column(primary_key=True)
    by: str = text_column(primary_key=True)
    helpful: bool
    at: datetime = time_column()
    text: str = text_column()


T = table_of(FeedbackRow)


class SqlFeedback:
    """The port `FeedbackRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def save(self, feedback: Feedback) -> None:
        """Insert or replace a person's feedback on a run."""
        values = {
            "run_id": feedback.run_id,
            "by": feedback.by,
            "helpful": feedback.helpful,
            "at": feedback.at,
            "text": feedback.text,
        }
        await self._session.put(T, [values], ["run_id", "by"])
