"""What a person reads who asks for a fix: of a finding, or of an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.ids import FindingId, RunId, Ts
from bot.domain.place import Place
from bot.domain.plans.plan import Plan
from bot.domain.plans.policy import AutoTier, PolicyConfig
from bot.domain.run import AgentRun, finish
from tests.fakes.decision import ANN, INCIDENTS, RESTART, ROLLBACK, SCALE, Production, library
from tests.fixtures.nouns import PLACE, a_queued_run, a_run, an_answer
from tests.unit.decision.test_planner import a_finding
from tools.world import Cause, ServiceMode, ServiceName

RELEASE = Cause("a bad release", ServiceName("shop"), "deploy", 0.9)
SECOND = replace(RELEASE, cause="a slow disk", service=ServiceName("cart"))
TRIGGER = "order_error_rate > 2%"


async def the_plan(world: Production) -> Plan:
    async with world.store.begin() as tx:
        (record,) = await tx.plans.list()
    return record.plan


async def keep(world: Production, run: AgentRun) -> RunId:
    async with world.store.begin() as tx:
        await tx.runs.save(run)
    return run.id


async def answered(world: Production, *causes: Cause) -> RunId:
    """Keep a run that answered a person with these causes."""
    return await keep(world, finish(a_run(), replace(an_answer(), causes=causes)))


async def test_who_asks_for_a_fix_of_a_finding_reads_which_plan_it_is(world: Production) -> None:
    finding = await a_finding(world, RELEASE)
    said = await world.bot.proposals.for_finding(finding.id, ANN, PLACE)
    plan = await the_plan(world)
    assert (said.ok, said.message) == (
        True,
        f"{plan.id} is proposed; its card stands in the thread.",
    )
    assert (plan.requested_by, plan.place, plan.finding) == (ANN, PLACE, finding.id)
    assert plan.reason == TRIGGER  # they know what the finding says; this is what was measured
    async with world.store.begin() as tx:
        assert (await tx.findings.get(finding.id)).plan == plan.id
        (row,) = await tx.audit.tail(10, plan.id)
    assert (row.event.kind, row.event.facts["finding"]) == ("plan.proposed", finding.id)
    assert row.event.facts["replaces"] == ""


@pytest.mark.parametrize(
    ("causes", "reason"), [((RELEASE, SECOND), "a bad release"), ((), TRIGGER)]
)
async def test_what_the_bot_proposes_by_itself_says_the_likeliest_cause_where_there_is_one(
    world: Production, causes: tuple[Cause, ...], reason: str
) -> None:
    await world.bot.proposals.for_new_finding(await a_finding(world, *causes))
    plan = await the_plan(world)
    assert (plan.reason, plan.requested_by, plan.place.channel) == (reason, None, INCIDENTS)


async def test_the_card_of_what_the_bot_proposes_joins_the_thread_of_its_finding(
    world: Production,
) -> None:
    await world.bot.proposals.for_new_finding(await a_finding(world))
    wall, ts = world.clock.wall(), Ts("1732099200.000001")
    async with world.store.begin() as tx:
        first = await tx.outbox.claim("test", wall, world.policy.expiry)
        assert first is not None
        assert first.view == "finding"
        assert await tx.outbox.claim("other", wall, world.policy.expiry) is None  # the card waits
        await tx.outbox.posted(first.id, ts, wall)
        card = await tx.outbox.claim("test", wall, world.policy.expiry)
    assert card is not None
    assert (card.view, card.thread_ts) == ("plan", ts)


async def test_the_card_of_a_finding_is_drawn_anew_with_its_plan(world: Production) -> None:
    finding = await a_finding(world)
    wall, lease = world.clock.wall(), world.policy.expiry
    async with world.store.begin() as tx:
        row = await tx.outbox.claim("test", wall, lease)
        assert row is not None
        await tx.outbox.posted(row.id, Ts("1732099200.000001"), wall)
        assert await tx.outbox.claim("test", wall, lease) is None
    await world.bot.proposals.for_finding(finding.id, ANN, PLACE)
    async with world.store.begin() as tx:
        due = [await tx.outbox.claim("test", wall, lease) for _ in range(2)]
    assert {each.view for each in due if each is not None} == {"finding", "plan"}


@pytest.mark.parametrize(("place", "expected"), [(PLACE, PLACE), (None, Place(INCIDENTS))])
async def test_what_the_bot_proposes_stands_where_its_finding_does(
    world: Production, place: Place | None, expected: Place
) -> None:
    finding = replace(await a_finding(world), place=place)
    await world.bot.proposals.for_new_finding(finding)
    assert (await the_plan(world)).place == expected


async def test_nothing_that_fits_and_a_guard_that_refuses_are_told_apart(world: Production) -> None:
    finding = await a_finding(world)
    world.set_mode("shop", ServiceMode.OBSERVE)
    said = await world.bot.proposals.for_finding(finding.id, ANN, PLACE)
    assert not said.ok
    assert said.message.startswith("No plan, ")
    assert said.message.endswith("(guard service_mode).")
    world.playbooks = library(RESTART)
    said = await world.bot.proposals.for_finding(finding.id, ANN, PLACE)
    assert not said.ok
    assert said.message.startswith("No playbook fits")


async def test_where_the_best_playbook_is_refused_the_next_one_is_proposed(
    world: Production,
) -> None:
    best = ROLLBACK.replace("id: rollback", "id: best")
    world.playbooks = library(best + 'preconditions: ["order_qps > 1"]\n', ROLLBACK)
    finding = await a_finding(world)
    assert (await world.bot.proposals.for_finding(finding.id, ANN, PLACE)).ok
    assert (await the_plan(world)).body.playbook_id == "rollback"


async def test_an_answers_causes_lead_to_a_plan_that_waits_for_a_click(world: Production) -> None:
    world.policy = PolicyConfig(auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    world.metrics["cpu_usage", "shop"] = 0.9
    world.playbooks = library(SCALE)
    said = await world.bot.proposals.for_answer(await answered(world, RELEASE, SECOND), ANN, PLACE)
    plan = await the_plan(world)
    assert said.message.startswith(plan.id)
    assert (plan.requested_by, plan.place, plan.service) == (ANN, PLACE, "shop")
    assert not plan.auto  # a model's words led here


async def test_the_answer_of_an_investigated_finding_leads_to_that_findings_plan(
    world: Production,
) -> None:
    finding = await a_finding(world)
    run = a_queued_run()
    run = replace(run, question=replace(run.question, finding=FindingId(finding.id)))
    said = await world.bot.proposals.for_answer(await keep(world, run), ANN, PLACE)
    assert said.ok
    assert (await the_plan(world)).finding == finding.id
