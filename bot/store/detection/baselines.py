"""baselines: what is normal for each series; profiles as little-endian float64 bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Float, Index, LargeBinary, Row, func, select
from sqlalchemy import text as sql
from sqlmodel import Field

from bot.core.ports.detection import LearnedMetric
from bot.store.codec import from_json, pack, to_json, unpack
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session
from tools.world import Baseline, Labels, MetricName
from tools.world.conclusions import LearnedBatch

FIGURES = (
    "samples", "slot_seconds", "mean", "std", "median", "mad", "trend_per_day", "quality", "unit",
)  # fmt: skip


class BaselineRow(Base, table=True):
    """One series' baseline. `labels` is the series' labels as JSON pairs, sorted by name."""

    __tablename__ = "baselines"
    __table_args__ = (Index("ix_baselines_revision", "revision", "metric", "learned_at"),)
    metric: str = text_column(primary_key=True)
    labels: str = text_column(primary_key=True)
    learned_at: datetime = time_column()
    history_seconds: float = Field(sa_type=Float)
    profile: bytes = Field(sa_type=LargeBinary)
    spread: bytes = Field(sa_type=LargeBinary)
    body: str = text_column()
    revision: int = number_column(  # which save wrote it; 0: one of before they were numbered
        default=0, sa_column_kwargs={"server_default": sql("0")}
    )


T = table_of(BaselineRow)


def _values(baseline: Baseline, revision: int) -> dict[str, Any]:
    return {
        "revision": revision,
        "metric": baseline.metric,
        "labels": to_json(baseline.labels),
        "learned_at": baseline.learned_at,
        "history_seconds": baseline.history.total_seconds(),
        "profile": pack(baseline.profile),
        "spread": pack(baseline.spread),
        "body": to_json({name: getattr(baseline, name) for name in FIGURES}),
    }


def _baseline(row: Row[Any]) -> Baseline:
    return Baseline(
        metric=row.metric,
        labels=tuple((name, value) for name, value in from_json(row.labels)),
        learned_at=row.learned_at,
        history=timedelta(seconds=row.history_seconds),
        profile=unpack(row.profile),
        spread=unpack(row.spread),
        **from_json(row.body),
    )


class SqlBaselines:
    """The port `BaselineRows`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        """Return a series' baseline."""
        query = select(T).where(T.c.metric == metric, T.c.labels == to_json(labels))
        row = await self._session.first(query)
        return None if row is None else _baseline(row)

    async def save(self, baselines: Sequence[Baseline]) -> None:
        """Replace the baselines of these series."""
        if baselines:
            revision = await self._session.count_up("baselines")
            rows = [_values(each, revision) for each in baselines]
            await self._session.put(T, rows, ["metric", "labels"])

    async def after(self, revision: int) -> LearnedBatch | None:
        """Return what the first save after a revision left, None when there was none."""
        newer = select(func.min(T.c.revision)).where(T.c.revision > revision)
        found = await self._session.value(newer)
        if found is None:
            return None
        rows = await self._session.all(select(T).where(T.c.revision == found))
        return LearnedBatch(int(found), tuple(_baseline(row) for row in rows))

    async def learned(self) -> dict[MetricName, LearnedMetric]:
        """Return for each metric how many baselines there are, and how old."""
        at = T.c.learned_at
        query = select(
            T.c.metric,
            func.count().label("series"),
            func.min(at).label("oldest"),
            func.max(at).label("newest"),
        ).group_by(T.c.metric)
        return {
            MetricName(row.metric): LearnedMetric(row.series, row.oldest, row.newest)
            for row in await self._session.all(query)
        }

    async def all(self) -> list[Baseline]:
        """Return all."""
        query = select(T).order_by(T.c.metric, T.c.labels)
        return [_baseline(row) for row in await self._session.all(query)]
