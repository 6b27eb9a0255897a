from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus, StepPhase
from tests.fakes.decision import ANN, INCIDENTS, RAY, Production
from tests.seed import seed
from tools.errors import (
    BackendDeniedError,
    BackendUnavailableError,
    LostRaceError,
    OutcomeUnknownError,
)


async def test_an_approved_plan_runs_once_and_is_verified(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    assert world.images()["shop"] == "shop:1"
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    world.metrics["order_error_rate", "shop"] = 0.001
    world.clock.advance(seconds=70)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.SUCCEEDED
    assert "order_error_rate = 0.001" in record.outcome
    world.clock.advance(seconds=3600)
    await world.run()
    assert len(world.cluster.sent) == 1
    kinds = await world.audit(plan)
    assert kinds == [
        "plan.proposed",
        "plan.approved",
        "plan.started",
        "step.intended",
        "step.started",
        "step.succeeded",
        "plan.verifying",
        "plan.verified",
    ]


async def test_the_approver_is_told_the_end_in_the_thread_of_the_card(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    record = await world.record(plan)
    async with world.store.begin() as tx:
        row = await tx.outbox.find(f"plan-end:{plan}:{record.version}")
    assert row is not None
    assert row.view == "notice"
    assert row.body["mentions"] == [ANN]
    assert "helped" in row.body["text"]


async def test_nothing_runs_before_anybody_said_yes(world: Production) -> None:
    await world.planned("rollback")
    await world.run()
    assert world.cluster.sent == []


async def test_what_did_not_help_is_undone_in_reverse_order(world: Production) -> None:
    plan = await world.approved("both")
    await world.run()
    assert world.images() == {"shop": "shop:1", "cart": "cart:1"}
    assert world.limits() == (4, 6)
    world.metrics["order_error_rate", "shop"] = 0.5
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert world.images() == {"shop": "shop:2", "cart": "cart:2"}
    assert world.limits() == (2, 4)
    order = [ref.name for _, ref, _ in world.cluster.sent]
    assert order == ["shop", "cart", "shop", "shop", "cart", "shop"]


async def test_no_data_is_neither_success_nor_failure(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    world.clock.advance(seconds=601)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.UNVERIFIED
    assert world.images()["shop"] == "shop:1"


async def test_success_is_not_believed_before_the_settling_time(world: Production) -> None:
    world.metrics["order_error_rate", "shop"] = 0.0
    plan = await world.approved("rollback")
    await world.run()
    for seconds in (20, 35, 4):
        world.clock.advance(seconds=seconds)
        await world.run()
        assert (await world.record(plan)).status is PlanStatus.VERIFYING
    world.clock.advance(seconds=1)
    world.bot.execution._verifier._looked.clear()  # the next look is due
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED


async def test_a_pod_that_was_restarted_in_vain_has_no_way_back_and_says_so(
    world: Production,
) -> None:
    plan = await world.approved("restart", "shop", RAY)
    await world.run()
    assert world.cluster.sent[0][0] == "delete"
    assert world.cluster.sent[0][1].name == "shop-h2-1"  # the one that was not ready
    world.metrics["memory_usage", "shop"] = 0.99
    world.clock.advance(seconds=601)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.FAILED
    assert "no way back" in record.outcome


@pytest.mark.parametrize("error", [LostRaceError("moved"), BackendDeniedError("kubernetes", "no")])
async def test_a_step_that_is_refused_undoes_the_ones_before_it(
    world: Production, error: Exception
) -> None:
    plan = await world.approved("both")
    real = world.actions["hpa_scale"]

    class Refusing(type(real)):  # type: ignore[misc]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            raise error

    world.actions["hpa_scale"] = Refusing()
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert world.images() == {"shop": "shop:2", "cart": "cart:2"}


async def test_a_first_step_that_is_refused_ends_the_plan_as_failed(world: Production) -> None:
    plan = await world.approved("rollback")

    class Refusing(type(world.actions["deployment_rollback"])):  # type: ignore[misc]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            raise BackendUnavailableError("kubernetes", "connection refused")

    world.actions["deployment_rollback"] = Refusing()
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.FAILED
    assert "connection refused" in record.outcome
    assert world.cluster.sent == []


async def test_an_answer_that_was_lost_is_looked_up_in_the_world(world: Production) -> None:
    plan = await world.approved("rollback")
    world.cluster.lose_answer = OutcomeUnknownError("no answer")
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert (await world.steps(plan))[0].note == "found done in the world"
    assert len(world.cluster.sent) == 1


async def unknown_plan(world: Production) -> PlanId:
    """A plan whose only step was sent, with nothing in the world that proves it."""
    plan = await world.approved("rollback")
    real = type(world.actions["deployment_rollback"])

    class AnswerLost(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            raise OutcomeUnknownError("the connection broke after the request")

    world.actions["deployment_rollback"] = AnswerLost()
    await world.run()
    world.actions["deployment_rollback"] = real()
    assert (await world.record(plan)).status is PlanStatus.OUTCOME_UNKNOWN
    return plan


async def test_an_unproved_effect_is_handed_to_a_person_and_not_repeated(
    world: Production,
) -> None:
    plan = await unknown_plan(world)
    world.clock.advance(seconds=300)
    await world.run()
    assert world.cluster.sent == []
    assert (await world.steps(plan))[0].phase is StepPhase.UNKNOWN


@pytest.mark.parametrize(
    ("verdict", "status", "image"),
    [
        ("done", PlanStatus.VERIFYING, "shop:2"),
        ("undone", PlanStatus.ROLLED_BACK, "shop:2"),
        ("retry", PlanStatus.VERIFYING, "shop:1"),
    ],
)
async def test_a_person_says_what_became_of_it(
    world: Production, verdict: str, status: PlanStatus, image: str
) -> None:
    plan = await unknown_plan(world)
    refused = await world.bot.approvals.resolve_unknown(plan, RAY, verdict, INCIDENTS)
    assert not refused.accepted
    said = await world.bot.approvals.resolve_unknown(plan, ANN, verdict, INCIDENTS)
    assert said.accepted
    await world.run()
    assert (await world.record(plan)).status is status
    assert world.images()["shop"] == image


async def test_halt_stops_before_the_next_step_and_offers_undo(world: Production) -> None:
    plan = await world.approved("both")
    real = type(world.actions["deployment_rollback"])

    class HaltingAfter(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> object:
            outcome = await super().execute(actors, bound, key)
            assert (await world.bot.switches.halt(RAY, "stop it", INCIDENTS)).accepted
            return outcome

    world.actions["deployment_rollback"] = HaltingAfter()
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert world.images() == {"shop": "shop:1", "cart": "cart:2"}
    world.actions["deployment_rollback"] = real()
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert world.images() == {"shop": "shop:2", "cart": "cart:2"}


async def test_who_stops_a_plan_twice_is_told_the_same_twice(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    first = await world.bot.approvals.stop(plan, RAY, INCIDENTS)
    again = await world.bot.approvals.stop(plan, ANN, INCIDENTS)
    assert (first.accepted, again.accepted) == (True, True)
    assert again.text == first.text == f"{plan} stops before its next step."
    assert (await world.audit(plan)).count("plan.stopped") == 1


async def _halted(world: Production, _: PlanId) -> None:
    assert (await world.bot.switches.halt(RAY, "stop it", INCIDENTS)).accepted


async def _stopped(world: Production, plan: PlanId) -> None:
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted


@pytest.mark.parametrize("meanwhile", [_halted, _stopped])
async def test_an_undo_that_nobody_asked_for_is_halted_and_stopped_like_any_step(
    world: Production, meanwhile: Callable[[Production, PlanId], Awaitable[None]]
) -> None:
    plan = await world.approved("both")
    real = type(world.actions["hpa_scale"])

    class Refusing(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            await meanwhile(world, plan)
            raise LostRaceError("moved")

    world.actions["hpa_scale"] = Refusing()
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED
    assert world.images() == {"shop": "shop:1", "cart": "cart:1"}
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert world.images() == {"shop": "shop:2", "cart": "cart:2"}


async def test_a_stop_during_the_last_step_ends_the_plan_before_it_is_watched(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    real = type(world.actions["deployment_rollback"])

    class Stopping(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> object:
            await _stopped(world, plan)
            return await super().execute(actors, bound, key)

    world.actions["deployment_rollback"] = Stopping()
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED


async def test_a_halt_file_stops_claims_too(world: Production) -> None:
    plan = await world.approved("rollback")
    world.halt_file = "the file var/halt exists"
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert "var/halt" in record.outcome
    assert world.cluster.sent == []


async def test_stop_ends_verification_and_leaves_the_undo_to_people(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED


async def test_an_object_that_somebody_else_changed_after_the_step_is_not_undone(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    await world.run()
    item = dict(world.cluster.objects["Deployment", "trading", "shop"])
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:9"
    world.cluster.put(item)
    world.metrics["order_error_rate", "shop"] = 0.5
    world.clock.advance(seconds=601)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.OUTCOME_UNKNOWN
    assert "changed by somebody else" in record.outcome
    assert world.images()["shop"] == "shop:9"
    said = await world.bot.approvals.resolve_unknown(plan, ANN, "done", INCIDENTS)
    assert (said.accepted, said.text) == (False, f"No step of {plan} is waiting for a word.")


async def test_the_bots_own_actions_are_changes_of_production(world: Production) -> None:
    from tools.world import Window

    plan = await world.approved("rollback")
    await world.run()
    now = world.clock.now()
    async with world.store.begin() as tx:
        window = Window(now - timedelta(hours=1), now + timedelta(seconds=1))
        changes = await tx.changes.recent(window, ["shop"])
    assert [c.summary for c in changes] == [f"{plan}: Roll back"]


# --- kills ------------------------------------------------------------------------------------


class Killed(BaseException):
    """The process dies here."""


def killing(world: Production, when: str, count: int) -> None:
    """Die at the count-th transaction, before or after its commit."""
    from contextlib import asynccontextmanager

    real, seen = world.store.begin, 0

    @asynccontextmanager
    async def begin() -> AsyncIterator[Any]:
        nonlocal seen
        seen += 1
        mine = seen
        if mine >= count and when == "before":
            raise Killed
        async with real() as tx:
            yield tx
        if mine >= count:
            raise Killed

    world.store.begin = begin  # type: ignore[method-assign]


# a sample of the commits that this plan makes; real kills at all of them: python -m bench safety
KILLS = [(when, count) for count in range(1, 26) for when in ("before", "after")]


@pytest.mark.parametrize(("when", "count"), random.Random(seed()).sample(KILLS, 12))
async def test_a_kill_at_any_commit_repeats_nothing(
    world: Production, when: str, count: int
) -> None:
    """A three-step plan is killed at its count-th transaction; another process goes on."""
    plan = await world.approved("both")
    begin = world.store.begin
    killing(world, when, count)
    import contextlib

    with contextlib.suppress(Killed):
        await world.bot.execution.drive(plan)
    world.store.begin = begin  # type: ignore[method-assign]
    other = world.replica("two")
    for _ in range(4):
        world.clock.advance(seconds=31)
        await world.run(other)
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run(other)
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    assert len(world.cluster.sent) == 3
    assert world.limits() == (4, 6)
    assert world.images() == {"shop": "shop:1", "cart": "cart:1"}


@pytest.mark.parametrize("after", [False, True])
async def test_a_kill_around_the_request_repeats_nothing(world: Production, after: bool) -> None:
    plan = await world.approved("rollback")
    real = type(world.actions["deployment_rollback"])

    class Dying(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            if after:
                await super().execute(actors, bound, key)
            raise Killed

    world.actions["deployment_rollback"] = Dying()
    with pytest.raises(Killed):
        await world.bot.execution.drive(plan)
    world.actions["deployment_rollback"] = real()
    other = world.replica("two")
    await world.run(other)
    assert len(world.cluster.sent) == int(after)  # the dead owner's heartbeat is not old enough
    world.clock.advance(seconds=31)
    await world.run(other)
    assert len(world.cluster.sent) == 1
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert "plan.taken_over" in await world.audit(plan)


async def test_a_step_without_effect_is_sent_again_once_and_never_a_third_time(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    real = type(world.actions["deployment_rollback"])
    tried: list[str] = []

    class Dying(real):  # type: ignore[misc, valid-type]
        idempotent = True

        async def execute(self, actors: object, bound: object, key: str) -> None:
            tried.append(key)
            raise Killed

    world.actions["deployment_rollback"] = Dying()
    for life in ("one", "two"):
        with pytest.raises(Killed):
            await world.replica(life).execution.drive(plan)
        world.clock.advance(seconds=31)
    await world.replica("three").execution.drive(plan)
    assert tried == [f"{plan}/do/0"] * 2
    assert (await world.record(plan)).status is PlanStatus.OUTCOME_UNKNOWN
    assert world.cluster.sent == []


async def test_two_replicas_run_one_plan_once(world: Production) -> None:
    import asyncio

    plan = await world.approved("rollback")
    bots = [world.bot, world.replica("two"), world.replica("three")]
    await asyncio.gather(*(bot.execution.run_due() for bot in bots))
    assert len(world.cluster.sent) == 1
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
