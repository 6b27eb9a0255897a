"""The admins are told, once, that somebody else writes the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from bot.core.ports import OutboxRow
from bot.core.upkeep.sealing import Sealing
from bot.core.upkeep.tampering import Tampering
from bot.domain.audit import BOT, Event
from bot.domain.ids import ChannelId
from bot.domain.place import Place
from bot.locale import Texts
from bot.store.anchors import HeadFile
from bot.store.store import SqlStore
from tests.fakes.clock import START, FakeClock
from tools.errors import BackendUnavailableError

OPERATORS = Place(ChannelId("C1OPS"))


@pytest.fixture
def tampering(store: SqlStore, tmp_path: Path) -> Tampering:
    clock = FakeClock()
    sealing = Sealing(store, clock, HeadFile(tmp_path / "audit.anchor"))
    return Tampering(store, clock, Texts("en"), sealing, lambda: OPERATORS, lambda: ("U1ADA",))


async def told(desk: Tampering) -> Sequence[OutboxRow]:
    await desk.tick()
    await desk.tick()
    async with desk.store.begin() as tx:
        return await tx.outbox.of("notice", "tampering")


async def test_nothing_is_told_of_a_database_that_is_ours(tampering: Tampering) -> None:
    await tampering.sealing.tick()
    assert await told(tampering) == []


@pytest.mark.parametrize("kind", ["inbox.refused", "outbox.refused", "run.refused"])
async def test_rows_that_were_refused_are_told_together_once(
    tampering: Tampering, kind: str
) -> None:
    async with tampering.store.begin() as tx:
        for name in ("ROW-1", "ROW-2"):
            await tx.audit.append(Event(kind, START - timedelta(minutes=1), BOT, name, "unproved"))
    (row,) = await told(tampering)
    assert (row.channel, row.body["mentions"]) == ("C1OPS", ["U1ADA"])
    assert "ROW-1, ROW-2 (unproved)" in row.body["text"]


async def test_a_chain_that_is_not_ours_is_told_as_long_as_it_is(
    tampering: Tampering, store: SqlStore
) -> None:
    async with store.begin() as tx:
        for name in ("PLAN-1", "PLAN-2"):
            await tx.audit.append(Event("plan.proposed", START, BOT, name))
    await tampering.sealing.tick()
    async with store._engine.begin() as connection:
        await connection.execute(text("DELETE FROM audit WHERE subject = 'PLAN-2'"))
    with pytest.raises(BackendUnavailableError):
        await tampering.sealing.tick()
    (row,) = await told(tampering)
    assert "No plan begins until a person has looked at it" in row.body["text"]
    await tampering.sealing.begin_anew("ada", "looked at")
    await tampering.sealing.tick()
    assert tampering.sealing.broken == ""
