"""Reading: status, catalogue, anomalies, baselines, plans."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query

from bot.api.access import Caller, deny, needs
from bot.api.health import told
from bot.api.problems import ProblemError, described
from bot.api.schemas import (
    AnomalyOut,
    BaselineData,
    BaselineOut,
    ImportOut,
    MetricOut,
    PlanOut,
    StatusOut,
    number,
)
from bot.core.ports import PlanRecord
from bot.domain.audit import Event
from bot.domain.ids import AnomalyId, PlanId
from bot.domain.plan import PlanStatus
from foundation.nearest import nearest
from tools.world import Baseline, Floats, MetricName, Severity, labels_of

router = APIRouter(prefix="/api/v1", responses=described(401, 403, 422, 503))
WAITING = (PlanStatus.WAITING, PlanStatus.HELD)
MOST_BASELINES = 5000


@router.get("/status", tags=["status"])
async def status(caller: Annotated[Caller, Depends(needs("api.status"))]) -> StatusOut:
    """Tell how the bot is doing."""
    deps = caller.deps
    pulse, backends = deps.pulse(), await deps.backends()
    up = {h.name.partition(" ")[0] for h in backends if h.configured and h.up}
    halt, freeze = await deps.switches.now()
    async with deps.store.begin() as tx:
        anomalies = await tx.anomalies.active()
        findings = await tx.findings.open()
        plans = await tx.plans.list(WAITING, limit=1000)
        baselines = await tx.baselines.all()
        inbox, outbox = await tx.inbox.backlog(), await tx.outbox.backlog()
    return StatusOut(
        running=pulse.ready,
        version=deps.version,
        mode=pulse.mode,
        leading=pulse.leading,
        active_anomalies=sum(caller.may_read(a.service) for a in anomalies),
        open_findings=sum(caller.may_read(f.service) for f in findings),
        plans_waiting=len(plans),
        baselines_loaded=len(baselines),
        last_baseline_update=max((b.learned_at for b in baselines), default=None),
        last_cycle_at=pulse.last_cycle_at,
        metrics_collector_connected="prometheus" in up,
        logs_collector_connected="loki" in up,
        cluster_connected="kubernetes" in up,
        inbox_backlog=inbox,
        outbox_backlog=outbox,
        halted=halt.why,
        halted_by=halt.by,
        halted_since=halt.since,
        frozen=freeze.why,
        not_configured=list(pulse.off),
        failing_jobs=pulse.failing_jobs,
        backends=told(backends),
        now=deps.clock.now(),
    )


@router.get("/metrics", tags=["metrics"])
async def metrics(
    caller: Annotated[Caller, Depends(needs("api.metrics"))],
    category: Annotated[str, Query(max_length=100)] = "",
) -> list[MetricOut]:
    """Return the metric catalogue."""
    specs = list(caller.deps.catalogue().metrics.values())
    _known_category(category, {s.category for s in specs})
    return [MetricOut.of(s) for s in specs if not category or s.category == category]


@router.get("/anomalies", tags=["anomalies"])
async def anomalies(
    caller: Annotated[Caller, Depends(needs("api.anomalies"))],
    category: Annotated[str, Query(max_length=100)] = "",
    severity: Severity | None = None,
    active_only: bool = True,  # noqa: FBT001, FBT002 - a query parameter
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[AnomalyOut]:
    """Return anomalies, newest first."""
    known = {s.category for s in caller.deps.catalogue().metrics.values()}
    _known_category(category, {*known, "alert"})
    async with caller.deps.store.begin() as tx:
        found = await tx.anomalies.list(
            active_only=active_only,
            category=category,
            severity=severity.value if severity else "",
            limit=limit,
        )
    return [AnomalyOut.of(a) for a in found if caller.may_read(a.service)]


@router.get("/anomalies/{anomaly_id}", tags=["anomalies"], responses=described(404))
async def anomaly(
    anomaly_id: str, caller: Annotated[Caller, Depends(needs("api.anomalies"))]
) -> AnomalyOut:
    """Return one anomaly."""
    async with caller.deps.store.begin() as tx:
        found = await tx.anomalies.get(AnomalyId(anomaly_id))
    await _readable(caller, found.service, anomaly_id)
    return AnomalyOut.of(found)


@router.post("/anomalies/{anomaly_id}/acknowledge", tags=["anomalies"], responses=described(404))
async def acknowledge_anomaly(
    anomaly_id: str, caller: Annotated[Caller, Depends(needs("api.acknowledge"))]
) -> AnomalyOut:
    """Note that the token's owner has seen an anomaly; twice is once."""
    async with caller.deps.store.begin() as tx:
        found = await tx.anomalies.get(AnomalyId(anomaly_id))
    await _readable(caller, found.service, anomaly_id)
    seen = await caller.deps.triage.acknowledge_anomaly(found.id, caller.token.user)
    return AnomalyOut.of(seen)


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
    body: list[BaselineData], caller: Annotated[Caller, Depends(needs("api.import"))]
) -> ImportOut:
    """Replace the baselines of these series."""
    if len(body) > MOST_BASELINES:
        raise ProblemError(422, f"{len(body)} baselines at once; at most {MOST_BASELINES}")
    known = caller.deps.catalogue().metrics
    for index, each in enumerate(body):
        if each.metric not in known:
            hint = nearest(each.metric, known)
            raise ProblemError(422, f"{index}.metric: unknown metric {each.metric!r}.{hint}")
        if len(each.profile) != len(each.spread):
            raise ProblemError(
                422, f"{index}: profile has {len(each.profile)} slots, spread {len(each.spread)}"
            )
        if each.learned_at.tzinfo is None:
            raise ProblemError(
                422, f"{index}.learned_at: needs a time zone, got {each.learned_at.isoformat()!r}"
            )
    async with caller.deps.store.begin() as tx:
        await tx.baselines.save([_imported(b) for b in body])
        await tx.audit.append(
            Event(
                kind="baselines.imported",
                at=caller.deps.clock.now(),
                actor=caller.token.user,
                subject="baselines",
                facts={"count": len(body), "metrics": sorted({b.metric for b in body})},
            )
        )
    return ImportOut(imported=len(body))


@router.get("/plans", tags=["plans"])
async def plans(
    caller: Annotated[Caller, Depends(needs("api.plans"))],
    status: PlanStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> list[PlanOut]:
    """Return plans, newest first."""
    return await _plans(caller, (status,) if status else (), limit)


@router.get("/approvals", tags=["approvals"])
async def approvals(caller: Annotated[Caller, Depends(needs("api.approvals"))]) -> list[PlanOut]:
    """Return the plans that wait for an answer."""
    return await _plans(caller, WAITING, 500)


@router.get("/approvals/{plan_id}", tags=["approvals"], responses=described(404))
async def approval(
    plan_id: str, caller: Annotated[Caller, Depends(needs("api.approvals"))]
) -> PlanOut:
    """Return one plan with its answers."""
    async with caller.deps.store.begin() as tx:
        record = await tx.plans.get(PlanId(plan_id))
    await _readable(caller, record.plan.service, plan_id)
    return PlanOut.of(record)


async def _plans(caller: Caller, statuses: tuple[PlanStatus, ...], limit: int) -> list[PlanOut]:
    async with caller.deps.store.begin() as tx:
        found: list[PlanRecord] = await tx.plans.list(statuses, limit=limit)
    return [PlanOut.of(r) for r in found if caller.may_read(r.plan.service)]


async def _readable(caller: Caller, service: str, subject: str) -> None:
    if not caller.may_read(service):
        await deny(caller, "service.read", subject, f"no right to read {service}")
        raise ProblemError(
            403, f"{caller.person.id} may not read the service {service!r}; ask an admin"
        )


async def _baselines(caller: Caller, metric: str) -> list[Baseline]:
    known = caller.deps.catalogue().metrics
    if metric and metric not in known:
        raise ProblemError(422, f"metric: unknown metric {metric!r}.{nearest(metric, known)}")
    async with caller.deps.store.begin() as tx:
        found = await tx.baselines.all()
    return [
        b
        for b in found
        if (not metric or b.metric == metric) and caller.may_read(dict(b.labels).get("service", ""))
    ]


def _known_category(category: str, known: set[str]) -> None:
    if category and category not in known:
        raise ProblemError(
            422, f"category: unknown category {category!r}.{nearest(category, known)}"
        )


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
