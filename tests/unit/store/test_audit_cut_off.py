"""A plan that ran is not run again by a bot that starts on rows put back and an audit cut short.

Somebody with the database, and no key, puts back every row of a plan as it was when people had said
yes, with its genuine seals, and takes away what the audit tells of it since. Then the bot restarts.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.core.upkeep.sealing import Sealing
from bot.domain.audit import Anchor
from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus
from bot.store.anchors import HeadFile
from bot.store.store import SqlStore
from tests.contract.test_forged_approvals import Attacker, restore, snapshot
from tests.fakes.decision import ANN, BOB, Production
from tools.errors import BackendUnavailableError

TABLES = (("plans", "id"), ("approvals", "plan_id"))
TAKEN_AWAY = {
    "cut off": ("DELETE FROM audit WHERE seq > :last",),
    "cut off, with the head of then": ("DELETE FROM audit WHERE seq > :last", "head"),
    "cut out of the middle": ("DELETE FROM audit WHERE seq > :last AND subject = :plan",),
    "hidden under another name": (
        "UPDATE audit SET subject = 'PLAN-0' WHERE seq > :last AND subject = :plan",
    ),
    "unsealed": (
        "UPDATE audit SET seal_no = NULL, subject = 'PLAN-0' WHERE seq > :last AND subject = :plan",
    ),
}  # fmt: skip


@dataclass
class Put:
    """A production whose audit is sealed and anchored, and what its attacker does."""

    world: Production
    store: SqlStore
    attacker: Attacker
    sealing: Sealing
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    last: int = 0

    async def keep(self, plan: PlanId) -> None:
        """Copy all there is of a plan."""
        await self.sealing.tick()
        for table, key in TABLES:
            self.rows[table] = await snapshot(self.store, table, key, plan)
        self.rows["audit_head"] = await snapshot(self.store, "audit_head", "id", 1)  # type: ignore[arg-type]
        self.last = await self.attacker.read("SELECT max(seq) FROM audit")

    async def put_back(self, plan: PlanId, statement: str, *more: str) -> None:
        """Put the rows back and take away what the audit told since."""
        await self.sealing.tick()
        for table, key in TABLES:
            await restore(self.store, table, key, plan, self.rows[table])
        if self.rows["plans"]["status"] == "approved":
            await self.attacker.write("DELETE FROM plan_steps WHERE plan_id = :plan", plan=plan)
        await self.attacker.write("DELETE FROM audit_private WHERE seq > :last", last=self.last)
        values = {"last": self.last, "plan": plan}
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        await self.attacker.write(statement, **used)
        if more:
            await restore(self.store, "audit_head", "id", 1, self.rows["audit_head"])  # type: ignore[arg-type]


@pytest.fixture
async def put(store: SqlStore, tmp_path: Path) -> Put:
    world = Production(store)
    sealing = Sealing(store, world.clock, HeadFile(tmp_path / "audit.anchor"))
    world.anchored = Sealing(store, world.clock, HeadFile(tmp_path / "audit.anchor")).known_now
    await sealing.begin(store)
    return Put(world, store, Attacker(store), sealing)


async def ran(put: Put) -> PlanId:
    """Let a plan run to its good end, its rows of before copied; the world is then as before."""
    world = put.world
    plan = await world.approved("rollback", "shop", ANN)
    await put.keep(plan)
    shop = deepcopy(world.cluster.objects["Deployment", "trading", "shop"])
    world.metrics["order_error_rate", "shop"] = 0.0
    await world.run()
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    world.cluster.put(shop)
    return plan


@pytest.mark.parametrize("taken", TAKEN_AWAY.values(), ids=list(TAKEN_AWAY))
async def test_a_plan_whose_rows_were_put_back_is_not_begun_by_a_fresh_process(
    put: Put, taken: tuple[str, ...]
) -> None:
    plan, world = await ran(put), put.world
    await put.put_back(plan, *taken)
    assert (await world.record(plan)).genuine  # every seal of the plan's own rows holds
    sent, world.bot = list(world.cluster.sent), world.replica("restarted")
    await world.run()
    assert world.cluster.sent == sent
    record = await world.record(plan)
    assert record.status is PlanStatus.WITHDRAWN
    assert f"nothing proves {plan} as it stands" in record.outcome


async def test_a_plan_at_work_whose_rows_were_put_back_is_handed_to_people(put: Put) -> None:
    world = put.world
    plan = await world.approved("rollback", "shop", ANN)
    await world.run()
    await put.keep(plan)
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=601)
    await world.run()
    await put.put_back(plan, *TAKEN_AWAY["cut off, with the head of then"])
    world.metrics["order_error_rate", "shop"] = 1.0  # it would be taken back
    sent, world.bot = list(world.cluster.sent), world.replica("restarted")
    world.clock.advance(seconds=601)
    await world.run()
    assert world.cluster.sent == sent
    assert (await world.record(plan)).status is PlanStatus.HALTED


async def test_plans_begin_again_once_a_person_has_begun_the_chain_anew(put: Put) -> None:
    plan, world = await ran(put), put.world
    await put.put_back(plan, *TAKEN_AWAY["cut off, with the head of then"])
    world.bot = world.replica("restarted")
    other = await world.approved("scale-up", "shop", BOB)
    sent = list(world.cluster.sent)
    await world.run()
    assert world.cluster.sent == sent
    assert (await world.record(other)).status is PlanStatus.WITHDRAWN
    await put.sealing.begin_anew(ANN, "looked at, by hand")
    third = await world.approved("scale-up", "shop", BOB)
    await world.run()
    assert (await world.record(third)).status is PlanStatus.VERIFYING


async def test_a_plan_waits_while_nobody_can_say_where_the_audit_ended(put: Put) -> None:
    world = put.world
    plan = await world.approved("rollback", "shop", ANN)
    known = world.anchored

    async def silent() -> Anchor | None:
        raise BackendUnavailableError("audit anchor", "does not answer")

    world.anchored = silent
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.APPROVED
    world.anchored = known
    world.clock.advance(seconds=11)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
