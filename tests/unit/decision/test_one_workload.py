"""Plans on one workload keep out of each other's way, whatever object each of them names."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import PolicyConfig
from bot.store.remediation.plan_rows import APPROVAL_ROWS, PLANS
from tests.fakes.decision import ANN, INCIDENTS, RAY, START, Production, deployment, service

AT_ONCE = (PlanStatus.RUNNING, PlanStatus.VERIFYING)


async def approved_by(world: Production, playbook: str, name: str = "shop") -> PlanId:
    return await world.approved(playbook, name, RAY if playbook in {"scale-up", "restart"} else ANN)


async def statuses(world: Production, *plans: PlanId) -> list[PlanStatus]:
    return [(await world.record(plan)).status for plan in plans]


@pytest.mark.parametrize("replicas", [1, 2])
async def test_a_scale_a_rollback_and_a_restart_of_one_workload_do_not_run_in_one_tick(
    world: Production, replicas: int
) -> None:
    world.policy = PolicyConfig(cooldown=timedelta(0))
    playbooks = ("scale-up", "rollback", "restart")
    plans = [await approved_by(world, each) for each in playbooks]
    bots = [world.bot, world.replica("two")][:replicas]
    await asyncio.gather(*(bot.execution.run_due() for bot in bots))
    assert len(world.cluster.sent) == 1
    now = await statuses(world, *plans)
    assert sorted(status in AT_ONCE for status in now) == [False, False, True]
    world.clock.advance(seconds=30)
    await asyncio.gather(*(bot.execution.run_due() for bot in bots))
    assert len(world.cluster.sent) == 1
    assert await statuses(world, *plans) == now


async def test_who_waited_runs_when_the_workload_is_free(world: Production) -> None:
    world.policy = PolicyConfig(cooldown=timedelta(0))
    first, second = await approved_by(world, "scale-up"), await approved_by(world, "rollback")
    await world.bot.execution.drive(first)
    await world.run()
    assert await statuses(world, first, second) == [PlanStatus.VERIFYING, PlanStatus.APPROVED]
    world.metrics["cpu_usage", "shop"] = 0.1
    world.clock.advance(seconds=70)
    await world.run()
    await world.run()
    assert await statuses(world, first, second) == [PlanStatus.SUCCEEDED, PlanStatus.VERIFYING]


@pytest.mark.parametrize("second", ["rollback", "restart"])
async def test_a_workload_rests_whatever_object_of_it_was_touched(
    world: Production, second: str
) -> None:
    await approved_by(world, "scale-up")
    await world.run()
    world.metrics["cpu_usage", "shop"] = 0.1
    world.clock.advance(seconds=70)
    await world.run()
    world.clock.advance(seconds=200)
    assert (await world.propose(second)).refused_by == "cooldown"
    world.clock.advance(seconds=100)
    assert (await world.propose(second)).refused_by == ""


async def test_an_old_plan_at_work_is_seen_behind_a_thousand_newer_ones(
    world: Production,
) -> None:
    world.policy = PolicyConfig(cooldown=timedelta(0))
    old = await approved_by(world, "rollback")
    await world.run()
    assert await statuses(world, old) == [PlanStatus.VERIFYING]
    await lost(world, await approved_by(world, "rollback", "cart"), copies=1000)
    assert (await world.propose("scale-up")).refused_by == "exclusion"


async def lost(world: Production, plan: PlanId, copies: int) -> None:
    """Have so many plans like one whose outcome nobody knows, all newer than what is at work."""
    async with world.store._engine.begin() as connection:
        unknown = {"status": "outcome_unknown", "outcome": "lost", "ended_at": START}
        await connection.execute(PLANS.update().where(PLANS.c.id == plan).values(**unknown))
        one = (await connection.execute(PLANS.select().where(PLANS.c.id == plan))).mappings().one()
        said = APPROVAL_ROWS.select().where(APPROVAL_ROWS.c.plan_id == plan)
        yes = (await connection.execute(said)).mappings().one()
        ids = [f"PLAN-lost-{n}" for n in range(copies)]
        await connection.execute(PLANS.insert(), [{**one, "id": each} for each in ids])
        await connection.execute(APPROVAL_ROWS.insert(), [{**yes, "plan_id": each} for each in ids])


async def test_another_workload_is_nobodys_business(world: Production) -> None:
    plans = [await approved_by(world, "scale-up"), await approved_by(world, "rollback", "cart")]
    assert await world.bot.execution.run_due() == 2
    assert await world.bot.execution.run_due() == 0  # both are watched, and no look is due
    assert set(await statuses(world, *plans)) == {PlanStatus.VERIFYING}


async def test_a_plan_that_is_let_go_on_counts_among_those_at_work_before_it_is_taken(
    world: Production,
) -> None:
    world.policy = PolicyConfig(max_concurrent=1)
    halted = await approved_by(world, "rollback")
    await world.run()
    assert (await world.bot.approvals.stop(halted, ANN, INCIDENTS)).accepted
    await world.run()
    other = await approved_by(world, "rollback", "cart")
    assert (await world.bot.approvals.undo(halted, ANN, INCIDENTS)).accepted
    await world.bot.execution.drive(other)
    assert await statuses(world, halted, other) == [PlanStatus.UNDOING, PlanStatus.APPROVED]


async def test_whoever_takes_back_keeps_no_other_process_waiting(world: Production) -> None:
    """Claims of all processes stand in one line; who is through has left it."""
    halted = await approved_by(world, "rollback")
    await world.run()
    assert (await world.bot.approvals.stop(halted, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.bot.approvals.undo(halted, ANN, INCIDENTS)).accepted
    other = await approved_by(world, "rollback", "cart")
    await world.bot.execution.drive(halted)
    await world.run(world.replica("two"))
    assert await statuses(world, halted, other) == [PlanStatus.ROLLED_BACK, PlanStatus.VERIFYING]


async def test_an_outcome_that_nobody_knows_yet_holds_its_workload(world: Production) -> None:
    world.policy = PolicyConfig(cooldown=timedelta(0))
    first, second = await approved_by(world, "scale-up"), await approved_by(world, "rollback")
    record = await world.record(first)
    assert isinstance(record.state, life.PlanApproved)
    lost = life.lose(life.Running(record.state.approval, None), "no answer", world.clock.now())
    async with world.store.begin() as tx:
        await tx.plans.move(record.to(lost))
    await world.run()
    assert await statuses(world, first, second) == [PlanStatus.OUTCOME_UNKNOWN, PlanStatus.APPROVED]
    assert world.cluster.sent == []


async def test_an_undo_that_a_person_asks_for_waits_until_the_workload_is_free(
    world: Production,
) -> None:
    world.policy = PolicyConfig(cooldown=timedelta(0))
    halted = await approved_by(world, "scale-up")
    await world.run()
    assert (await world.bot.approvals.stop(halted, RAY, INCIDENTS)).accepted
    await world.run()
    other = await approved_by(world, "rollback")
    await world.run()
    assert (await world.bot.approvals.undo(halted, ANN, INCIDENTS)).accepted
    await world.run()
    await world.run(world.replica("two"))
    assert await statuses(world, halted, other) == [PlanStatus.UNDOING, PlanStatus.VERIFYING]
    assert len(world.cluster.sent) == 2
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    await world.run()
    assert await statuses(world, halted, other) == [PlanStatus.ROLLED_BACK, PlanStatus.SUCCEEDED]


async def test_a_plan_that_a_person_lets_go_on_waits_for_its_turn_and_stops_nobody(
    world: Production,
) -> None:
    world.policy = PolicyConfig(cooldown=timedelta(0), max_concurrent=1)
    for item in deployment("desk"):
        world.cluster.put(item)
    world.services["desk"] = service("desk")
    first = await approved_by(world, "both")
    record = await world.record(first)
    assert isinstance(record.state, life.PlanApproved)
    running = life.Running(record.state.approval, None)  # as `resume` leaves it
    other = await approved_by(world, "rollback", "desk")
    await world.bot.execution.drive(other)
    await world.put_into(record, running)
    await world.run()
    assert await statuses(world, first, other) == [PlanStatus.RUNNING, PlanStatus.VERIFYING]
    assert len(world.cluster.sent) == 1
    world.metrics["order_error_rate", "desk"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    await world.run()
    assert await statuses(world, first, other) == [PlanStatus.VERIFYING, PlanStatus.SUCCEEDED]


async def test_of_too_many_plans_at_work_the_youngest_stops(world: Production) -> None:
    """Somebody allows fewer at once while they run."""
    for name in ("desk", "till"):
        for item in deployment(name):
            world.cluster.put(item)
        world.services[name] = service(name)
    oldest = await approved_by(world, "rollback", "desk")
    await world.run()
    world.clock.advance(seconds=1)
    young = await approved_by(world, "both")

    async def fewer() -> None:
        world.policy = PolicyConfig(max_concurrent=1)

    world.cluster.after_change[2] = fewer
    await world.run()
    assert await statuses(world, oldest, young) == [PlanStatus.VERIFYING, PlanStatus.HALTED]
