"""A var folder of commit 547c8bb, with work in every state, is taken over by this version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.core.upkeep.api_tokens import sha256_of
from bot.core.upkeep.sealing import Sealing
from bot.domain.access import Scope
from bot.domain.ids import PlanId, UserId
from bot.domain.plans.plan import PlanStatus, StepPhase
from bot.store.anchors import HeadFile
from bot.store.store import SqlStore, open_store
from tests.fakes.clock import FakeClock
from tests.fakes.decision import ANN, BOB, INCIDENTS, START, Production
from tests.fixtures.older_var import KEYRING, TOKENS, fill_with_older_rows


@pytest.fixture
async def older(empty_database_url: str, tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A database that commit 547c8bb wrote, migrated."""
    store = await open_store(empty_database_url, KEYRING)
    await fill_with_older_rows(store, tmp_path / "older")
    await store.upgrade()
    yield store
    await store.close()


async def begin(store: SqlStore, tmp_path: Path) -> Sealing:
    """Do what a start of the bot does first, some hours later."""
    clock = FakeClock(START)
    clock.advance(hours=3)
    sealing = Sealing(store, clock, HeadFile(tmp_path / "audit.anchor"))
    await sealing.begin(store)
    return sealing


async def plans(store: SqlStore) -> dict[str, PlanId]:
    """Return the plans by the service they are for."""
    async with store.begin() as tx:
        return {str(each.plan.service): each.plan.id for each in await tx.plans.list()}


async def test_its_audit_is_sealed_once_under_a_signed_row_and_verified(
    older: SqlStore, tmp_path: Path
) -> None:
    async with older.read() as tx:
        before = await tx.audit.verify()
    assert "has no seal of its own" in before.reason  # the row of the last second
    sealing = await begin(older, tmp_path)
    known = await sealing.known()
    assert known is not None
    async with older.read() as tx:
        report = await tx.audit.verify([known])
        signed = (await tx.audit.tail())[-1].event
    assert (report.broken_at, report.sealed, report.anchors) == (None, report.rows, 1)
    assert signed.kind == "audit.upgraded"
    assert signed.facts["covered"] == report.rows - 1
    assert (signed.facts["tokens"], signed.facts["envelopes"]) == (list(TOKENS), 1)
    assert await (await begin(older, tmp_path)).known() == known  # a restart signs nothing more
    assert await sealing.tick() == 0


async def test_nothing_that_nobody_can_prove_goes_on(older: SqlStore, tmp_path: Path) -> None:
    await begin(older, tmp_path)
    world = Production(older)
    world.clock.advance(hours=3)
    named = await plans(older)
    for _ in range(3):
        await world.run()
        await world.bot.deadlines.review_waiting()
        world.clock.advance(seconds=10)
    assert world.cluster.sent == []
    ended = {service: (await world.record(plan)).status for service, plan in named.items()}
    assert ended == {
        "half": PlanStatus.WITHDRAWN,  # one yes of two
        "waits": PlanStatus.WITHDRAWN,
        "lone": PlanStatus.WITHDRAWN,  # held
        "yes": PlanStatus.WITHDRAWN,  # approved, and not begun
        "shop": PlanStatus.OUTCOME_UNKNOWN,  # killed in its second step
        "watch": PlanStatus.HALTED,  # was being verified
        "stop": PlanStatus.HALTED,  # as before
        "done": PlanStatus.SUCCEEDED,  # as before
    }
    for service in ("half", "yes", "shop", "watch"):
        assert (
            "an older version of the bot wrote it" in (await world.record(named[service])).outcome
        )
    assert "Done: First; unknown: Second" in (await world.record(named["shop"])).outcome
    phases = [run.phase for run in await world.steps(named["shop"])]
    assert phases == [StepPhase.DONE, StepPhase.UNKNOWN]


async def test_the_people_of_withdrawn_approvals_are_told(older: SqlStore, tmp_path: Path) -> None:
    await begin(older, tmp_path)
    world = Production(older)
    named = await plans(older)
    await world.run()
    await world.bot.deadlines.review_waiting()
    async with older._engine.connect() as connection:
        rows = await connection.execute(text("SELECT ref, body FROM slack_outbox"))
        told = {ref: body for ref, body in rows if "mentions" in body}
    for service, who in (("half", ANN), ("yes", ANN), ("shop", ANN), ("watch", BOB)):
        assert who in told[named[service]], service


async def test_nobody_opens_them_any_more_by_a_click_of_before(
    older: SqlStore, tmp_path: Path
) -> None:
    """Bob's yes was acknowledged and not worked on; it would have been the second of two."""
    await begin(older, tmp_path)
    world = Production(older)
    async with older.begin() as tx:
        item = await tx.inbox.claim("worker", world.clock.wall(), START - START)
    assert item is not None
    assert item.body["user"]["id"] == BOB  # nothing acknowledged is lost …
    half = (await plans(older))["half"]
    said = await world.bot.approvals.approve(half, BOB, INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, "proof")  # … and it opens nothing
    stop = (await plans(older))["stop"]
    said = await world.bot.approvals.undo(stop, ANN, INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, "proof")
    await world.run()
    assert world.cluster.sent == []


async def test_its_tokens_may_report_and_nothing_else_for_ninety_days(
    older: SqlStore, tmp_path: Path
) -> None:
    async with older.begin() as tx:
        assert await tx.tokens.find(sha256_of(TOKENS["TOK-000001"])) is None
    await begin(older, tmp_path)
    async with older.begin() as tx:
        found = await tx.tokens.find(sha256_of(TOKENS["TOK-000001"]))
        assert found is not None
        assert (found.user, found.scope) == (UserId("UADA"), Scope.INGEST)
        assert (found.expires_at - START).days == 90
        other = await tx.tokens.find(sha256_of(TOKENS["TOK-000002"]))
        assert other is not None
        assert other.scope is Scope.INGEST
        assert await tx.tokens.find(sha256_of(TOKENS["TOK-000003"])) is None


async def test_an_older_version_finds_what_it_knows(older: SqlStore) -> None:
    """Expand only: going back drops the new columns, and nothing else."""
    named = await plans(older)
    await older.downgrade("0004_who_asked")
    async with older._engine.connect() as connection:
        rows = (await connection.execute(text("SELECT id FROM plans"))).all()
    assert {row[0] for row in rows} == set(named.values())
    await older.upgrade()
