"""The same bot on another production: the web shop, its profile and the shipped playbooks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.remediation.planning.planner import Origin
from bot.domain.place import TERMINAL
from bot.store.store import SqlStore
from playbooks.loader import load_library
from tests.architecture.source import ROOT
from tests.fixtures.watch import Watch, watching
from tests.sandboxed import platform
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, bind, parse_parameters
from tools.metrics_and_services import load_catalogue
from tools.rules import load_rules
from tools.world import Baseline, MetricName, ProposalDraft, ServiceName, WorkloadRef

SHOP = ROOT / "config" / "profiles" / "shop"
WATCHED = ("api_latency_mean", "api_error_rate", "provider_latency_mean", "pool_waiting")
LEARNED: list[Baseline] = []


@pytest.fixture
async def watch(store: SqlStore, tmp_path: Path) -> AsyncIterator[Watch]:
    known = load_catalogue(SHOP / "metrics.yaml", SHOP / "services.yaml")
    few = {MetricName(name): known.metrics[MetricName(name)] for name in WATCHED}
    described = {
        "catalogue": replace(known, metrics=few),
        "rules": load_rules(SHOP / "rca_rules.yaml"),
        "library": load_library([ROOT / "playbooks" / "library"], frozenset(ACTIONS)),
    }
    async with (
        platform(tmp_path, "shop") as outside,
        watching(outside, store, tmp_path, LEARNED, **described) as made,
    ):
        yield made


async def test_a_deploy_that_exhausts_a_pool_is_told_blamed_and_healed_by_going_back(
    watch: Watch,
) -> None:
    watch.outside.tell("pool_exhausted")
    told = [finding for report in await watch.minutes(6) for finding in report.told]
    assert [finding.service for finding in told] == ["orders"]
    cause = told[0].causes[0]
    assert (cause.kind, cause.service) == ("deploy", "orders")
    assert "4.8.0" in cause.cause
    draft = ProposalDraft("service-rollback", ServiceName("orders"), "orders wait for connections")
    proposed = await watch.bot.remediation.planner.propose(
        draft, Origin(TERMINAL, finding=told[0].id)
    )
    assert proposed.plan_id is not None, proposed

    actors = Actors(watch.outside.clock, watch.actor)
    action = ACTIONS["deployment_rollback"]
    target = WorkloadRef("default", "shop", "Deployment", "orders")
    state = await action.observe(actors, target, parse_parameters(action, {}))
    await action.execute(actors, bind(action, state), "test-rollback")
    await watch.minutes(24, every=2)
    async with watch.store.begin() as tx:
        assert (await tx.findings.get(told[0].id)).resolved_at is not None


async def test_a_slow_provider_is_told_and_nothing_of_ours_is_blamed(watch: Watch) -> None:
    watch.outside.tell("provider_slow")
    told = [finding for report in await watch.minutes(12, every=2) for finding in report.told]
    assert {finding.service for finding in told} <= {"paywire", "payments"}
    first = told[0].causes[0]
    assert (first.service, first.kind) == ("paywire", "dependency")
    for finding in told:
        assert [c for c in finding.causes if c.kind in {"deploy", "config"}] == []
