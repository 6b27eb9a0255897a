"""A plan whose time was over stays over, whatever somebody does to the machine's clock."""

from __future__ import annotations

import pytest

from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus
from bot.store.store import SqlStore
from tests.fakes.decision import ANN, BOB, INCIDENTS, Production


@pytest.fixture
def world(store: SqlStore) -> Production:
    return Production(store)


async def proposed(world: Production) -> PlanId:
    receipt = await world.propose("rollback", "shop")
    assert receipt.plan_id is not None, receipt
    return PlanId(receipt.plan_id)


async def never_ran(world: Production, plan: PlanId) -> None:
    await world.bot.deadlines.expire_due()
    await world.run()
    assert world.cluster.sent == []
    assert (await world.record(plan)).status in {PlanStatus.EXPIRED, PlanStatus.WITHDRAWN}


async def test_set_back_before_a_tick_saw_the_expiry_takes_no_yes(world: Production) -> None:
    plan = await proposed(world)
    world.clock.advance(minutes=31)
    world.clock.set_wall(minutes=-31)
    for who in (ANN, BOB):
        said = await world.bot.approvals.approve(plan, who, INCIDENTS)
        assert not said.accepted, said
    await never_ran(world, plan)


async def test_set_back_between_yes_and_claim_begins_nothing(world: Production) -> None:
    plan = await proposed(world)
    assert (await world.bot.approvals.approve(plan, ANN, INCIDENTS)).accepted
    world.clock.advance(minutes=31)
    world.clock.set_wall(minutes=-31)
    await never_ran(world, plan)


async def test_a_clock_that_was_ahead_and_is_put_right_revives_nothing(world: Production) -> None:
    plan = await proposed(world)
    world.clock.set_wall(minutes=31)  # nobody waited; the machine's clock jumped
    await world.bot.deadlines.expire_due()
    world.clock.set_wall(minutes=-31)
    assert not (await world.bot.approvals.approve(plan, ANN, INCIDENTS)).accepted
    await never_ran(world, plan)


async def test_a_process_that_starts_after_it_was_set_back_knows_how_late_it_was(
    world: Production,
) -> None:
    old = await proposed(world)
    world.clock.advance(minutes=29)
    await world.bot.deadlines.expire_due()  # a tick keeps how late it is
    assert (await world.record(old)).status is PlanStatus.WAITING
    world.clock.set_wall(minutes=-29)
    world.bot = world.replica("two")
    world.clock.advance(minutes=2)
    assert not (await world.bot.approvals.approve(old, ANN, INCIDENTS)).accepted
    await never_ran(world, old)
