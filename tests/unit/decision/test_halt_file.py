"""What a halt file says of itself: whether it is there, and which of several halts it is."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.remediation.answers.switches import HaltFile, halted_by
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved
from tests.fakes.decision import ANN, Production


def test_a_file_that_is_not_there_halts_nothing(tmp_path: Path) -> None:
    assert halted_by(tmp_path / "halt") == ""
    (tmp_path / "var").touch()
    assert halted_by(tmp_path / "var" / "halt") == ""


def test_a_file_says_since_when_it_halts_and_a_later_touch_is_another_halt(tmp_path: Path) -> None:
    file = tmp_path / "halt"
    file.touch()
    os.utime(file, (1_795_000_000.25, 1_795_000_000.25))
    first = halted_by(file)
    assert first == f"the file {file} exists since 2026-11-18 11:06:40.250000 UTC"
    assert halted_by(file) == first
    os.utime(file, (1_795_000_000.5, 1_795_000_000.5))
    assert halted_by(file) != first


def test_a_file_that_cannot_be_looked_at_halts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert "cannot be looked at: Permission denied" in halted_by(tmp_path / "halt")


async def test_each_kind_of_halt_has_a_mark_of_its_own(world: Production) -> None:
    world.halt_file = "the file var/halt exists since 12:00"
    at = world.clock.now()
    async with world.store.begin() as tx:
        await tx.flags.set("halt", "UADA: wrong", "UADA", at)
        flag, file = await world.bot.gate.halts.on(tx)
        assert (flag.why, flag.since, file.why, file.since) == (
            "UADA: wrong",
            at,
            world.halt_file,
            None,
        )
        assert await world.bot.gate.halts.why(tx) == "UADA: wrong"
        marks = {flag.mark, file.mark}
        world.halt_file = "the file var/halt exists since 12:01"
        world.clock.advance(seconds=1)
        await tx.flags.set("halt", "UADA: wrong", "UADA", world.clock.now())
        assert marks.isdisjoint(each.mark for each in await world.bot.gate.halts.on(tx))


async def test_a_file_that_comes_and_goes_is_noted_once_each(
    world: Production, tmp_path: Path
) -> None:
    file = HaltFile(world.store, world.clock, tmp_path / "halt", "one")
    assert not await file.tick()
    (tmp_path / "halt").touch()
    assert [await file.tick(), await file.tick()] == [True, False]
    (tmp_path / "halt").unlink()
    assert [await file.tick(), await file.tick()] == [True, False]
    async with world.store.begin() as tx:
        rows = [row.event for row in await tx.audit.tail(9, "halt")]
    assert [(row.kind, row.facts["after"]) for row in rows] == [
        ("setting.changed", True),
        ("setting.changed", False),
    ]


@pytest.mark.parametrize(("seconds", "stops"), [(-1, ""), (0, ""), (1, "UADA: wrong")])
async def test_an_undo_asked_for_in_an_older_version_answers_the_halts_there_were(
    world: Production, seconds: int, stops: str
) -> None:
    asked = life.UndoRequest(ANN, world.clock.now())  # it kept no marks
    yes = Approved(PlanId("PLAN-1"), "d", (), world.clock.now())
    undoing = life.Undoing(yes, None, "asked", asked)
    async with world.store.begin() as tx:
        at = world.clock.now() + timedelta(seconds=seconds)
        await tx.flags.set("halt", "UADA: wrong", "UADA", at)
        assert await world.bot.gate.halts.stopping(tx, undoing) == stops
        world.halt_file = "the file exists"  # nobody knows since when
        assert await world.bot.gate.halts.stopping(tx, undoing) == (stops or "the file exists")
        unasked = life.Undoing(yes, None, "it did not help")
        assert await world.bot.gate.halts.stopping(tx, unasked) == "UADA: wrong"
