"""An owner that stalls, and another replica that takes its plan over: never a second effect.

The service behind `http_call` counts what it was asked, and tells at `probe_url` whether the call
took effect. What stalls is let go on after the other replica has had its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from bot.core.ports import PlanRecord, StaleError, Transaction
from bot.core.remediation.running.holds import Hold, Holds, NotOursError
from bot.domain.audit import BOT, Event
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.plan import PlanStatus, Position, StepPhase
from bot.domain.plans.step_run import StepIntended
from tests.fakes.decision import ADA, ANN, INCIDENTS, Production, library
from tools.act.actions import ACTIONS
from tools.act.contract import Action, Actors, Bound, Probe, is_idempotent
from tools.act.patching import PatchAction
from tools.act.rollout import DeploymentRollback
from tools.ports import HttpReply
from tools.world import WorkloadRef

FLUSH = """
id: flush
name: Flush
description: Flush the cache of the gateway
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - name: Flush
    action: http_call
    target: gateway
    parameters:
      url: "https://gateway.example.com/flush"
      probe_url: "https://gateway.example.com/state"
      probe_text: flushed
verify: [{expression: order_error_rate < 2%, window_seconds: 600}]
"""


class Killed(BaseException):
    """The process dies here."""


@dataclass
class Service:
    """An endpoint that stalls where it is told to: the port HttpCaller."""

    stall: str = ""  # before this method, once a step is on its way
    sent: Callable[[], Awaitable[bool]] | None = None
    stalled: asyncio.Event = field(default_factory=asyncio.Event)
    flushed: list[str] = field(default_factory=list)  # keys of the calls that took effect
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    shows: bool = True  # what it did can be seen

    async def check(self, method: str, url: str) -> None:
        return None

    async def call(
        self, method: str, url: str, body: Mapping[str, Any] | None, key: str
    ) -> HttpReply:
        if self.stall == method and self.sent is not None and await self.sent():
            self.stall = ""
            self.stalled.set()
            await self.go_on.wait()
        if method != "GET":
            self.flushed.append(key)
            return HttpReply(200, "ok")
        return HttpReply(200, "flushed" if self.flushed and self.shows else "full")


@pytest.mark.parametrize("stalls_before", ["POST", "GET"])
async def test_a_call_whose_owner_stalls_is_not_sent_by_the_replica_that_takes_over(
    world: Production, stalls_before: str
) -> None:
    service = Service(stalls_before)
    world.http = service
    world.playbooks = library(FLUSH)
    world.bot = world.replica("one")
    plan = await world.approved("flush")
    other = world.replica("two")

    async def is_sent() -> bool:
        return [run.phase for run in await world.steps(plan)] == [StepPhase.SENT]

    service.sent = is_sent
    await world.bot.execution.tick()
    await service.stalled.wait()
    world.clock.advance(seconds=31)
    await world.run(other)
    taken = await world.record(plan)
    service.go_on.set()
    await world.bot.execution.idle()
    await world.run(other)
    assert len(service.flushed) <= 1
    assert taken.status is PlanStatus.OUTCOME_UNKNOWN
    assert (await world.record(plan)).status is PlanStatus.OUTCOME_UNKNOWN
    assert (await world.bot.approvals.resolve_unknown(plan, ANN, "done", INCIDENTS)).accepted


# --- the fence ----------------------------------------------------------------------------------


class Stalls(DeploymentRollback):
    """Stands still once, between its last read and its request."""

    idempotent = True

    def __init__(self) -> None:
        self.stalled, self.go_on = asyncio.Event(), asyncio.Event()

    async def execute(self, actors: Any, bound: Any, key: str) -> Any:
        self.stalled.set()
        await self.go_on.wait()
        return await super().execute(actors, bound, key)


async def overtaken(world: Production) -> tuple[PlanId, Stalls]:
    """A plan whose owner stands still just before its request, and whom another has followed."""
    plan, action = await world.approved("rollback"), Stalls()
    world.actions["deployment_rollback"] = action
    await world.bot.execution.tick()
    await action.stalled.wait()
    world.clock.advance(seconds=31)
    world.actions["deployment_rollback"] = DeploymentRollback()
    await world.run(world.replica("two"))
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    return plan, action


async def test_a_process_that_was_overtaken_sends_nothing_any_more(world: Production) -> None:
    plan, action = await overtaken(world)
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["metadata"]["annotations"].clear()  # nothing in the world tells it that it is too late
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:2"
    before = await world.record(plan)
    action.go_on.set()
    await world.bot.execution.idle()
    assert len(world.cluster.sent) == 1
    assert await world.record(plan) == before
    assert [run.phase for run in await world.steps(plan)] == [StepPhase.DONE]


async def test_a_process_whose_stop_was_pulled_meanwhile_still_writes_its_outcome(
    world: Production,
) -> None:
    """The fence asks who holds the plan, not whether it may go on: that was asked before."""
    plan, action = await world.approved("rollback"), Stalls()
    world.actions["deployment_rollback"] = action
    await world.bot.execution.tick()
    await action.stalled.wait()
    assert (await world.bot.approvals.stop(plan, ANN, INCIDENTS)).accepted
    action.go_on.set()
    await world.bot.execution.idle()
    assert len(world.cluster.sent) == 1
    assert (await world.record(plan)).status is PlanStatus.HALTED


async def test_nothing_is_sent_that_is_not_on_record_as_sent(world: Production) -> None:
    plan, action = await world.approved("rollback"), Stalls()
    world.actions["deployment_rollback"] = action
    await world.bot.execution.tick()
    await action.stalled.wait()
    record = await world.record(plan)
    intended = StepIntended(plan, Position.forward(0), world.clock.now())
    async with world.store.begin() as tx:
        await tx.plans.save_step(intended, "trading/Deployment/shop", record.token)
    action.go_on.set()
    await world.bot.execution.idle()
    assert world.cluster.sent == []


async def test_every_process_that_takes_a_plan_raises_its_token(world: Production) -> None:
    plan = await world.approved("both")
    assert (await world.record(plan)).token == 0
    await world.run()
    assert (await world.record(plan)).token == 1
    for token, name in ((2, "two"), (3, "three"), (4, "one")):
        world.clock.advance(seconds=31)
        await world.run(world.replica(name))
        assert (await world.record(plan)).token == token
    world.clock.advance(seconds=6)
    await world.run(world.replica("one"))  # the same process goes on
    assert (await world.record(plan)).token == 4


async def test_an_earlier_hold_of_the_same_process_is_worth_nothing(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    record = await world.record(plan)
    assert isinstance(record.state, life.Verifying)
    async with world.store.begin() as tx:
        await tx.plans.move(record.taken(record.state))
    steps, hold = world.bot.execution._steps, Hold(record.plan, record.token)
    with pytest.raises(NotOursError, match="taken anew since"):
        await steps.failed(hold, Position.forward(0), "late")


async def test_a_step_of_which_nobody_knows_is_not_sent_again_after_a_kill_right_there(
    world: Production,
) -> None:
    """It was on record as unknown, and the plan's end was not yet."""
    plan = await world.approved("rollback")

    async def killed() -> None:
        raise StaleError("killed right after the request went out")

    world.cluster.after_change[1] = killed
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.RUNNING
    hold = Hold(record.plan, record.token)
    await Holds(world.store, "one").check(hold, Position.forward(0))  # its own, and on record
    for other, token in (("two", record.token), ("one", record.token + 1)):
        stranger = Hold(record.plan, token)
        with pytest.raises(NotOursError):
            await Holds(world.store, other).check(stranger, Position.forward(0))
    await world.bot.execution._steps.unknown(hold, Position.forward(0), "nobody knows")
    await world.run()
    ended = await world.record(plan)
    assert (ended.status, len(world.cluster.sent)) == (PlanStatus.OUTCOME_UNKNOWN, 1)
    assert "nobody knows" in ended.outcome


async def test_what_keeps_losing_its_race_is_given_up_and_not_written(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    record = await world.record(plan)
    tried: list[int] = []

    async def write(tx: Transaction, now: PlanRecord) -> None:
        tried.append(now.version)
        await tx.audit.append(Event("plan.never", world.clock.now(), BOT, plan))
        raise StaleError("another was first")

    with pytest.raises(StaleError, match="moved 12 times"):
        await Holds(world.store, "one").write(Hold(record.plan, record.token), write)
    assert tried == [record.version] * 12
    assert "plan.never" not in await world.audit(plan)


# --- what is sent again -------------------------------------------------------------------------


def test_what_may_be_sent_again_is_declared() -> None:
    assert {name for name, action in ACTIONS.items() if not is_idempotent(action)} == {"http_call"}


def test_an_action_that_says_nothing_is_never_repeated() -> None:
    class Silent:
        name = "silent"

    class Patching(PatchAction[Any]):
        floor = 0.5

    class Sending(Patching):
        async def execute(self, actors: Any, bound: Any, key: str) -> Any:
            return None

    assert not is_idempotent(cast("Action", Silent()))
    assert Patching.idempotent
    assert not Sending.idempotent


async def killed_before_the_request(world: Production, action: Action) -> PlanId:
    plan = await world.approved("rollback")

    class Dying(DeploymentRollback):
        async def execute(self, actors: Any, bound: Any, key: str) -> Any:
            raise Killed

    world.actions["deployment_rollback"] = Dying()
    with pytest.raises(Killed):
        await world.bot.execution.drive(plan)
    world.actions["deployment_rollback"] = action
    return plan


class Undeclared(DeploymentRollback):
    idempotent = False


@pytest.mark.parametrize(
    ("action", "minutes", "status"),
    [
        (DeploymentRollback(), 1, PlanStatus.VERIFYING),
        (DeploymentRollback(), 59, PlanStatus.VERIFYING),
        (DeploymentRollback(), 60, PlanStatus.OUTCOME_UNKNOWN),  # the world may have forgotten
        (Undeclared(), 1, PlanStatus.OUTCOME_UNKNOWN),
    ],
)
async def test_a_request_without_effect_is_sent_again_where_that_is_safe(
    world: Production, action: Action, minutes: int, status: PlanStatus
) -> None:
    plan = await killed_before_the_request(world, action)
    world.clock.advance(minutes=minutes)
    await world.run(world.replica("two"))
    assert (await world.record(plan)).status is status
    assert len(world.cluster.sent) == int(status is PlanStatus.VERIFYING)


async def test_what_was_sent_and_may_not_be_sent_again_is_not_called_halted(
    world: Production,
) -> None:
    """Frozen meanwhile: the first request may still be on its way, so a person must look."""
    plan = await killed_before_the_request(world, DeploymentRollback())
    assert (await world.bot.switches.freeze(ADA, "launch", INCIDENTS)).accepted
    world.clock.advance(minutes=1)
    await world.run(world.replica("two"))
    record = await world.record(plan)
    assert record.status is PlanStatus.OUTCOME_UNKNOWN
    assert "not sent again: changes are frozen" in record.outcome
    assert [run.phase for run in await world.steps(plan)] == [StepPhase.UNKNOWN]


async def test_a_call_that_shows_its_effect_is_found_done(world: Production) -> None:
    service = Service()
    world.http = service
    action = ACTIONS["http_call"]
    world.playbooks, world.bot = library(FLUSH), world.replica("one")
    plan = await world.approved("flush")

    class Dying(type(action)):  # type: ignore[misc]
        async def execute(self, actors: Any, bound: Any, key: str) -> Any:
            await super().execute(actors, bound, key)
            raise Killed

    world.actions["http_call"] = Dying()
    with pytest.raises(Killed):
        await world.bot.execution.drive(plan)
    world.actions["http_call"] = action
    world.clock.advance(seconds=31)
    await world.run(world.replica("two"))
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert len(service.flushed) == 1
    assert await action.probe(Actors(world.clock, http=service), BOUND, "") is Probe.DONE


BOUND = Bound(
    "http_call",
    WorkloadRef("default", "", "Endpoint", "gateway"),
    {"probe_url": "https://gateway.example.com/state", "probe_text": "flushed"},
    "",
)
