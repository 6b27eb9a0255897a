"""Of two processes that take one plan in the same instant one has it; the other says nothing."""

from __future__ import annotations

import pytest

from bot.core.ports import PlanRecord, StaleError
from bot.domain.plans.plan import PlanStatus
from bot.store.remediation.plans import SqlPlans
from tests.fakes.decision import Production


async def second(_: SqlPlans, record: PlanRecord) -> PlanRecord:
    """Come second, as PostgreSQL would tell; SQLite lets nobody in between."""
    raise StaleError(f"{record.plan.id} was moved by another process")


async def test_who_comes_second_to_a_plan_leaves_it_alone_and_looks_again_later(
    world: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await world.approved("rollback")
    other = world.replica("two").execution
    with monkeypatch.context() as race:
        race.setattr(SqlPlans, "move", second)
        await other.drive(plan)
    assert ((await world.record(plan)).status, world.cluster.sent) == (PlanStatus.APPROVED, [])
    await other.drive(plan)
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert len(world.cluster.sent) == 1


async def test_who_comes_second_to_a_silent_owners_plan_leaves_it_alone_as_well(
    world: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await world.approved("rollback")
    await world.run()
    before = await world.record(plan)
    world.clock.advance(seconds=31)
    other = world.replica("two").execution
    with monkeypatch.context() as race:
        race.setattr(SqlPlans, "move", second)
        await other.drive(plan)
    assert await world.record(plan) == before
    await other.drive(plan)
    assert "plan.taken_over" in await world.audit(plan)
    assert len(world.cluster.sent) == 1
