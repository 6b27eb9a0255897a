"""Guards that are missed, kills that repeat nothing, and two processes that run a plan once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import safety_guards, safety_race
from bench.safety_crash import Matrix, migrate, sqlite_template, zygote
from bot.domain.guards import GUARDS
from tests.fixtures.postgres import postgres_server


@pytest.mark.slow
async def test_every_guard_is_missed_when_it_is_gone(tmp_path: Path) -> None:
    found = await safety_guards.measure(tmp_path)
    assert found.guards == len(GUARDS)
    assert found.broken_stories == ()
    assert found.without_a_red_test == ()


def test_a_guard_comes_back_to_its_place() -> None:
    order = list(GUARDS)
    with safety_guards.without("expiry"):
        assert "expiry" not in GUARDS
    assert list(GUARDS) == order


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_bot_killed_around_a_request_or_commit_on_sqlite_repeats_nothing(
    tmp_path: Path,
) -> None:
    template = await sqlite_template(tmp_path)

    def copied(number: int) -> str:
        path = tmp_path / f"bot-{number}.db"
        shutil.copy(template, path)
        return f"sqlite+aiosqlite:///{path}"

    async with zygote() as lives:
        await _sampled(Matrix("sqlite", tmp_path, copied, lives))


@pytest.mark.slow
@pytest.mark.needs_postgres
@pytest.mark.timeout(900)
async def test_a_bot_killed_around_a_request_or_commit_on_postgres_repeats_nothing(
    tmp_path: Path,
) -> None:
    with postgres_server() as postgres:
        template = postgres.create_database()
        await migrate(template)
        async with zygote() as lives:
            await _sampled(
                Matrix("postgres", tmp_path, lambda _: postgres.create_database(template), lives)
            )


async def _sampled(matrix: Matrix) -> None:
    """Kill around every request and the commit of its outcome; the bench does the rest."""
    marks = await matrix.story(0, "before")
    requests = [at for at, what in enumerate(marks, 1) if what.startswith("request")]
    assert len(requests) == 6  # three steps and their way back
    near = sorted({at for each in requests for at in (each, each + 1)})
    found = await matrix.run(full=True, only=near)
    assert found.unresolved == []
    assert found.doubled == 0
    assert found.points == 2 * len(near)


@pytest.mark.slow
@pytest.mark.needs_postgres
@pytest.mark.timeout(900)
async def test_two_hundred_clicks_on_two_processes_are_one_execution(tmp_path: Path) -> None:
    raced = await safety_race.measure(tmp_path)
    assert raced.delivered == safety_race.CLICKS
    assert raced.approvals == 2
    assert raced.started == raced.effects == raced.executions == 1
