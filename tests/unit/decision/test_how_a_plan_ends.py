"""What is written down and told when a plan ends: to whom, where, and what is left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.core.ports import OutboxRow, StaleError
from bot.core.remediation.planning.planner import Origin
from bot.domain.audit import BOT
from bot.domain.ids import PlanId, Ts
from bot.domain.place import Place
from bot.domain.plans.plan import PlanStatus, Position
from bot.domain.plans.step_run import StepDone, StepUnknown
from tests.fakes.decision import ANN, BOB, INCIDENTS, Production
from tests.fixtures.nouns import PLACE, an_incident
from tests.unit.decision.test_planner import a_finding
from tools.act.contract import ActionResult, Actors, Bound
from tools.act.rollout import DeploymentRollback
from tools.act.scaling import HpaScale
from tools.errors import LostRaceError, OutcomeUnknownError
from tools.world import ChangeKind, ProposalDraft, ServiceName, Window


async def the_end(world: Production, plan: PlanId) -> OutboxRow:
    """Return the notice of a plan's end."""
    record = await world.record(plan)
    async with world.store.begin() as tx:
        row = await tx.outbox.find(f"plan-end:{plan}:{record.version}")
    assert row is not None
    return row


async def ran(world: Production, origin: Origin) -> PlanId:
    draft = ProposalDraft("rollback", ServiceName("shop"), "because")
    plan = PlanId((await world.bot.planner.propose(draft, origin)).plan_id or "")
    assert (await world.approve(plan, ANN)).accepted
    await world.run()
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    return plan


@pytest.mark.parametrize("place", [PLACE, Place(INCIDENTS)])
async def test_who_asked_and_who_said_yes_are_told_where_the_card_is(
    world: Production, place: Place
) -> None:
    plan = await ran(world, Origin(place, BOB))
    told = await the_end(world, plan)
    assert (told.view, told.ref, told.body["mentions"]) == ("notice", plan, [ANN, BOB])
    assert (told.channel, told.thread_ts) == (place.channel, place.thread_ts)


async def test_the_end_of_a_plan_joins_the_thread_of_its_card(world: Production) -> None:
    plan = await ran(world, Origin(Place(INCIDENTS), BOB))
    wall, lease, ts = world.clock.wall(), world.policy.expiry, Ts("1732099200.000001")
    async with world.store.begin() as tx:
        card = await tx.outbox.claim("test", wall, lease)
        assert card is not None
        assert (card.view, card.ref) == ("plan", plan)
        await tx.outbox.posted(card.id, ts, wall)
        rest = [await tx.outbox.claim("test", wall, lease) for _ in range(2)]
    assert [each.thread_ts for each in rest if each is not None and each.view == "notice"] == [ts]


async def test_a_step_that_took_effect_is_a_change_of_its_service_told_in_three_lines(
    world: Production,
) -> None:
    spec = world.cluster.objects["Deployment", "trading", "shop"]["spec"]["template"]["spec"]
    spec["containers"][0]["env"] = [{"name": f"N{number}", "value": "1"} for number in range(5)]
    plan = await ran(world, Origin(PLACE, ANN))
    step = (await world.record(plan)).plan.body.steps[0]
    now = world.clock.now()
    async with world.store.begin() as tx:
        (change,) = await tx.changes.recent(Window(now - timedelta(hours=1), now))
    assert (change.kind, change.service, change.author) == (ChangeKind.ACTION, "shop", BOT)
    assert (change.workload, change.source) == (step.target, "sre-agent")
    assert change.summary == f"{plan}: Roll back"
    assert len(step.diff) > 3
    assert change.after == "; ".join(step.diff[:3])


@pytest.mark.parametrize("refused", [True, False])
async def test_a_step_keeps_the_first_thousand_characters_of_why(
    world: Production, refused: bool
) -> None:
    plan = await world.approved("rollback")
    long = "x" * 2000
    error = LostRaceError(long) if refused else OutcomeUnknownError(long)

    class Failing(DeploymentRollback):
        async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
            raise error

    world.actions["deployment_rollback"] = Failing()
    await world.run()
    (run,) = await world.steps(plan)
    assert run.note == long[:1000]


async def test_why_a_plan_is_taken_back_is_told_in_500_characters(world: Production) -> None:
    plan = await world.approved("both")

    class Failing(HpaScale):
        async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
            raise LostRaceError("x" * 2000)

    world.actions["hpa_scale"] = Failing()
    await world.run()
    async with world.store.begin() as tx:
        rows = [row.event for row in await tx.audit.tail(100, plan)]
    (undoing,) = [each for each in rows if each.kind == "plan.undoing"]
    whole = f"step failed: Third: {'x' * 2000}"
    assert undoing.facts["why"] == whole  # on record it is kept
    record = await world.record(plan)
    assert record.status is PlanStatus.ROLLED_BACK
    assert whole[:500] in record.outcome
    assert whole[:501] not in record.outcome


async def test_the_end_is_a_moment_of_the_incident_that_the_plan_was_for(
    world: Production,
) -> None:
    finding = await a_finding(world)
    incident = an_incident()
    async with world.store.begin() as tx:
        await tx.incidents.save(incident)
        await tx.findings.save(replace(finding, incident=incident.id))
    plan = await ran(world, Origin(PLACE, ANN, finding.id))
    async with world.store.begin() as tx:
        begun, entry = await tx.incidents.timeline(incident.id)
    assert (begun.source, begun.ref) == ("plan", plan)
    assert (entry.source, entry.ref, entry.at) == ("plan", plan, world.clock.now())
    assert entry.text == (await world.record(plan)).outcome


async def test_a_plan_that_nothing_proves_any_more_says_what_is_done_and_what_nobody_knows(
    world: Production,
) -> None:
    plan = await world.approved("both")

    async def killed() -> None:
        raise StaleError("killed right after the request went out")

    world.cluster.after_change[2] = killed
    await world.run()
    async with world.store._engine.begin() as connection:
        await connection.execute(text("UPDATE plans SET mac = 'forged'"))
    world.clock.advance(seconds=31)
    await world.run(world.replica("two"))
    record = await world.record(plan)
    assert record.status is PlanStatus.OUTCOME_UNKNOWN
    assert "Done: First" in record.outcome
    assert "unknown: Second" in record.outcome
    first, second = await world.steps(plan)
    assert (first.position, type(first)) == (Position.forward(0), StepDone)
    assert (second.position, type(second)) == (Position.forward(1), StepUnknown)
    assert (await world.audit(plan)).count("step.unknown") == 1
    assert len(world.cluster.sent) == 2
