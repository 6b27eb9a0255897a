"""usage: what runs cost, in USD micro-units, for budgets per person, team and day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, func, select
from sqlmodel import Field

from bot.core.ports import Spent
from bot.domain.answer import Usage
from bot.domain.ids import RunId, UserId
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session


class UsageRow(Base, table=True):
    """What one run cost."""

    __tablename__ = "usage"
    run_id: str = text_column(primary_key=True)
    user: str | None = text_column(index=True)
    at: datetime = time_column(index=True)
    mode: str = text_column()
    steps: int
    input_tokens: int = number_column()
    output_tokens: int = number_column()
    cached_tokens: int = number_column()
    usd_micros: int = number_column()
    seconds: float = Field(sa_type=Float)


T = table_of(UsageRow)


class SqlUsage:
    """The port `UsageLedger`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(
        self, run_id: RunId, user: UserId | None, mode: str, used: Usage, at: datetime
    ) -> None:
        """Book one run that ended; booked again, the newer booking replaces the older."""
        values = {
            "run_id": run_id,
            "user": user,
            "at": at,
            "mode": mode,
            "steps": used.steps,
            "input_tokens": used.input_tokens,
            "output_tokens": used.output_tokens,
            "cached_tokens": used.cached_tokens,
            "usd_micros": used.usd_micros,
            "seconds": used.seconds,
        }
        await self._session.put(T, [values], ["run_id"])

    async def spent(self, since: datetime, user: UserId | None = None) -> Spent:
        """Return what was spent, by one person or by all."""
        columns = (T.c.usd_micros, T.c.input_tokens, T.c.output_tokens)
        sums = (func.coalesce(func.sum(column), 0) for column in columns)
        query = select(*sums, func.count()).select_from(T).where(T.c.at >= since)
        if user is not None:
            query = query.where(T.c.user == user)
        row = (await self._session.all(query))[0]
        return Spent(*(int(total) for total in row))
