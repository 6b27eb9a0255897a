"""A watchdog keeps or gives back what its process holds, and nothing that it does not."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from bot.core.ports import PlanRecord
from bot.core.upkeep.keeping import Keeper
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.store.store import SqlStore
from tests.fakes.decision import ANN, BOB, INCIDENTS, Production

TTL = timedelta(seconds=15)
LEASE = "leader"


def keeper(world: Production, owner: str) -> Keeper:
    return Keeper(world.store, world.clock, owner, LEASE, TTL)


async def leads(world: Production, owner: str) -> bool:
    async with world.store.begin() as tx:
        return await tx.leases.acquire(LEASE, owner, world.clock.wall(), TTL)


async def at_work(world: Production) -> PlanId:
    """Return a plan that the first replica works on: it waits to be verified."""
    receipt = await world.propose("rollback", "shop")
    plan = PlanId(str(receipt.plan_id))
    for who in (ANN, BOB):
        await world.bot.approvals.approve(plan, who, INCIDENTS)
    await world.bot.execution.run_due()
    assert isinstance((await world.record(plan)).state, life.Verifying)
    return plan


def worker(record: PlanRecord) -> life.Worker | None:
    assert isinstance(record.state, life.AtWork)
    return record.state.worker


async def test_a_lease_is_prolonged_only_while_it_is_held(store: SqlStore) -> None:
    world = Production(store)
    async with store.begin() as tx:
        assert not await tx.leases.renew(LEASE, "one", world.clock.wall(), TTL)
    assert await leads(world, "one")
    world.clock.advance(seconds=14)
    await keeper(world, "one").renew()
    world.clock.advance(seconds=14)
    assert not await leads(world, "two")  # renewed: it is not free yet
    world.clock.advance(seconds=2)
    await keeper(world, "one").renew()  # lapsed: too late
    assert await leads(world, "two")
    await keeper(world, "one").renew()
    await keeper(world, "one").release()  # another's lease is left alone
    world.clock.advance(seconds=14)
    assert not await leads(world, "one")


async def test_plans_at_work_show_a_sign_of_life_and_nobody_takes_them(store: SqlStore) -> None:
    world = Production(store)
    plan, two = await at_work(world), world.replica("two")
    for _ in range(4):
        world.clock.advance(seconds=20)
        await keeper(world, "one").renew()
        await two.execution.run_due()
        held = worker(await world.record(plan))
        assert held == life.Worker("one", world.clock.wall())


async def test_what_is_given_back_is_taken_at_once(store: SqlStore) -> None:
    world = Production(store)
    plan, two = await at_work(world), world.replica("two")
    assert await leads(world, "one")
    before = (await world.record(plan)).token
    await two.execution.run_due()
    assert getattr(worker(await world.record(plan)), "owner", "") == "one"
    await keeper(world, "one").release()
    assert worker(await world.record(plan)) is None
    assert await leads(world, "two")
    await two.execution.run_due()
    after = await world.record(plan)
    assert getattr(worker(after), "owner", "") == "two"
    assert after.token > before  # whatever the stuck process still writes does not count


async def test_another_ones_plans_are_left_alone(store: SqlStore) -> None:
    world = Production(store)
    plan = await at_work(world)
    before = await world.record(plan)
    world.clock.advance(seconds=5)
    await keeper(world, "two").renew()
    await keeper(world, "two").release()
    assert await world.record(plan) == before


async def test_a_row_that_nothing_proves_is_not_sealed_anew(store: SqlStore) -> None:
    world = Production(store)
    plan = await at_work(world)
    async with store._engine.begin() as connection:
        await connection.execute(text("UPDATE plans SET outcome = 'forged'"))
    assert not (await world.record(plan)).genuine
    await keeper(world, "one").renew()
    assert not (await world.record(plan)).genuine
