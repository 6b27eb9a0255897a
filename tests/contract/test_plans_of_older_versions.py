"""Plans as an older version left them: told as states by this one, and handed to people.

`plans_before_0003.json` holds rows as the version before `0003_facts_of_plans` wrote them, from
real stories: what this version keeps as facts stood there in sentences and in the audit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved, Yes
from bot.domain.plans.plan import PlanStatus, Position, StepPhase
from bot.domain.plans.step_run import SENT_AGAIN, StepDone, StepSent
from bot.store.codec import encode
from bot.store.schema import Base
from bot.store.store import SqlStore
from tests.fakes.decision import ANN, INCIDENTS, Production, deployment, service

ROWS: Mapping[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "plans_before_0003.json").read_text("utf-8")
)
ROLLED_BACK, SENT_TWICE, UNDOING, STOPPING = (
    PlanId(f"PLAN-0000000{each}") for each in ("6", "b", "c", "d")
)
WAITING = PlanId("PLAN-00000011")
BEFORE, TIMES = "0002_config_versions", ("_at", "at", "verify_until")


def value(name: str, told: Any) -> Any:
    """Return a value as the database takes it."""
    if told is not None and name.endswith(TIMES):
        return datetime.fromisoformat(told).replace(tzinfo=UTC)
    return bool(told) if name in {"halted", "undo"} else told


@pytest.fixture
async def older(store: SqlStore) -> SqlStore:
    """A database that an older version wrote and this one has migrated."""
    await store.downgrade(BEFORE)
    async with store._engine.begin() as connection:
        for name, rows in ROWS.items():
            table = Base.metadata.tables[name]
            for row in rows:
                values = {column: value(column, told) for column, told in row.items()}
                await connection.execute(table.insert().values(**values))
    await store.upgrade()
    return store


def production(store: SqlStore) -> Production:
    """The world as the stories left it, long enough ago that their process is known to be dead."""
    world = Production(store)
    for item in deployment("s11"):
        world.cluster.put(item)
    world.services["s11"] = service("s11")
    shop = world.cluster.objects["Deployment", "trading", "shop"]
    shop["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:1"
    shop["metadata"]["annotations"]["sre-agent/step"] = f"{UNDOING}/do/0"
    world.clock.advance(seconds=3600)
    return world


async def test_every_plan_of_an_older_version_is_told_as_the_state_it_is_in(
    older: SqlStore,
) -> None:
    async with older.begin() as tx:
        told = {record.plan.id: record for record in await tx.plans.list()}
    assert {row["id"]: row["status"] for row in ROWS["plans"]} == {
        plan_id: record.status.value for plan_id, record in told.items()
    }
    assert {row["id"]: row["outcome"] for row in ROWS["plans"]} == {
        plan_id: record.outcome for plan_id, record in told.items()
    }
    stopping = told[STOPPING].state
    assert isinstance(stopping, life.Verifying)
    assert stopping.stop_asked
    withdrawn = told[PlanId("PLAN-00000003")].state
    assert isinstance(withdrawn, life.PlanWithdrawn)
    assert isinstance(withdrawn.approval, Approved)  # that it was approved stays on record


async def test_who_asked_for_an_undo_is_read_off_the_sentence_once_and_then_kept(
    older: SqlStore,
) -> None:
    async with older.begin() as tx:
        record = await tx.plans.get(UNDOING)
        state = record.state
        assert isinstance(state, life.Undoing)
        assert state.asked == life.UndoRequest(ANN, datetime(2026, 11, 20, 12, 53, 14, tzinfo=UTC))
        worker = life.Worker("new", record.plan.created_at)
        await tx.plans.move(record.to(life.hand_to(state, worker)))
    async with older._engine.begin() as connection:  # no sentence decides from now on
        await connection.execute(text("UPDATE plans SET outcome = 'another sentence'"))
    async with older.begin() as tx:
        moved = (await tx.plans.get(UNDOING)).state
    assert isinstance(moved, life.Undoing)
    assert moved.asked == state.asked


async def test_a_sentence_of_this_version_asks_for_no_undo(older: SqlStore) -> None:
    async with older.begin() as tx:
        record = await tx.plans.get(UNDOING)
        assert isinstance(record.approval, Approved)
        nobody = life.Undoing(record.approval, None, "undo asked by UANN")
        await tx.plans.move(record.to(nobody))
        assert (await tx.plans.get(UNDOING)).state == nobody


async def test_what_a_step_left_behind_is_read_from_the_audit_where_its_row_is_silent(
    older: SqlStore,
) -> None:
    after = {
        (facts["key"]): facts["after"]
        for row in ROWS["audit"]
        if row["kind"] == "step.succeeded"
        for facts in [json.loads(row["payload"])["facts"]]
    }
    assert len(after) == 4
    async with older.begin() as tx:
        for plan_id in (ROLLED_BACK, UNDOING, STOPPING):
            for run in await tx.plans.steps(plan_id):
                if run.phase is StepPhase.DONE:
                    assert isinstance(run, StepDone)
                    assert run.fingerprint == after[run.key]
        (sent,) = await tx.plans.steps(SENT_TWICE)
    assert isinstance(sent, StepSent)
    assert (sent.position, sent.again, sent.note) == (Position.forward(0), True, SENT_AGAIN)


async def test_a_plan_at_work_is_handed_to_people_and_nothing_is_sent_for_it(
    older: SqlStore,
) -> None:
    """Nothing proves who let it run: the version before sealed no approval."""
    world = production(older)
    await world.run(world.replica("new"))
    for plan_id, done in ((UNDOING, "First"), (STOPPING, "Roll back")):
        record = await world.record(plan_id)
        assert record.status is PlanStatus.HALTED
        assert "an older version of the bot wrote it" in record.outcome
        assert f"Done: {done}; unknown: –" in record.outcome
        said = await world.bot.approvals.undo(plan_id, ANN, INCIDENTS)
        assert (said.accepted, said.refused_by) == (False, "proof")
    await world.run()
    assert world.cluster.sent == []
    assert world.images()["shop"] == "shop:1"
    version = (await world.record(UNDOING)).version
    async with older.begin() as tx:
        told = await tx.outbox.find(f"plan-end:{UNDOING}:{version}")
    assert told is not None
    assert ANN in told.body["mentions"]


async def test_a_step_that_was_sent_twice_before_the_upgrade_is_not_sent_a_third_time(
    older: SqlStore,
) -> None:
    world = production(older)
    async with older.begin() as tx:
        await tx.flags.set("halt", "", ANN, world.clock.now())
    await world.run(world.replica("new"))
    assert (await world.record(SENT_TWICE)).status is PlanStatus.OUTCOME_UNKNOWN
    assert [ref.name for _, ref, _ in world.cluster.sent if ref.name == "s11"] == []


async def test_a_waiting_plan_that_does_not_say_what_it_touches_is_withdrawn_and_told(
    older: SqlStore,
) -> None:
    world = production(older)
    said = await world.bot.approvals.approve(WAITING, ANN, INCIDENTS)
    assert not said.accepted
    assert await world.replica("new").deadlines.review_waiting() == 1
    record = await world.record(WAITING)
    assert record.status is PlanStatus.WITHDRAWN
    assert "older version" in record.outcome


async def test_an_approved_plan_that_does_not_say_what_it_touches_never_begins(
    older: SqlStore,
) -> None:
    world = production(older)
    record = await world.record(WAITING)
    plan = replace(record.plan, expires_at=world.clock.wall() + timedelta(hours=1))
    async with older._engine.begin() as connection:
        expires = {"at": plan.expires_at.isoformat(), "id": WAITING}
        moved = "UPDATE plans SET body = replace(body, :old, :at) WHERE id = :id"
        old = json.loads(encode(record.plan))["expires_at"]
        new = json.loads(encode(plan))["expires_at"]
        await connection.execute(text(moved), {**expires, "old": old, "at": new})
    yes = (Yes(ANN, world.clock.wall(), record.plan.digest),)
    approved = Approved(WAITING, record.plan.digest, yes, world.clock.wall())
    async with older.begin() as tx:
        await tx.plans.move(record.to(life.PlanApproved(approved)))
    await world.run(world.replica("new"))
    ended = await world.record(WAITING)
    assert ended.status is PlanStatus.WITHDRAWN, ended.outcome
    assert "older version" in ended.outcome


async def test_a_plan_of_an_older_version_keeps_its_digest(older: SqlStore) -> None:
    async with older.begin() as tx:
        for record in await tx.plans.list():
            assert record.plan.body.digest() == record.plan.digest
            assert record.plan.body.effects() is None


async def test_an_older_version_finds_its_columns_as_it_left_them(older: SqlStore) -> None:
    """Expand only: going back drops what came with this version, and nothing else."""
    await older.downgrade(BEFORE)
    async with older._engine.connect() as connection:
        columns = await connection.run_sync(
            lambda c: {
                name: {column["name"] for column in inspect(c).get_columns(name)}
                for name in ("plans", "plan_steps")
            }
        )
        rows = (await connection.execute(text("SELECT id, outcome FROM plans"))).all()
    assert columns == {name: set(ROWS[name][0]) for name in ("plans", "plan_steps")}
    assert dict(map(tuple, rows)) == {row["id"]: row["outcome"] for row in ROWS["plans"]}
