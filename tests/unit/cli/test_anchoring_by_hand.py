"""`doctor` anchors once; it never makes the end of a chain that was cut the newest one known."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.composition.database import open_sealed
from bot.core.upkeep.doctor import CheckFailedError
from bot.domain.audit import Event
from bot.main import _anchor_detail
from bot.settings import load_settings
from bot.store.anchors import AnchorFile, read_anchors
from tests.fakes.decision import START


async def test_doctor_does_not_anchor_a_chain_that_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchors = tmp_path / "anchors.jsonl"
    monkeypatch.setenv("SRE_AGENT_AUDIT__ANCHOR__FILE", str(anchors))
    settings = load_settings()
    async with open_sealed(settings) as (store, upkeep):
        for minute in range(5):
            at = START + timedelta(minutes=minute)
            async with store.begin() as tx:
                await tx.audit.append(Event("plan.proposed", at, "UANN", f"PLAN-{minute}"))
        await upkeep.sealing.tick()
        async with store._engine.begin() as connection:
            early = await connection.exec_driver_sql("SELECT * FROM audit_head")
            assert early.one().seal_no == 6
        assert "6 sealed rows" in await _anchor_detail(settings, AnchorFile(anchors))
        async with store._engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM audit WHERE seal_no > 4")
        with pytest.raises(CheckFailedError, match="ends at row 4 of 6 sealed ones"):
            await _anchor_detail(settings, AnchorFile(anchors))
    assert [each.count for each in read_anchors(anchors)] == [6]
