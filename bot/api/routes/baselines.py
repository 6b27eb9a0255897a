"""Baselines: read, exported, imported."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query
from pydantic import FailFast, Field

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.schemas.baselines import BaselineData, BaselineOut, ImportOut
from bot.api.schemas.common import number
from foundation.nearest import nearest
from tools.world import Baseline, Floats, MetricName, labels_of

router = APIRouter(prefix="/api/v1", responses=described(401, 403, 422, 503))
MOST_BASELINES = 5000


@router.get("/baselines", tags=["baselines"])
async def baselines(
    caller: Annotated[Caller, Depends(needs("api.baselines"))],
    metric: Annotated[str, Query(max_length=200)] = "",
) -> list[BaselineOut]:
    """Return the learned baselines, without their profiles."""
    return [BaselineOut.of(b) for b in await _baselines(caller, metric)]


@router.get("/baselines/export", tags=["baselines"])
async def export_baselines(
    caller: Annotated[Caller, Depends(needs("api.baselines"))],
    metric: Annotated[str, Query(max_length=200)] = "",
) -> list[BaselineData]:
    """Return baselines with everything they hold, as import takes them."""
    return [_exported(b) for b in await _baselines(caller, metric)]


@router.post("/baselines/import", tags=["baselines"], responses=described(413))
async def import_baselines(
    body: Annotated[list[BaselineData], Field(max_length=MOST_BASELINES), FailFast()],
    caller: Annotated[Caller, Depends(needs("api.import"))],
) -> ImportOut:
    """Replace the baselines of these series."""
    for index, each in enumerate(body):
        if len(each.profile) != len(each.spread):
            raise ProblemError(
                422, f"{index}: profile has {len(each.profile)} slots, spread {len(each.spread)}"
            )
        if each.learned_at.tzinfo is None:
            raise ProblemError(
                422, f"{index}.learned_at: needs a time zone, got {each.learned_at.isoformat()!r}"
            )
    await caller.deps.baselines.take([_imported(b) for b in body], caller.token.user)
    return ImportOut(imported=len(body))


async def _baselines(caller: Caller, metric: str) -> list[Baseline]:
    catalogue = caller.deps.catalogue()
    known = catalogue.metrics
    if metric and metric not in known:
        raise ProblemError(422, f"metric: unknown metric {metric!r}.{nearest(metric, known)}")
    async with caller.deps.store.begin() as tx:
        found = await tx.baselines.all()
    return [
        b
        for b in found
        if (not metric or b.metric == metric)
        and caller.may_read(catalogue.whose(b.metric, b.labels))
    ]


def _exported(baseline: Baseline) -> BaselineData:
    return BaselineData(
        metric=baseline.metric,
        labels=dict(baseline.labels),
        learned_at=baseline.learned_at,
        history_seconds=baseline.history.total_seconds(),
        samples=baseline.samples,
        slot_seconds=baseline.slot_seconds,
        profile=[number(float(v)) for v in baseline.profile],
        spread=[number(float(v)) for v in baseline.spread],
        mean=number(baseline.mean),
        std=number(baseline.std),
        median=number(baseline.median),
        mad=number(baseline.mad),
        trend_per_day=number(baseline.trend_per_day),
        quality=baseline.quality,
        unit=baseline.unit,
    )


def _imported(each: BaselineData) -> Baseline:
    return Baseline(
        metric=MetricName(each.metric),
        labels=labels_of(each.labels),
        learned_at=each.learned_at,
        history=timedelta(seconds=each.history_seconds),
        samples=each.samples,
        slot_seconds=each.slot_seconds,
        profile=_floats(each.profile),
        spread=_floats(each.spread),
        mean=_float(each.mean),
        std=_float(each.std),
        median=_float(each.median),
        mad=_float(each.mad),
        trend_per_day=_float(each.trend_per_day),
        quality=each.quality,
        unit=each.unit,
    )


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def _floats(values: list[float | None]) -> Floats:
    return np.array([_float(v) for v in values], dtype=np.float64)
