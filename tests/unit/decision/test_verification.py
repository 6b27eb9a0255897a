"""When a plan is looked at, and what is concluded from what is measured."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.remediation.running.verification import VerificationResult, Verifier
from bot.domain.plans.approval import Approved
from bot.domain.plans.plan import Plan, VerifyRule
from bot.domain.plans.plan_life import Verifying
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import a_plan

NOT_YET, CLEARED, NOT_CLEARED, NO_DATA = (
    VerificationResult.NOT_YET, VerificationResult.CLEARED,
    VerificationResult.NOT_CLEARED, VerificationResult.NO_DATA,
)  # fmt: skip
CPU, ERRORS = VerifyRule("cpu < 0.8", 600), VerifyRule("errors < 2%", 300)


class Room:
    """A plan that is watched, with what is measured of its service."""

    def __init__(self, *rules: VerifyRule) -> None:
        self.clock = FakeClock()
        self.seen: dict[str, float] = {}
        self.verifier = Verifier(self.clock, self.measure)
        body = replace(a_plan().body, verify=rules)
        self.plan: Plan = replace(a_plan(), body=body)
        yes = Approved(self.plan.id, "d", (), self.clock.now())
        self.state = Verifying(yes, None, self.verifier.until(self.plan))

    async def measure(self, metric: str, service: str) -> float | None:
        assert service == self.plan.service
        return self.seen.get(metric)

    async def after(self, seconds: float, **seen: float) -> VerificationResult:
        """Look at a time after the last step, with these values."""
        self.clock.advance_world(seconds=seconds)
        self.seen = seen
        result, _ = await self.verifier.look(self.plan, self.state)
        self.clock.advance_world(seconds=-seconds)
        return result


def test_the_longest_window_is_the_plans() -> None:
    room = Room(CPU, ERRORS)
    assert room.state.until - room.clock.now() == timedelta(seconds=600)
    assert Room().state.until == room.clock.now()


@pytest.mark.parametrize(
    ("seconds", "cpu", "errors", "result"),
    [
        (59, 0.1, 0.0, NOT_YET),
        (60, 0.1, 0.0, CLEARED),
        (60, 0.9, 0.0, NOT_YET),
        (60, 0.1, None, NOT_YET),
        (599, 0.9, 0.5, NOT_YET),
        (600, 0.1, 0.0, CLEARED),
        (600, 0.9, 0.0, NOT_CLEARED),
        (600, 0.9, None, NOT_CLEARED),
        (600, None, 0.0, NO_DATA),
        (600, None, None, NO_DATA),
    ],
)
async def test_every_rule_must_hold_and_what_has_no_data_is_neither(
    seconds: float, cpu: float | None, errors: float | None, result: VerificationResult
) -> None:
    seen = {"cpu": cpu, "errors": errors}
    room = Room(CPU, ERRORS)
    assert await room.after(seconds, **{k: v for k, v in seen.items() if v is not None}) is result


async def test_a_short_window_settles_in_half_of_it() -> None:
    room = Room(replace(CPU, window_seconds=40))
    assert await room.after(19, cpu=0.1) is NOT_YET
    assert await room.after(20, cpu=0.1) is CLEARED


async def test_a_plan_that_says_nothing_of_success_has_no_data() -> None:
    room = Room()
    assert await room.after(0) is NO_DATA
    assert (await room.verifier.look(room.plan, room.state))[1] == (
        "the plan has no verify expression"
    )


async def test_what_was_measured_is_told_rule_by_rule() -> None:
    room = Room(CPU, replace(ERRORS, expression="errors < 2% and cpu > 0"))
    room.clock.advance_world(seconds=60)
    room.seen = {"cpu": 0.123456}
    _, told = await room.verifier.look(room.plan, room.state)
    assert told == ("cpu < 0.8 (cpu = 0.1235); errors < 2% and cpu > 0 (cpu = 0.1235)")
    room.seen = {}
    _, told = await room.verifier.look(room.plan, room.state)
    assert told.startswith("cpu < 0.8 (no data); ")


async def test_it_is_looked_at_every_five_seconds_and_at_the_end_of_its_window() -> None:
    room = Room(CPU)
    assert room.verifier.is_due(room.plan, room.state)
    await room.after(60, cpu=0.9)
    assert not room.verifier.is_due(room.plan, room.state)
    room.clock.advance(seconds=4.9)
    assert not room.verifier.is_due(room.plan, room.state)
    room.clock.advance(seconds=0.1)
    assert room.verifier.is_due(room.plan, room.state)
    await room.after(60, cpu=0.9)
    assert not room.verifier.is_due(room.plan, room.state)
    room.clock.advance_world(seconds=595)  # a world that goes faster than the clock on the wall
    assert room.verifier.is_due(room.plan, room.state)
