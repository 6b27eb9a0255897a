"""How the bot is doing, and the metrics it knows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from bot.api.access import Caller, needs
from bot.api.problems import ProblemError, described
from bot.api.routes.health import told
from bot.api.schemas.status import MetricOut, StatusOut
from bot.domain.plans.plan import OPEN
from foundation.nearest import nearest

router = APIRouter(prefix="/api/v1", responses=described(401, 403, 422, 503))


@router.get("/status", tags=["status"])
async def status(caller: Annotated[Caller, Depends(needs("api.status"))]) -> StatusOut:
    """Tell how the bot is doing."""
    deps = caller.deps
    pulse, backends = deps.pulse(), await deps.backends()
    up = {h.name.partition(" ")[0] for h in backends if h.configured and h.up}
    halt, freeze = await deps.switches.now()
    async with deps.store.begin() as tx:
        anomalies = await tx.anomalies.active()
        alerts = await tx.alerts.active()
        findings = await tx.findings.open()
        plans = await tx.plans.list(OPEN, limit=1000)
        learned = (await tx.baselines.learned()).values()
        inbox, outbox = await tx.inbox.backlog(), await tx.outbox.backlog()
    return StatusOut(
        running=pulse.ready,
        version=deps.version,
        mode=pulse.mode,
        leading=pulse.leading,
        active_anomalies=sum(caller.may_read(a.service) for a in anomalies),
        firing_alerts=sum(caller.may_read(a.service) for a in alerts),
        open_findings=sum(caller.may_read(f.service) for f in findings),
        plans_waiting=len(plans),
        baselines_loaded=sum(each.series for each in learned),
        last_baseline_update=max((each.newest for each in learned), default=None),
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
    known_category(category, {s.category for s in specs})
    return [MetricOut.of(s) for s in specs if not category or s.category == category]


def known_category(category: str, known: set[str]) -> None:
    """Refuse a category that does not exist, with the nearest one."""
    if category and category not in known:
        raise ProblemError(
            422, f"category: unknown category {category!r}.{nearest(category, known)}"
        )
