"""What people and the world change while a plan is at work, between its steps.

Each story lets the first of three steps take effect, changes something, and looks that no further
step is done and that people are offered the way back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.domain.plan import PlanStatus
from bot.domain.policy import PolicyConfig
from tests.fakes.decision import ADA, ANN, INCIDENTS, Production
from tools.world import ServiceMode

Change = Callable[[Production], Awaitable[None]]


async def freeze(world: Production) -> None:
    assert (await world.bot.switches.freeze(ADA, "launch day", INCIDENTS)).accepted


async def switched_off(world: Production) -> None:
    world.policy = PolicyConfig(enabled=False)


async def dry_run(world: Production) -> None:
    world.policy = PolicyConfig(dry_run=True)


async def label_on_target(world: Production) -> None:
    item = world.cluster.objects["Deployment", "trading", "cart"]
    item["metadata"]["labels"]["do-not-remediate"] = "true"


async def label_on_a_target_that_was_changed_already(world: Production) -> None:
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["metadata"]["labels"]["do-not-remediate"] = "true"


async def label_on_namespace(world: Production) -> None:
    item = world.cluster.objects["Namespace", "", "trading"]
    item["metadata"]["labels"] = {"do-not-remediate": "true"}


async def observe_mode(world: Production) -> None:
    world.set_mode("cart", ServiceMode.OBSERVE)


async def deactivated_approver(world: Production) -> None:
    world.directory.people[ANN] = replace(world.directory.people[ANN], deleted=True)


async def approver_became_a_guest(world: Production) -> None:
    world.directory.people[ANN] = replace(world.directory.people[ANN], guest=True)


async def approver_is_unknown(world: Production) -> None:
    del world.directory.people[ANN]


CHANGES = (
    freeze,
    switched_off,
    dry_run,
    label_on_target,
    label_on_a_target_that_was_changed_already,
    label_on_namespace,
    observe_mode,
    deactivated_approver,
    approver_became_a_guest,
    approver_is_unknown,
)


@pytest.mark.parametrize("change", CHANGES)
async def test_what_changes_between_two_steps_stops_the_plan(
    world: Production, change: Change
) -> None:
    plan = await world.approved("both")
    world.cluster.after_change[1] = lambda: change(world)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert world.images() == {"shop": "shop:1", "cart": "cart:2"}
    assert world.limits() == (2, 4)
    assert "can be undone" in record.outcome
    world.clock.advance(seconds=3600)
    await world.run()
    assert len(world.cluster.sent) == 1
