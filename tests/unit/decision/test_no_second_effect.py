"""An owner that stalls, and another replica that takes its plan over: never a second effect.

The service behind `http_call` counts what it was asked, and tells at `probe_url` whether the call
took effect. What stalls is let go on after the other replica has had its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.domain.plan import PlanStatus, StepPhase
from tests.fakes.decision import ANN, INCIDENTS, Production
from tests.fakes.decision import library as library_of
from tools.ports import HttpReply

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
    world.playbooks = library_of(FLUSH)
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
