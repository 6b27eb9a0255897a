"""What a target answers or an action complains of is kept, shown and audited without secrets."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.ids import PlanId
from tests.fakes.decision import Production
from tools.act.contract import ActionResult, Actors, Bound
from tools.errors import BackendUnavailableError, OutcomeUnknownError

SECRET = "correct" + "-horse-battery"
SAID = f"connected with password={SECRET} to the primary"


async def answers(bound: Bound) -> ActionResult:
    return ActionResult(SAID, bound.target, "f", {"text": SAID, "api_key": SECRET})


async def refuses(_: Bound) -> ActionResult:
    raise BackendUnavailableError("http", SAID)


async def breaks_off(_: Bound) -> ActionResult:
    raise OutcomeUnknownError(SAID)


async def everything_told(world: Production, plan: PlanId) -> str:
    """Return all that people and the audit can read of a plan."""
    async with world.store.begin() as tx:
        record = await tx.plans.get(plan)
        steps = await tx.plans.steps(plan)
        rows = await tx.audit.tail(50)
        posts = [await tx.outbox.find(f"plan-end:{plan}:{n}") for n in range(20)]
    return repr((record, steps, [row.event for row in rows], posts))


@pytest.mark.parametrize("does", [answers, refuses, breaks_off])
async def test_a_step_tells_its_outcome_without_the_secrets_in_it(
    world: Production, does: Callable[[Bound], object]
) -> None:
    plan = await world.approved("rollback")

    class Quoting(type(world.actions["deployment_rollback"])):  # type: ignore[misc]
        async def execute(self, actors: Actors, bound: Bound, key: str) -> object:
            return await does(bound)  # type: ignore[misc]

    world.actions["deployment_rollback"] = Quoting()
    await world.run()
    told = await everything_told(world, plan)
    assert SECRET not in told
    assert "password=[redacted: secret] to the primary" in told


async def test_why_a_plan_is_undone_or_ended_is_told_without_the_secrets_in_it(
    world: Production,
) -> None:
    plan = await world.approved("both")

    class Quoting(type(world.actions["hpa_scale"])):  # type: ignore[misc]
        async def execute(self, actors: Actors, bound: Bound, key: str) -> object:
            raise BackendUnavailableError("kubernetes", SAID)

    world.actions["hpa_scale"] = Quoting()
    await world.run()
    told = await everything_told(world, plan)
    assert "plan.undoing" in told
    assert SECRET not in told


async def test_a_refusal_between_steps_is_told_without_the_secrets_in_it(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    world.halt_file = SAID
    await world.run()
    told = await everything_told(world, plan)
    assert "plan.refused" in told
    assert SECRET not in told
