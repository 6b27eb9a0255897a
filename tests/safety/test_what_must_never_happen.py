"""Guards that are missed when they are gone, and two processes that run a plan once."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from bot.domain.plans import guards
from bot.domain.plans.guards import GUARDS, Moment
from tests.fixtures.guards import removed
from tests.safety import race
from tests.safety.crash_stories import STORIES
from tools.act.actions import ACTIONS


def test_a_guard_comes_back_to_its_place() -> None:
    before = dict(GUARDS)
    with removed("expiry", Moment.CLAIM):
        assert GUARDS["expiry"].moments == before["expiry"].moments - {Moment.CLAIM}
    assert list(GUARDS.items()) == list(before.items())


@pytest.mark.slow
@pytest.mark.needs_postgres
@pytest.mark.timeout(900)
async def test_two_hundred_clicks_on_two_processes_are_one_execution(tmp_path: Path) -> None:
    raced = await race.measure(tmp_path)
    assert raced.delivered == race.CLICKS
    assert raced.approvals == 2
    assert raced.started == raced.effects == raced.executions == 1


def test_a_bot_is_killed_in_a_plan_of_every_action_there_is() -> None:
    told = {action for story in STORIES for action, _, _ in story.steps}
    assert told == set(ACTIONS)


def test_every_guard_that_is_written_is_asked() -> None:
    """A guard makes a reason of a case: one that stands in no table guards nothing."""
    written = {
        each
        for _, each in inspect.getmembers(guards, inspect.isfunction)
        if each.__module__ == guards.__name__
        and list(inspect.signature(each).parameters) == ["case"]
        and inspect.signature(each).return_annotation == "str"  # what asks guards names one too
    }
    assert {guard.says for guard in GUARDS.values()} == written
