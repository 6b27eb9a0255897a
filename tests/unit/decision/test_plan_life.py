"""The states of a plan, and the lists of their names that queries use."""

from __future__ import annotations

from typing import get_args

from bot.domain.plans import plan_life as life
from bot.domain.plans.plan import AT_WORK, OPEN, PlanStatus


def test_every_status_is_the_name_of_exactly_one_state() -> None:
    assert sorted(kind.status for kind in get_args(life.PlanState)) == sorted(PlanStatus)


def test_the_lists_of_names_are_those_of_the_states() -> None:
    assert tuple(kind.status for kind in get_args(life.Open)) == OPEN
    assert tuple(kind.status for kind in get_args(life.AtWork)) == AT_WORK
    ended = {kind.status for kind in get_args(life.Ended)}
    assert {status for status in PlanStatus if status.ended} == ended
    assert {kind.status for kind in get_args(life.Unclaimed)} == {*OPEN, PlanStatus.APPROVED}
