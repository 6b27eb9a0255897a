"""Somebody who can write the database makes no plan run: every row they forge is found out.

Each attack is plain SQL, as from a stolen password of the database; the attacker knows our code and
every row, and has no key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanBody, PlanStatus
from bot.domain.plans.policy import AutoTier
from bot.store.codec import decode
from bot.store.store import SqlStore
from tests.fakes.decision import ADA, ANN, BOB, INCIDENTS, START, Production
from tools.world import ServiceMode

APPROVE = "UPDATE plans SET status = 'approved', version = version + 1 WHERE id = :id"
ANSWER = "UPDATE approvals SET state = :state, body = :body WHERE plan_id = :id"
MINUTE = timedelta(minutes=1)
BODY = "UPDATE plans SET body = :body WHERE id = :id"


class Attacker:
    """Reads and writes rows of one database."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store

    async def write(self, statement: str, **values: object) -> None:
        async with self._store._engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def read(self, statement: str, **values: object) -> Any:
        async with self._store._engine.begin() as connection:
            return (await connection.execute(text(statement), values)).scalar_one()

    async def replay_the_lift(self, switch: str) -> None:
        """Copy the row of an earlier lift behind all others."""
        async with self._store._engine.begin() as connection:
            rows = (await connection.execute(text("SELECT * FROM audit ORDER BY seq"))).mappings()
            told = [dict(row) for row in rows]
        own = [row for row in told if row["subject"] == switch]
        lifts = [row for row in own if '"after":false' in row["payload"]]
        copy = {**lifts[-1], "seq": told[-1]["seq"] + 1000}
        names, values = ", ".join(copy), ", ".join(f":{name}" for name in copy)
        insert = f"INSERT INTO audit ({names}) VALUES ({values})"  # noqa: S608 - columns
        await self.write("DROP INDEX ix_audit_mac")  # no two rows are alike, it says
        await self.write(insert, **copy)

    async def plan(self, plan: PlanId) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            await self.read("SELECT body FROM plans WHERE id = :id", id=plan)
        )
        return found

    async def edit(self, plan: PlanId, **changes: object) -> None:
        """Change what stands in a plan."""
        body = {**await self.plan(plan), **changes}
        await self.write(BODY, id=plan, body=json.dumps(body))

    async def approval(self, plan: PlanId) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            await self.read("SELECT body FROM approvals WHERE plan_id = :id", id=plan)
        )
        return found

    async def answer(self, plan: PlanId, state: str, body: object) -> None:
        await self.write(ANSWER, id=plan, state=state, body=json.dumps(body))

    async def approved(self, plan: PlanId, *people: str) -> dict[str, Any]:
        """Forge the approval of a plan by some people."""
        digest = (await self.plan(plan))["digest"]
        yes = [{"by": who, "at": START.isoformat(), "digest": digest} for who in people]
        body = {
            "plan_id": plan, "digest": digest, "answers": yes, "at": START.isoformat(), "glass": "",
        }  # fmt: skip
        await self.answer(plan, "Approved", body)
        await self.write(APPROVE, id=plan)
        return body


async def snapshot(store: SqlStore, table: str, column: str, plan: PlanId) -> dict[str, Any]:
    async with store._engine.begin() as connection:
        query = text(f"SELECT * FROM {table} WHERE {column} = :id")  # noqa: S608 - our own tables
        return dict((await connection.execute(query, {"id": plan})).mappings().one())


async def restore(
    store: SqlStore, table: str, column: str, plan: PlanId, row: dict[str, Any]
) -> None:
    values = {name: value for name, value in row.items() if name != column}
    sets = ", ".join(f"{name} = :{name}" for name in values)
    statement = f"UPDATE {table} SET {sets} WHERE {column} = :id"  # noqa: S608 - our own tables
    async with store._engine.begin() as connection:
        await connection.execute(text(statement), {**values, "id": plan})


@pytest.fixture
def world(store: SqlStore) -> Production:
    return Production(store)


@pytest.fixture
def attacker(store: SqlStore) -> Attacker:
    return Attacker(store)


async def nothing_runs(world: Production, plan: PlanId, ended: PlanStatus) -> None:
    """Let the bot go on for a while: nothing is sent, and the plan ends in sight of everybody."""
    sent = list(world.cluster.sent)
    for _ in range(3):
        await world.run()
        await world.bot.deadlines.review_waiting()
        world.clock.advance(seconds=31)
    assert world.cluster.sent == sent
    record = await world.record(plan)
    assert record.status is ended
    assert "nothing proves" in record.outcome
    async with world.store.begin() as tx:
        refused = [row.event for row in await tx.audit.tail(100, plan)]
    assert "proof" in {each.facts.get("guard") for each in refused}


async def test_an_approval_that_was_inserted_opens_nothing(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("manual")
    await attacker.approved(plan, ANN, BOB)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_second_yes_that_was_inserted_beside_a_real_one_opens_nothing(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("manual")
    await world.approve(plan, ANN)
    real = (await attacker.approval(plan))["answers"]
    forged = await attacker.approved(plan, ANN, BOB)
    await attacker.answer(plan, "Approved", {**forged, "answers": [*real, forged["answers"][1]]})
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_first_yes_that_was_inserted_is_not_completed_by_a_real_one(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("manual")
    pending = await attacker.approval(plan)
    yes = {"by": BOB, "at": START.isoformat(), "digest": pending["digest"]}
    await attacker.answer(plan, "Pending", {**pending, "answers": [yes]})
    said = await world.approve(plan, ANN)
    assert (said.accepted, said.refused_by) == (False, "proof")
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_an_approval_copied_from_a_plan_of_the_same_digest_opens_nothing(
    world: Production, attacker: Attacker
) -> None:
    first = await world.approved("rollback", "shop", ANN)
    await world.bot.deadlines.withdraw(first, "not needed any more")
    second = await world.planned("rollback")
    copied = await attacker.approval(first)
    assert copied["digest"] == (await attacker.plan(second))["digest"]
    for plan_id in (first, second):
        await attacker.answer(second, "Approved", {**copied, "plan_id": plan_id})
    await attacker.write(APPROVE, id=second)
    await nothing_runs(world, second, PlanStatus.WITHDRAWN)


async def test_a_person_who_was_exchanged_opens_nothing(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("manual")
    await world.approve(plan, ANN)
    pending = await attacker.approval(plan)
    pending["answers"][0]["by"] = BOB
    await attacker.answer(plan, "Pending", pending)
    said = await world.approve(plan, ANN)  # would be the second one
    assert (said.accepted, said.refused_by) == (False, "proof")
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


@pytest.mark.parametrize("name", ["at", "expires_at"])
async def test_a_time_that_was_moved_opens_nothing(
    world: Production, attacker: Attacker, name: str
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    world.clock.advance(seconds=31 * 60)
    later = world.clock.wall().replace(year=2030).isoformat()
    if name == "at":
        approval = await attacker.approval(plan)
        approval["at"] = approval["answers"][0]["at"] = later
        await attacker.answer(plan, "Approved", approval)
    await attacker.edit(plan, expires_at=later)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_the_missing_approval_of_an_auto_plan_cannot_be_forged(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("scale-up")  # AUTO, but policy asks for a click
    world.policy = replace(world.policy, auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    await attacker.edit(plan, auto=True)
    await attacker.approved(plan)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_plan_that_waits_for_people_cannot_be_made_one_that_is_held(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("scale-up")
    world.policy = replace(world.policy, auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    await attacker.edit(plan, auto=True)
    pending = {**await attacker.approval(plan), "expires_at": START.isoformat()}
    await attacker.answer(plan, "Pending", pending)
    await attacker.write("UPDATE plans SET status = 'held' WHERE id = :id", id=plan)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_hold_cannot_be_shortened(world: Production, attacker: Attacker) -> None:
    world.policy = replace(world.policy, auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    plan = await world.planned("scale-up")
    assert (await world.record(plan)).status is PlanStatus.HELD
    pending = {**await attacker.approval(plan), "expires_at": START.isoformat()}
    await attacker.answer(plan, "Pending", pending)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)
    async with world.store.begin() as tx:
        kinds = {row.event.kind for row in await tx.audit.tail(100, plan)}
    assert "plan.hold_ended" not in kinds  # what is written there would prove it


def cheaper(plan: dict[str, Any]) -> dict[str, Any]:
    return {"tier": "semi_auto", "approvers_needed": 1}


def for_somebody_else(plan: dict[str, Any]) -> dict[str, Any]:
    return {"service": "cart", "requested_by": ADA}


def other_steps(plan: dict[str, Any]) -> dict[str, Any]:
    """Another namespace's object in place of the one that was shown, with the digest of that."""
    step = plan["body"]["steps"][0]
    step["target"] |= {"name": "cart", "uid": "uid-cart"}
    digest = decode(PlanBody, json.dumps(plan["body"])).digest()
    return {"body": plan["body"], "digest": digest}


@pytest.mark.parametrize("change", [cheaper, for_somebody_else, other_steps])
async def test_a_plan_that_was_rewritten_before_the_click_takes_no_answer(
    world: Production, attacker: Attacker, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    plan = await world.planned("manual")
    changes = change(await attacker.plan(plan))
    await attacker.edit(plan, **changes)
    if "digest" in changes:
        digest = changes["digest"]
        pending = {**await attacker.approval(plan), "digest": digest}
        await attacker.answer(plan, "Pending", pending)
        await attacker.write("UPDATE plans SET digest = :d WHERE id = :id", id=plan, d=digest)
    said = await world.approve(plan, ANN)
    assert (said.accepted, said.refused_by) == (False, "proof")
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_plan_that_somebody_rejected_is_not_brought_back(
    world: Production, store: SqlStore
) -> None:
    world.policy = replace(world.policy, auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    plan = await world.planned("scale-up")
    before = await snapshot(store, "plans", "id", plan)
    answer = await snapshot(store, "approvals", "plan_id", plan)
    await world.bot.approvals.reject(plan, ANN, "not now", INCIDENTS)
    await restore(store, "plans", "id", plan, before)
    await restore(store, "approvals", "plan_id", plan, answer)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_plan_that_ran_is_not_run_again_by_putting_its_old_rows_back(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    before = await snapshot(store, "plans", "id", plan)
    answer = await snapshot(store, "approvals", "plan_id", plan)
    world.metrics["order_error_rate", "shop"] = 0.0
    await world.run()
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    world.policy = replace(world.policy, cooldown=world.policy.cooldown * 0)
    await restore(store, "plans", "id", plan, before)
    await restore(store, "approvals", "plan_id", plan, answer)
    await attacker.write("DELETE FROM plan_steps WHERE plan_id = :id", id=plan)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_nor_when_the_audit_of_its_end_is_removed_as_well(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    before = await snapshot(store, "plans", "id", plan)
    answer = await snapshot(store, "approvals", "plan_id", plan)
    last = await attacker.read("SELECT max(seq) FROM audit")
    world.metrics["order_error_rate", "shop"] = 0.0
    await world.run()
    world.clock.advance(seconds=601)
    await world.run()
    world.policy = replace(world.policy, cooldown=world.policy.cooldown * 0)
    await restore(store, "plans", "id", plan, before)
    await restore(store, "approvals", "plan_id", plan, answer)
    await attacker.write("DELETE FROM plan_steps WHERE plan_id = :id", id=plan)
    await attacker.write("DELETE FROM audit_private WHERE seq > :last", last=last)
    await attacker.write("DELETE FROM audit WHERE seq > :last", last=last)
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_an_approval_without_its_audit_row_opens_nothing(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    await attacker.write("DELETE FROM audit WHERE kind = 'plan.approved'")
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_running_plan_that_was_inserted_does_nothing(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.planned("manual")
    await attacker.approved(plan, ANN, BOB)
    await attacker.write("UPDATE plans SET status = 'running', owner = '' WHERE id = :id", id=plan)
    await nothing_runs(world, plan, PlanStatus.HALTED)


async def test_a_forged_plan_is_not_made_genuine_by_the_heartbeat_of_who_holds_it(
    world: Production, attacker: Attacker, store: SqlStore
) -> None:
    plan = await world.planned("manual")
    await attacker.approved(plan, ANN, BOB)
    statement = "UPDATE plans SET status = 'running', owner = 'one', heartbeat_at = :at"
    at = START.replace(tzinfo=None) if store.url.get_backend_name() == "sqlite" else START
    await attacker.write(f"{statement} WHERE id = :id", id=plan, at=at)
    async with store.begin() as tx:
        record = await tx.plans.get(plan)
        await tx.plans.move(record)
    await nothing_runs(world, plan, PlanStatus.HALTED)


async def test_an_undo_that_nobody_asked_for_does_nothing(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    world.metrics["order_error_rate", "shop"] = 0.0
    await world.run()
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    await attacker.write(
        "UPDATE plans SET status = 'undoing', undo_asked_by = :by, ended_at = NULL WHERE id = :id",
        id=plan, by=ANN,
    )  # fmt: skip
    await nothing_runs(world, plan, PlanStatus.HALTED)


async def test_a_stop_is_not_taken_away(world: Production, attacker: Attacker) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    world.metrics["order_error_rate", "shop"] = 0.5  # it will want to be undone
    await world.run()
    await world.bot.approvals.stop(plan, ANN, INCIDENTS)
    await attacker.write("UPDATE plans SET halted = :no WHERE id = :id", id=plan, no=False)
    world.clock.advance(seconds=601)
    await nothing_runs(world, plan, PlanStatus.HALTED)


@pytest.mark.parametrize("switch", ["halt", "freeze"])
async def test_a_halt_or_a_freeze_is_not_lifted_by_taking_its_row_away(
    world: Production, attacker: Attacker, switch: str
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    pull = getattr(world.bot.switches, switch)
    lift = {"halt": world.bot.switches.resume, "freeze": world.bot.switches.unfreeze}[switch]
    for pulled in (True, False, True):
        act = pull(ADA, "stop", INCIDENTS) if pulled else lift(ADA, INCIDENTS)
        assert (await act).accepted
        world.clock.advance(seconds=1)
    await attacker.write("DELETE FROM flags")
    await attacker.replay_the_lift(switch)
    await world.run()
    assert world.cluster.sent == []
    assert (await world.record(plan)).status is not PlanStatus.RUNNING
    said = "".join(await world.bot.switches.state())
    assert f"{ADA} set it; its row is gone from the database, though nobody lifted it" in said
    assert (await lift(ADA, INCIDENTS)).accepted
    assert await world.bot.switches.state() == ("", "")


@pytest.mark.parametrize("switch", ["halt", "freeze"])
async def test_what_was_lifted_after_the_clock_was_set_back_stays_lifted(
    world: Production, switch: str
) -> None:
    pull = getattr(world.bot.switches, switch)
    lift = {"halt": world.bot.switches.resume, "freeze": world.bot.switches.unfreeze}[switch]
    assert (await pull(ADA, "stop", INCIDENTS)).accepted
    world.clock.advance_world(minutes=-10)  # so does a bot whose machine was set back
    assert (await lift(ADA, INCIDENTS)).accepted
    assert await world.bot.switches.state() == ("", "")


STEP_ROWS = {
    "taken away": "DELETE FROM plan_steps WHERE plan_id = :id",
    "put back": "UPDATE plan_steps SET phase = 'intent' WHERE plan_id = :id",
    "at work again": "UPDATE plan_steps SET phase = 'sent', ended_at = NULL WHERE plan_id = :id",
    "failed": "UPDATE plan_steps SET phase = 'failed' WHERE plan_id = :id",
    "of another print": "UPDATE plan_steps SET fingerprint = 'ab' WHERE plan_id = :id",
}


@pytest.mark.parametrize("statement", STEP_ROWS.values(), ids=list(STEP_ROWS))
async def test_a_step_that_was_done_is_neither_done_again_nor_taken_for_undone(
    world: Production, attacker: Attacker, statement: str
) -> None:
    plan = await world.approved("rollback", "shop", ANN)
    await world.run()
    await attacker.write(statement, id=plan)
    assert (await world.record(plan)).genuine  # of the plan itself nothing was changed
    await nothing_runs(world, plan, PlanStatus.HALTED)


async def test_a_step_that_was_skipped_by_a_forged_row_stops_the_plan(
    world: Production, attacker: Attacker
) -> None:
    plan = await world.approved("both", "shop", ANN)
    await attacker.write(
        'INSERT INTO plan_steps (plan_id, undo, "index", target, phase, key, note, intent_at,'
        " sent_at, ended_at) SELECT :id, :no, 0, 'x', 'done', 'k', '', created_at, created_at,"
        " created_at FROM plans WHERE id = :id",
        id=plan, no=False,
    )  # fmt: skip
    await nothing_runs(world, plan, PlanStatus.WITHDRAWN)


async def test_a_click_that_was_inserted_into_the_inbox_is_nobodys(
    store: SqlStore, attacker: Attacker
) -> None:
    body = {"type": "block_actions", "user": {"id": ANN},
            "actions": [{"action_id": "plan.approve", "value": "PLAN-1"}]}  # fmt: skip
    async with store.begin() as tx:
        await tx.inbox.add("genuine", "action", {"user": "UGENUINE"}, START)
    at = START.replace(tzinfo=None) if store.url.get_backend_name() == "sqlite" else START
    await attacker.write(
        "INSERT INTO slack_inbox (dedupe_key, kind, body, received_at, attempts, owner, last_error)"
        " VALUES ('forged', 'action', :body, :at, 0, '', '')",
        body=json.dumps(body), at=at,
    )  # fmt: skip
    async with store.begin() as tx:
        taken = await tx.inbox.claim("worker", START, MINUTE)
        assert taken is not None
        assert taken.body == {"user": "UGENUINE"}
        await tx.inbox.done(taken.id, START)
        assert await tx.inbox.claim("worker", START, MINUTE) is None
        (told,) = [row.event for row in await tx.audit.tail() if row.event.kind == "inbox.refused"]
    assert told.subject == "forged"


async def test_a_click_whose_person_was_exchanged_is_nobodys(
    store: SqlStore, attacker: Attacker
) -> None:
    async with store.begin() as tx:
        await tx.inbox.add("click", "action", {"user": "UEVE"}, START)
    await attacker.write("""UPDATE slack_inbox SET body = '{"user":"UANN"}'""")
    async with store.begin() as tx:
        assert await tx.inbox.claim("worker", START, MINUTE) is None
