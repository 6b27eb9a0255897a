"""Genuine rows of earlier, put back by somebody who can write the database, open nothing again.

Every row here carries a seal that holds: we wrote it once. What must fail is its second coming.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.api.schemas.plans import PlanOut
from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus, StepPhase
from bot.domain.plans.policy import rule
from bot.domain.plans.risk import Tier
from bot.locale import Texts
from bot.slack.delivery.renderers import Here, renderers_over
from bot.store.store import SqlStore
from tests.contract.test_forged_approvals import Attacker, nothing_runs, restore, snapshot
from tests.fakes.decision import ADA, ANN, INCIDENTS, RAY, START, Production
from tools.errors import OutcomeUnknownError
from tools.world import ServiceMode, WorkloadRef

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(store: SqlStore) -> Production:
    return Production(store)


@pytest.fixture
def attacker(store: SqlStore) -> Attacker:
    return Attacker(store)


@pytest.mark.parametrize("kind", ["command", "action", "view", "shortcut"])
async def test_an_order_that_was_carried_out_is_not_given_again(store: SqlStore, kind: str) -> None:
    async with store.begin() as tx:
        await tx.inbox.add("resume", kind, {"user": ADA, "text": "resume"}, START)
    async with store._engine.begin() as connection:
        query = text("SELECT * FROM slack_inbox")
        row = dict((await connection.execute(query)).mappings().one())
    async with store.begin() as tx:
        taken = await tx.inbox.claim("worker", START, MINUTE)
        assert taken is not None
        await tx.inbox.done(taken.id, START)
    names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
    async with store._engine.begin() as connection:
        await connection.execute(text("DELETE FROM slack_inbox"))
        insert = f"INSERT INTO slack_inbox ({names}) VALUES ({values})"  # noqa: S608 - columns
        await connection.execute(text(insert), row)
    async with store.begin() as tx:
        assert await tx.inbox.claim("worker", START + MINUTE, MINUTE) is None
        told = [row.event.kind for row in await tx.audit.tail()]
    assert "inbox.refused" in told


async def lost_at(world: Production, playbook: str, change: int) -> PlanId:
    """Bring a plan to where nobody knows what its newest step did: the `change`-th request."""
    plan = await world.approved(playbook, "shop", ANN)
    patch, changes = world.cluster.patch, []

    async def lost(ref: WorkloadRef, operations: Any, *, dry_run: bool, **more: Any) -> Any:
        changes.extend([] if dry_run else [ref])
        if len(changes) == change and not dry_run:
            raise OutcomeUnknownError("no answer")
        return await patch(ref, operations, dry_run=dry_run, **more)

    world.cluster.patch = lost  # type: ignore[method-assign]
    await world.run()
    world.cluster.patch = patch  # type: ignore[method-assign]
    assert (await world.record(plan)).status is PlanStatus.OUTCOME_UNKNOWN
    return plan


@pytest.mark.parametrize("phase", ["intent", "sent"])
async def test_a_step_that_was_tried_again_is_not_tried_a_third_time(
    world: Production, attacker: Attacker, phase: str
) -> None:
    plan = await lost_at(world, "rollback", 1)
    assert (await world.bot.approvals.resolve_unknown(plan, ANN, "retry", INCIDENTS)).accepted
    await world.run()
    assert [run.phase for run in await world.steps(plan)] == [StepPhase.DONE]
    await attacker.write(
        "UPDATE plan_steps SET phase = :phase, ended_at = NULL WHERE plan_id = :id",
        id=plan, phase=phase,
    )  # fmt: skip
    await nothing_runs(world, plan, PlanStatus.HALTED)


async def test_a_person_answers_for_the_step_that_is_unknown_and_for_no_other(
    world: Production, attacker: Attacker
) -> None:
    plan = await lost_at(world, "both", 2)
    await attacker.write("UPDATE plan_steps SET phase = 'unknown' WHERE plan_id = :id", id=plan)
    await attacker.write(
        "UPDATE plan_steps SET phase = 'done' WHERE plan_id = :id AND \"index\" = 1", id=plan
    )
    said = await world.bot.approvals.resolve_unknown(plan, ANN, "retry", INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, "proof")
    await nothing_runs(world, plan, PlanStatus.HALTED)  # and its workloads are free again


async def test_an_older_halt_in_place_of_a_newer_one_lets_no_undo_pass(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    world.metrics["order_error_rate", "shop"] = 0.0
    await world.run()
    assert (await world.bot.switches.halt(ADA, "first", INCIDENTS)).accepted
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED
    older = await snapshot(store, "flags", "name", PlanId("halt"))
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    assert (await world.bot.switches.resume(ADA, INCIDENTS)).accepted
    world.clock.advance(seconds=1)
    assert (await world.bot.switches.halt(ADA, "second", INCIDENTS)).accepted
    await restore(store, "flags", "name", PlanId("halt"), older)
    sent = list(world.cluster.sent)
    await world.run()
    assert world.cluster.sent == sent
    assert "exchanged" in (await world.bot.switches.state())[0]


async def test_nobody_is_shown_another_plan_than_they_say_yes_to(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    plan = await world.planned("rollback")
    genuine = await snapshot(store, "plans", "id", plan)
    body = await attacker.plan(plan)
    body["body"]["steps"][0] |= {"name": "Only look"}
    await attacker.edit(plan, title="Only look", body=body["body"])
    renderers = renderers_over(
        (), lambda _: rule(Tier.AUTO, ServiceMode.APPROVE, world.policy), Here(world.clock)
    )
    async with store.begin() as tx:
        (row,) = await tx.outbox.of("plan", plan)
        shown = await renderers["plan"](row, tx, Texts("en"))
    assert "Only look" not in str(shown)
    assert "plan.approve" not in str(shown)
    told = PlanOut.of(await world.record(plan))
    await restore(store, "plans", "id", plan, genuine)
    said = await world.bot.approvals.approve(plan, ANN, INCIDENTS, told.digest)
    assert (said.accepted, said.refused_by) == (False, "plan_digest")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM plan_steps",
        "UPDATE plan_steps SET target = 'x', phase = 'intent', sent_at = NULL, ended_at = NULL",
    ],
)
async def test_a_workload_cools_down_though_the_rows_of_the_step_are_gone(
    world: Production, attacker: Attacker, statement: str
) -> None:
    await world.approved("restart", "shop", RAY)
    await world.run()
    world.clock.advance(seconds=601)
    await world.run()
    world.policy = replace(world.policy, cooldown=timedelta(hours=1))
    await attacker.write(statement)
    assert (await world.propose("rollback")).refused_by == "cooldown"


async def test_another_replica_runs_no_plan_again_whose_rows_and_audit_were_put_back(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    plan, other = await world.approved("rollback", "shop", ANN), world.replica("two")
    shop = deepcopy(world.cluster.objects["Deployment", "trading", "shop"])
    before = await snapshot(store, "plans", "id", plan)
    answer = await snapshot(store, "approvals", "plan_id", plan)
    last = await attacker.read("SELECT max(seq) FROM audit")
    world.metrics["order_error_rate", "shop"] = 0.0
    await world.run()
    await world.run(other)  # which sees that the plan is at work
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    world.cluster.put(shop)  # as it was before: somebody rolled forward again
    await restore(store, "plans", "id", plan, before)
    await restore(store, "approvals", "plan_id", plan, answer)
    for table in ("plan_steps", "audit_private", "audit"):
        where = "plan_id = :id" if table == "plan_steps" else "seq > :last"
        values = {"id": plan} if table == "plan_steps" else {"last": last}
        await attacker.write(f"DELETE FROM {table} WHERE {where}", **values)  # noqa: S608 - ours
    sent = list(world.cluster.sent)
    await world.run(other)
    assert world.cluster.sent == sent
    assert (await world.record(plan)).status is PlanStatus.WITHDRAWN


@pytest.mark.parametrize("changes", [{"auto": True}, {"place": {"channel": "C9EVE"}}])
async def test_a_plan_that_was_rewritten_is_not_proposed_anew(
    world: Production, attacker: Attacker, changes: dict[str, Any]
) -> None:
    plan = await world.planned("scale-up")
    await world.bot.approvals.reject(plan, ANN, "not now", INCIDENTS)
    await attacker.edit(plan, **changes)
    said = await world.bot.approvals.propose_again(plan, ANN, INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, "proof")
