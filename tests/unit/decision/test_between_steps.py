"""What people and the world change while a plan is at work, between its steps.

Each story lets the first of three steps take effect, changes something, and looks that no further
step is done and that people are offered the way back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import PolicyConfig
from tests.fakes.decision import ADA, ANN, INCIDENTS, RAY, Production
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


# --- who says yes -------------------------------------------------------------------------------


async def test_a_plan_at_work_outlives_a_short_outage_of_slack(world: Production) -> None:
    plan = await world.approved("both")

    async def slack_is_down() -> None:
        world.directory.down = True

    world.cluster.after_change[1] = slack_is_down
    await world.run()
    assert "plan.waiting" in await world.audit(plan)
    world.clock.advance(minutes=4)
    await world.run()
    world.directory.down = False
    world.clock.advance(seconds=10)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert len(world.cluster.sent) == 3
    assert (await world.audit(plan)).count("plan.waiting") == 1
    assert (await world.audit(plan)).count("step.intended") == 3


async def test_two_short_outages_of_one_plan_are_waited_for_each_by_itself(
    world: Production,
) -> None:
    plan = await world.approved("both")

    async def slack_is_down() -> None:
        world.directory.down = True

    world.cluster.after_change[1] = world.cluster.after_change[2] = slack_is_down
    await world.run()
    world.clock.advance(minutes=4)
    world.directory.down = False
    await world.run()
    assert world.directory.down  # the second step is done
    world.clock.advance(minutes=4)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.RUNNING
    world.directory.down = False
    world.clock.advance(seconds=10)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert (await world.audit(plan)).count("plan.waiting") == 2


async def test_a_replica_that_takes_over_goes_on_counting_the_wait(world: Production) -> None:
    plan = await world.approved("both")

    async def slack_is_down() -> None:
        world.directory.down = True

    world.cluster.after_change[1] = slack_is_down
    await world.run()
    world.clock.advance(minutes=4)
    other = world.replica("two")
    await world.run(other)
    assert (await world.record(plan)).status is PlanStatus.RUNNING
    world.clock.advance(minutes=1)
    await world.run(other)
    assert (await world.record(plan)).status is PlanStatus.HALTED
    assert len(world.cluster.sent) == 1


async def test_somebody_who_is_gone_stops_a_plan_that_waited_for_an_answer_about_them(
    world: Production,
) -> None:
    plan = await world.approved("both")

    async def slack_is_down() -> None:
        world.directory.down = True

    world.cluster.after_change[1] = slack_is_down
    await world.run()
    world.directory.down = False
    del world.directory.people[ANN]
    world.clock.advance(seconds=10)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED


@pytest.mark.parametrize("answer", ["approve", "reject", "undo", "resolve", "break_glass", "edit"])
async def test_an_answer_of_somebody_who_cannot_be_confirmed_is_refused(
    world: Production, answer: str
) -> None:
    plan = await world.planned("rollback")
    before = await world.record(plan)
    world.directory.down = True
    desk = world.bot.approvals
    said = await {
        "approve": lambda: desk.approve(plan, ANN, INCIDENTS),
        "reject": lambda: desk.reject(plan, ANN, "no", INCIDENTS),
        "undo": lambda: desk.undo(plan, ANN, INCIDENTS),
        "resolve": lambda: desk.resolve_unknown(plan, ANN, "done", INCIDENTS),
        "break_glass": lambda: desk.break_glass(plan, ANN, "all fail", INCIDENTS),
        "edit": lambda: desk.edit(plan, ANN, {}, INCIDENTS),
    }[answer]()
    assert (said.accepted, said.refused_by) == (False, "identity")
    assert "slack: does not answer" in said.text
    assert await world.record(plan) == before


async def test_stop_and_halt_take_who_was_known_a_moment_ago(world: Production) -> None:
    """A brake that is refused because Slack is down is none."""
    plan = await world.approved("rollback")
    world.directory.unconfirmed = True
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted
    assert (await world.bot.switches.halt(RAY, "wrong", INCIDENTS)).accepted
    assert not (await world.bot.switches.resume(ADA, INCIDENTS)).accepted
    assert not (await world.bot.switches.freeze(ADA, "launch", INCIDENTS)).accepted
    world.directory.unconfirmed = False
    assert (await world.bot.switches.resume(ADA, INCIDENTS)).accepted


# --- the way back -------------------------------------------------------------------------------


async def half_way(world: Production) -> PlanId:
    """A plan that a person stopped after its second step."""
    plan = await world.approved("both")

    async def stop() -> None:
        assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted

    world.cluster.after_change[2] = stop
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED
    world.clock.advance(seconds=1)
    return plan


async def halt(world: Production) -> None:
    assert (await world.bot.switches.halt(RAY, "stop it", INCIDENTS)).accepted
    world.clock.advance(seconds=1)


async def halt_by_file(world: Production) -> None:
    world.halt_file = "the file var/halt exists since 12:00:01"


async def another_halt_by_file(world: Production) -> None:
    world.halt_file = "the file var/halt exists since 12:09:00"


async def let_go_and_halt_again(world: Production) -> None:
    assert (await world.bot.switches.resume(ADA, INCIDENTS)).accepted
    world.clock.set_wall(minutes=-9)  # whoever sets the clock back makes no halt older
    world.clock.advance_world(minutes=-9)
    await halt(world)


@pytest.mark.parametrize("before", [halt, halt_by_file])
async def test_an_undo_is_not_refused_by_the_halt_it_was_asked_for_under(
    world: Production, before: Change
) -> None:
    plan = await half_way(world)
    await before(world)
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert world.images() == {"shop": "shop:2", "cart": "cart:2"}


@pytest.mark.parametrize(
    ("before", "later"),
    [
        (None, halt),
        (None, halt_by_file),
        (halt, halt),  # somebody pulls it again while it is on
        (halt, halt_by_file),
        (halt_by_file, halt),
        (halt_by_file, another_halt_by_file),
        (halt, let_go_and_halt_again),
    ],
)
async def test_an_undo_is_refused_by_a_halt_that_comes_later(
    world: Production, before: Change | None, later: Change
) -> None:
    plan = await half_way(world)
    if before is not None:
        await before(world)
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    world.cluster.after_change[3] = lambda: later(world)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert len(world.cluster.sent) == 3
    assert world.images() == {"shop": "shop:1", "cart": "cart:2"}
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK


async def test_an_undo_is_refused_by_a_stop_that_comes_later(world: Production) -> None:
    plan = await half_way(world)
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted

    async def stop() -> None:
        assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted

    world.cluster.after_change[3] = stop
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED
    assert len(world.cluster.sent) == 3


@pytest.mark.parametrize(
    "change", [freeze, switched_off, dry_run, observe_mode, deactivated_approver]
)
async def test_an_undo_asks_neither_policy_nor_people(world: Production, change: Change) -> None:
    """What is half done is a danger of its own."""
    plan = await half_way(world)
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await change(world)
    world.directory.down = True
    world.clock.advance(minutes=31)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK


async def test_an_undo_that_protection_refuses_says_what_is_half_done(world: Production) -> None:
    plan = await half_way(world)
    await label_on_target(world)
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert "protected label" in record.outcome
    assert "Done and not taken back: First, Second." in record.outcome
    assert len(world.cluster.sent) == 2
    async with world.store.begin() as tx:
        told = await tx.outbox.find(f"plan-end:{plan}:{record.version}")
    assert told is not None
    assert told.body["mentions"] == [ANN]
    del world.cluster.objects["Deployment", "trading", "cart"]["metadata"]["labels"][
        "do-not-remediate"
    ]
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
