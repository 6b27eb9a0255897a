"""Baselines: told, exported, imported."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from bot.api.schemas.common import At, Label, Out, number
from tools.world import Baseline


class BaselineOut(Out):
    """What is normal for one series, without its profile."""

    metric: str
    labels: dict[str, str]
    learned_at: datetime
    history_days: float
    samples: int
    mean: float | None
    std: float | None
    quality: float
    unit: str

    @classmethod
    def of(cls, baseline: Baseline) -> BaselineOut:
        """Tell a baseline."""
        return cls(
            metric=baseline.metric,
            labels=dict(baseline.labels),
            learned_at=baseline.learned_at,
            history_days=baseline.history.total_seconds() / 86_400,
            samples=baseline.samples,
            mean=number(baseline.mean),
            std=number(baseline.std),
            quality=baseline.quality,
            unit=baseline.unit,
        )


class BaselineData(BaseModel):
    """One baseline with everything it holds, for export and import."""

    model_config = ConfigDict(extra="forbid")
    metric: str = Field(min_length=1, max_length=200)
    labels: dict[Label, Label]
    learned_at: At
    history_seconds: float = Field(gt=0, le=10_000 * 86_400)
    samples: int = Field(ge=0, le=10**12)
    slot_seconds: float = Field(gt=0)
    profile: list[float | None] = Field(min_length=1, max_length=20_000)
    spread: list[float | None] = Field(min_length=1, max_length=20_000)
    mean: float | None
    std: float | None
    median: float | None
    mad: float | None
    trend_per_day: float | None
    quality: float = Field(ge=0, le=1)
    unit: str = ""


class ImportOut(Out):
    """How many baselines were replaced."""

    imported: int
