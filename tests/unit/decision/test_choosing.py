"""Which playbook is chosen, what is measured for it, and what is shown when none may run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.core.ports import OutboxRow, PlanRecord
from bot.core.remediation.planning.planner import Origin
from bot.core.remediation.planning.playbook_choice import Match, rank, trouble_of
from bot.domain.ids import PlanId, Ts
from bot.domain.place import Place
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.plan_life import Verifying
from bot.domain.plans.policy import AutoTier, PolicyConfig
from playbooks.triggers import TriggerFacts
from tests.fakes.clock import FakeClock
from tests.fakes.decision import ANN, INCIDENTS, RAY, ROLLBACK, SCALE, Production, library
from tests.fixtures.nouns import a_plan
from tests.unit.decision.test_planner import a_finding
from tools.world import Cause, ProposalDraft, ServiceMode, ServiceName

OTHER = ROLLBACK.replace("id: rollback", "id: another").replace(
    "deployment_rollback", "rollout_restart"
)
OTHER = OTHER.replace('"{{ workload }}"', '"Deployment/shop"')
NEVER = """
id: vault-diagnosis
name: Vault diagnosis
description: The bot only says what to look at.
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.95
diagnosis: Compare both ledgers, and count the signatures.
owners: [wallet]
"""


async def cards(world: Production, view: str) -> list[dict[str, Any]]:
    """Post everything, and return the bodies of one view."""
    found: list[OutboxRow] = []
    wall = world.clock.wall()
    async with world.store.begin() as tx:
        while (row := await tx.outbox.claim("test", wall, world.policy.expiry)) is not None:
            await tx.outbox.posted(row.id, Ts(f"1732099200.{len(found):06}"), wall)
            found.append(row)
    return [dict(row.body) for row in found if row.view == view]


async def test_what_helped_before_goes_first(world: Production) -> None:
    world.playbooks = library(ROLLBACK, OTHER)
    finding = await a_finding(world)
    assert [
        m.loaded.playbook.id for m in await world.bot.proposals.choice.matches(trouble_of(finding))
    ] == [
        "another",
        "rollback",
    ]
    plan = await world.approved("rollback")
    await world.run()
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    world.metrics["order_error_rate", "shop"] = 0.4
    found = await world.bot.proposals.choice.matches(trouble_of(finding))
    assert [m.loaded.playbook.id for m in found] == ["rollback", "another"]
    assert [(m.success_ratio, m.tried) for m in found] == [(2 / 3, 1), (1 / 2, 0)]


@pytest.mark.parametrize(
    ("rate", "confidence", "fit"),
    [(0.05, 0.0, 0.5), (0.05, 0.4, 0.7), (0.05, 1.0, 1.0), (0.005, 0.0, 0.25), (0.005, 0.4, 0.45)],
)
def test_it_fits_as_far_as_its_conditions_hold_and_a_cause_recommends_it(
    rate: float, confidence: float, fit: float
) -> None:
    conditions = '["order_error_rate > 2%", "order_error_rate > 0.1%"]'
    text = ROLLBACK.replace('["order_error_rate > 2%"]', conditions)
    shop, other = ServiceName("shop"), ("pod_restart",)
    causes = [
        Cause("release", shop, "deploy", confidence, (), None, ("deployment_rollback", "scale")),
        Cause("something else", shop, "deploy", 0.9, (), None, other),
    ]
    (match,) = rank(library(text), "shop", TriggerFacts({"order_error_rate": rate}), causes, [])
    assert match.fit == pytest.approx(fit)
    assert (match.tried, match.success_ratio) == (0, 0.5)
    assert rank(library(text), "shop", TriggerFacts({}), causes, []) == []
    own = library(f"{text}services: [shop]\n")
    facts = TriggerFacts({"order_error_rate": rate})
    assert [len(rank(own, name, facts, (), [])) for name in ("shop", "cart")] == [1, 0]


def test_what_was_tried_before_counts_whether_it_helped_or_not() -> None:
    loaded, at = library(ROLLBACK)["rollback"], FakeClock().now()
    plan = replace(a_plan(), body=replace(a_plan().body, playbook_id="rollback"))
    other = replace(a_plan(), body=replace(a_plan().body, playbook_id="another"))
    yes = Approved(plan.id, "d", (), at)
    helped, failed = life.Succeeded(yes, "", at), life.RolledBack(yes, "", at)
    past = [
        PlanRecord(plan, helped, 1), PlanRecord(plan, failed, 1), PlanRecord(plan, failed, 1),
        PlanRecord(other, helped, 1), PlanRecord(plan, life.Unverified(yes, "", at), 1),
    ]  # fmt: skip
    facts = TriggerFacts({"order_error_rate": 0.4})
    (match,) = rank({"rollback": loaded}, "shop", facts, (), past)
    assert match.tried == 3
    assert match.success_ratio == pytest.approx(0.4)


async def test_a_metric_is_measured_once_for_one_proposal(world: Production) -> None:
    world.playbooks = library(ROLLBACK, SCALE)
    world.metrics["order_error_rate", "shop"] = 0.4
    asked: list[str] = []
    measure = world.bot.planner._measure

    async def counted(metric: str, service: str) -> float | None:
        asked.append(metric)
        return await measure(metric, service)

    world.bot.planner._measure = counted
    desk = world.bot.proposals
    desk = replace(desk, choice=replace(desk.choice, measure=counted))
    receipt = await desk.for_new_finding(await a_finding(world))
    assert receipt is not None
    assert receipt.plan_id is not None
    assert sorted(asked) == ["cpu_usage", "order_error_rate"]
    record = await world.record(PlanId(receipt.plan_id))
    assert [rule.expression for rule in record.plan.body.verify] == ["order_error_rate < 2%"]


async def test_a_plan_that_is_watched_is_not_taken_over_by_another_replica(
    world: Production,
) -> None:
    other = world.replica("two")
    plan = await world.approved("rollback")
    await world.run()
    for _ in range(8):
        world.clock.advance(seconds=4)
        world.bot.execution._verifier._looked[plan] = world.clock.wall()  # no look is due
        await world.run()
        await world.run(other)
    state = (await world.record(plan)).state
    assert isinstance(state, Verifying)
    assert state.worker is not None
    assert state.worker.owner == "one"
    assert "plan.taken_over" not in await world.audit(plan)


async def test_a_plan_that_is_watched_shows_every_five_seconds_that_somebody_does(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    await world.run()

    async def beat() -> float:
        state = (await world.record(plan)).state
        assert isinstance(state, Verifying)
        assert state.worker is not None
        return (world.clock.wall() - state.worker.heartbeat_at).total_seconds()

    begun = await beat()
    world.clock.advance(seconds=4.9 - begun)
    await world.run()
    assert await beat() == pytest.approx(4.9)
    world.clock.advance(seconds=0.1)
    await world.run()
    assert await beat() == 0.0


async def test_what_is_diagnosis_only_is_a_card_to_read_once(world: Production) -> None:
    world.playbooks = library(NEVER)
    finding = await a_finding(world)
    for _ in range(2):
        receipt = await world.bot.proposals.for_new_finding(finding)
        assert receipt is not None
        assert (receipt.plan_id, receipt.refused_by) == (None, "tier_critical")
        assert receipt.summary.startswith("diagnosis only: Compare both ledgers")
        assert receipt.tier == "critical"
    (card,) = await cards(world, "diagnosis")
    assert (card["would"], card["lines"], card["score"]) == ([], [], "0.95")  # it was not scored
    assert card["diagnosis"] == "Compare both ledgers, and count the signatures."
    assert card["service"] == "shop"
    async with world.store.begin() as tx:
        assert await tx.plans.list() == []


async def test_a_card_quotes_no_more_than_500_characters_of_a_reason(world: Production) -> None:
    world.playbooks = library(NEVER, ROLLBACK)
    for playbook in world.playbooks:
        draft = ProposalDraft(playbook, ServiceName("shop"), "x" * 600)
        await world.bot.planner.propose(draft, Origin(Place(INCIDENTS), ANN))
    (card,) = await cards(world, "diagnosis")
    assert card["reason"] == "x" * 500
    async with world.store.begin() as tx:
        (record,) = await tx.plans.list()
    assert record.plan.reason == "x" * 500


async def test_a_plan_too_risky_to_run_says_what_it_would_have_done_and_why_not(
    world: Production,
) -> None:
    draft = ProposalDraft("forbidden", ServiceName("shop"), "orders fail")
    receipt = await world.bot.planner.propose(draft, Origin(Place(INCIDENTS), ANN))
    assert receipt.refused_by == "tier_critical"
    (card,) = await cards(world, "diagnosis")
    assert card["reason"] == "orders fail"
    assert "Roll back" in card["would"][0]
    assert any("override 0.90" in line for line in card["lines"])


async def test_a_waiting_plan_keeps_its_bytes_when_its_playbook_changes(world: Production) -> None:
    plan = await world.planned("scale-up")
    before = (await world.record(plan)).plan
    world.playbooks = library(SCALE.replace("add_replicas: 2", "add_replicas: 5"))
    assert await world.bot.deadlines.review_waiting() == 0
    assert (await world.approve(plan, RAY)).accepted
    await world.run()
    assert world.limits() == (4, 6)  # two more, as it was shown
    assert (await world.record(plan)).plan.body.playbook_sha256 == before.body.playbook_sha256
    world.metrics["cpu_usage", "shop"] = 0.1
    world.clock.advance(seconds=70)
    await world.run()
    world.clock.advance(seconds=600)
    new = (await world.record(await world.planned("scale-up"))).plan
    assert new.body.playbook_sha256 != before.body.playbook_sha256
    assert new.body.steps[0].parameters != before.body.steps[0].parameters


def test_the_rank_weighs_fit_past_success_and_being_written_for_the_service() -> None:
    (loaded,) = library(ROLLBACK).values()
    named = replace(loaded, playbook=loaded.playbook.model_copy(update={"services": ["shop"]}))
    anyone = replace(loaded, playbook=loaded.playbook.model_copy(update={"services": []}))
    assert Match(anyone, 1.0, 0.0, 0, ()).rank == pytest.approx(0.6)
    assert Match(anyone, 0.0, 1.0, 0, ()).rank == pytest.approx(0.3)
    assert Match(named, 1.0, 1.0, 0, ()).rank == pytest.approx(1.0)


async def test_a_plan_that_was_rejected_may_be_proposed_again_at_once(world: Production) -> None:
    """Also where two proposed it at the same moment: neither keeps the other out afterwards."""
    first, second = await asyncio.gather(world.propose("rollback"), world.propose("rollback"))
    assert first.plan_id is not None
    assert first.plan_id == second.plan_id
    assert (
        await world.bot.approvals.reject(PlanId(first.plan_id), ANN, "not now", INCIDENTS)
    ).accepted
    again = await world.propose("rollback")
    assert again.plan_id not in {None, first.plan_id}


async def test_what_a_guard_refuses_is_on_record_and_no_card(world: Production) -> None:
    world.set_mode("shop", ServiceMode.OBSERVE)
    draft = ProposalDraft("rollback", ServiceName("shop"), "orders fail")
    receipt = await world.bot.planner.propose(draft, Origin(Place(INCIDENTS), ANN))
    assert (receipt.plan_id, receipt.refused_by, receipt.tier) == (None, "service_mode", "")
    async with world.store.begin() as tx:
        (row,) = await tx.audit.tail(10, "shop")
    assert (row.event.kind, row.event.actor) == ("plan.refused", ANN)
    assert row.event.facts == {"guard": "service_mode", "playbook": "rollback"}
    assert await cards(world, "diagnosis") == []


async def test_what_a_models_words_led_to_waits_for_a_click(world: Production) -> None:
    world.policy = PolicyConfig(auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    draft = ProposalDraft("scale-up", ServiceName("shop"), "asked")
    receipt = await world.bot.planner.desk(Origin(Place(INCIDENTS), ANN)).propose(draft)
    record = await world.record(PlanId(receipt.plan_id or ""))
    assert (record.status, record.plan.auto) == (PlanStatus.WAITING, False)
