"""The detection cycle over the imitated production: trouble is told once, health is not told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.ports import Mute
from bot.core.remediation.planning.planner import Origin
from bot.domain.ids import PlanId, UserId
from bot.domain.place import TERMINAL
from bot.domain.plans.plan import PlanStatus
from bot.store.store import SqlStore
from tests.fakes.decision import library
from tests.fixtures.profile import trading_catalogue
from tests.fixtures.watch import Watch, watching
from tests.sandboxed import Platform
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, bind, parse_parameters
from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig
from tools.world import (
    Baseline,
    Catalogue,
    MetricName,
    ProposalDraft,
    ServiceName,
    Severity,
    WorkloadRef,
)

# few tests, each hours of the world: begun first, or a worker ends alone
pytestmark = pytest.mark.slow

WATCHED = ("order_latency_p99", "order_error_rate", "api_error_rate", "api_latency_p99")
LEARNED: list[Baseline] = []


def catalogue() -> Catalogue:
    known = trading_catalogue()
    return replace(known, metrics={MetricName(m): known.metrics[MetricName(m)] for m in WATCHED})


async def roll_back(watch: Watch) -> None:
    """Roll order-api back as somebody else would, with the acting identity."""
    actors = Actors(watch.outside.clock, watch.actor)
    action = ACTIONS["deployment_rollback"]
    target = WorkloadRef("default", "trading", "Deployment", "order-api")
    state = await action.observe(actors, target, parse_parameters(action, {}))
    await action.execute(actors, bind(action, state), "test-rollback")


@pytest.fixture
async def watch(outside: Platform, store: SqlStore, tmp_path: Path) -> AsyncIterator[Watch]:
    described = {"catalogue": catalogue(), "library": library()}
    async with watching(outside, store, tmp_path, LEARNED, **described) as made:
        yield made


async def test_a_bad_deploy_is_told_once_within_three_minutes_and_names_the_deploy(
    watch: Watch,
) -> None:
    watch.outside.tell("bad_deploy")
    reports = await watch.minutes(8)
    told = [finding for report in reports for finding in report.told]
    first = next(i for i, report in enumerate(reports) if report.told)
    assert len(told) == 1
    assert first <= 1  # within two cycles
    finding = told[0]
    assert finding.service == "order-api"
    assert finding.severity is Severity.CRITICAL
    assert finding.causes[0].kind == "deploy"
    assert finding.causes[0].service == "order-api"
    assert "2.14.0" in finding.causes[0].cause
    assert await watch.posts() == [finding.id]


async def test_the_finding_brings_an_incident_a_timeline_a_queued_run_and_audit_rows(
    watch: Watch,
) -> None:
    watch.outside.tell("bad_deploy")
    told = next(f for report in await watch.minutes(4) for f in report.told)
    async with watch.store.begin() as tx:
        assert told.incident is not None
        incident = await tx.incidents.get(told.incident)
        timeline = await tx.incidents.timeline(told.incident)
        runs = await tx.runs.queued(trigger="detection")
        audited = {row.event.kind for row in await tx.audit.tail(50)}
    assert incident.id.startswith("INC-2026-")
    assert timeline[0].source == "change"
    assert any(e.source == "anomaly" for e in timeline)
    assert [r.finding for r in runs] == [told.id]
    assert {"anomaly.opened", "finding.opened", "incident.declared"} <= audited


async def test_a_rollback_clears_the_finding_and_tells_the_thread(watch: Watch) -> None:
    watch.outside.tell("bad_deploy")
    told = next(f for report in await watch.minutes(5) for f in report.told)
    draft = ProposalDraft("rollback", ServiceName("order-api"), "orders fail")
    origin = Origin(TERMINAL, finding=told.id)
    waiting = await watch.bot.remediation.planner.propose(draft, origin)
    assert waiting.plan_id is not None, waiting
    await roll_back(watch)
    await watch.minutes(25)
    async with watch.store.begin() as tx:
        events = [row.event for row in await tx.audit.tail(500)]
        assert [e.subject for e in events if e.kind == "finding.resolved"] == [told.id]
        plan = await tx.plans.get(PlanId(waiting.plan_id))
        assert plan.status is PlanStatus.WITHDRAWN  # what it was for has cleared
        assert (await tx.findings.get(told.id)).resolved_at is not None
        assert await tx.outbox.find(f"finding-resolved:{told.id}") is not None


async def test_a_noisy_night_is_not_told(watch: Watch) -> None:
    watch.outside.tell("noisy_night")
    reports = await watch.minutes(30)
    assert [f for report in reports for f in report.told] == []


async def test_a_muted_service_is_watched_but_not_told(watch: Watch) -> None:
    async with watch.store.begin() as tx:
        until = watch.outside.clock.now().replace(year=2027)
        for service in ("order-api", "gateway"):
            await tx.mutes.add(Mute(ServiceName(service), "", until, UserId("U1")))
    watch.outside.tell("bad_deploy")
    reports = await watch.minutes(4)
    assert all(not report.told for report in reports)
    assert reports[-1].active > 0


async def test_a_prometheus_that_is_gone_is_named_and_resolves_nothing(watch: Watch) -> None:
    watch.outside.tell("bad_deploy")
    reports = await watch.minutes(4)
    active = reports[-1].active
    assert active > 0
    gone = Prometheus(PrometheusConfig(url="http://127.0.0.1:9", retry_attempts=1))
    watch.cycle._intake._metrics = gone
    report = await watch.cycle.run()
    await gone.close()
    assert set(report.failed) == set(WATCHED)
    assert report.active == active
    assert report.resolved == 0
