"""What the risk of a plan is scored from, read from store, catalogue and steps."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.remediation.binding import BoundStep, Looked
from bot.core.remediation.planning.risk_inputs import RiskInputsReader
from bot.domain.anomaly import observe, open_anomaly
from bot.domain.ids import AnomalyId, FindingId
from bot.domain.plans.plan import Step
from bot.domain.plans.risk import RiskInputs, Trend
from tests.fakes.decision import Production, library
from tests.unit.decision.test_planner import a_finding, verdict
from tools.act.effects import EffectSet
from tools.world import Catalogue, ServiceName, Severity, WorkloadRef

TWICE = """
id: twice
name: Twice
description: Two rollbacks
trigger_conditions: ["order_error_rate > 2%"]
steps:
  - {name: First, action: deployment_rollback, target: shop}
  - {name: Second, action: deployment_rollback, target: cart}
verify: [{expression: order_error_rate < 2%, window_seconds: 600}]
"""


async def read(
    world: Production, *bound: BoundStep, service: str = "shop", finding: FindingId | None = None
) -> RiskInputs:
    catalogue = Catalogue({}, {ServiceName(k): v for k, v in world.services.items()})
    reader = RiskInputsReader(world.store, world.clock, world.bot.gate, lambda: catalogue)
    playbook = world.playbooks["rollback"].playbook
    return await reader.read(world.services[service], playbook, bound, finding)


async def seen(world: Production, name: str, *sigmas: float, service: str = "shop") -> None:
    """Keep an anomaly that deviated so much, one verdict after the other."""
    first, *later = [
        replace(verdict(world, f"metric_{name}", sigma), service=ServiceName(service))
        for sigma in sigmas
    ]
    anomaly = open_anomaly(AnomalyId(name), f"category_{name}", first)
    for each in later:
        anomaly = observe(anomaly, each)
    async with world.store.begin() as tx:
        await tx.anomalies.save(anomaly)


@pytest.mark.parametrize(
    ("sigmas", "trend"),
    [
        ((4.0, 6.0), Trend.WORSE),
        ((6.0,), Trend.WORSE),  # it is at its worst
        ((-4.0, -6.0), Trend.WORSE),
        ((10.0, 8.0), Trend.STEADY),
        ((10.0, 9.9), Trend.STEADY),
        ((10.0, 7.9), Trend.BETTER),
        ((-10.0, -7.9), Trend.BETTER),
        ((), Trend.UNKNOWN),
    ],
)
async def test_where_the_worst_metric_is_going(
    world: Production, sigmas: tuple[float, ...], trend: Trend
) -> None:
    if sigmas:
        await seen(world, "A", *sigmas)
    assert (await read(world)).trend is trend


async def test_the_worst_of_the_services_own_anomalies_counts(world: Production) -> None:
    await seen(world, "A", 4.0)
    await seen(world, "B", -5.5)
    await seen(world, "C", 9.0, service="cart")
    world.clock.advance(minutes=7)
    found = await read(world)
    assert (found.category, found.severity) == ("category_B", Severity.CRITICAL)
    assert found.lasted == timedelta(minutes=7)
    world.clock.advance_world(minutes=-20)  # a sandbox whose story begins anew
    assert (await read(world)).lasted == timedelta(0)


async def test_a_findings_own_anomalies_count_and_no_others(world: Production) -> None:
    finding = await a_finding(world)
    await seen(world, "B", 50.0)
    assert (await read(world, finding=finding.id)).category == "trading"


async def test_without_any_anomaly_it_is_of_middling_severity_and_has_just_begun(
    world: Production,
) -> None:
    found = await read(world)
    assert (found.severity, found.category) == (Severity.MEDIUM, "")
    assert found.lasted == timedelta(0)


async def test_who_depends_on_a_service_and_who_protects_it_is_the_catalogues_word(
    world: Production,
) -> None:
    world.services["cart"] = replace(world.services["cart"], dependencies=(ServiceName("shop"),))
    found = await read(world)
    assert (found.dependants, found.protected, found.namespace) == (1, False, "trading")
    assert (await read(world, service="cart")).dependants == 0
    assert (await read(world, service="vault")).protected


@pytest.mark.parametrize(
    ("undo", "floor", "undoable"),
    [(False, 0.0, True), (False, 0.4, False), (True, 0.4, True), (False, 1.0, False)],
)
async def test_a_step_has_a_way_back_or_is_so_harmless_that_it_needs_none(
    world: Production, undo: bool, floor: float, undoable: bool
) -> None:
    ref = WorkloadRef("default", "trading", "Pod", "shop-h2-0")
    step = Step("Restart", "pod_restart", ref, {}, 60, "")
    looked = Looked(EffectSet(), pods_affected=1, pods_total=3)
    bound = BoundStep(step, step if undo else None, looked, "", (), floor)
    found = await read(world, bound, bound)
    assert found.undoable is undoable
    assert (found.steps, found.kinds, found.floors) == (2, ("Pod", "Pod"), {"pod_restart": floor})
    assert (found.pods_affected, found.pods_total) == (2, 6)


async def test_of_two_steps_by_one_action_the_one_that_reaches_the_unread_sets_the_floor(
    world: Production,
) -> None:
    """What stands above `shop` is of a kind that nobody reads, which takes two people."""
    owner = {"apiVersion": "argoproj.io/v1", "kind": "Rollout", "name": "shop", "uid": "uid-above"}
    shop = world.cluster.objects["Deployment", "trading", "shop"]
    shop["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    world.playbooks = library(TWICE)
    plan = (await world.record(await world.planned("twice"))).plan
    assert plan.risk.floor == 0.6
    assert plan.approvers_needed == 2
