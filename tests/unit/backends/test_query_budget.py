"""A budget of questions per minute: never more, people first, first come first served."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from tests.fakes.clock import FakeClock, settle
from tools.backends.budget import QueryBudget
from tools.errors import BackendError, QueryBudgetError


@dataclass
class Desk:
    clock: FakeClock
    budget: QueryBudget
    served: list[tuple[str, float]] = field(default_factory=list)

    def ask(
        self, name: str, *, background: bool = False, patience: float = 1e6
    ) -> asyncio.Task[None]:
        async def asking() -> None:
            await self.budget.take(patience=patience, background=background)
            self.served.append((name, self.clock.monotonic()))

        return asyncio.create_task(asking())


def desk(per_minute: int) -> Desk:
    clock = FakeClock()
    budget = QueryBudget(
        "prometheus", per_minute, setting="prometheus.queries_per_minute",
        now=clock.monotonic, pause=clock.sleep,
    )  # fmt: skip
    return Desk(clock, budget)


@pytest.mark.parametrize("per_minute", [1, 4, 60, 1200])
async def test_no_minute_sees_more_questions_than_the_budget(per_minute: int) -> None:
    ours = desk(per_minute)
    asked = [ours.ask(str(k), background=bool(k % 3)) for k in range(min(3 * per_minute, 300))]
    await ours.clock.advance_until_done(*asked)
    times = sorted(at for _, at in ours.served)
    assert len(times) == len(asked)
    for begin in times:
        assert sum(begin <= at < begin + 60 for at in times) <= per_minute
    allowed = 60 * len(times) / per_minute
    assert times[-1] <= 2 * allowed  # the budget is used and not merely kept


async def test_the_detection_cycle_leaves_a_share_for_questions_of_people() -> None:
    ours = desk(80)  # 20 at once, 5 of them kept
    cycle = [ours.ask(f"cycle {k}", background=True) for k in range(40)]
    await settle()
    assert len(ours.served) == 15
    people = [ours.ask(f"person {k}") for k in range(5)]
    await settle()
    assert [name for name, _ in ours.served[15:]] == [f"person {k}" for k in range(5)]
    assert ours.clock.monotonic() == 0
    await ours.clock.advance_until_done(*cycle, *people)


async def test_people_who_come_later_are_served_before_a_waiting_cycle() -> None:
    ours = desk(4)  # one at once, then one every twenty seconds
    first = ours.ask("first")
    await ours.clock.advance_until_done(first)
    tasks = [ours.ask("cycle", background=True), ours.ask("one"), ours.ask("two")]
    await ours.clock.advance_until_done(*tasks)
    assert [name for name, _ in ours.served] == ["first", "one", "two", "cycle"]


async def test_what_cannot_be_served_in_time_is_told_at_once_that_it_is_the_budget() -> None:
    ours = desk(4)
    await ours.clock.advance_until_done(ours.ask("first"))
    with pytest.raises(QueryBudgetError) as caught:
        await ours.budget.take(patience=5, background=False)
    assert isinstance(caught.value, BackendError)
    assert str(caught.value) == (
        "prometheus: the budget of 4 queries per minute is used up (the next turn is in 20 s); "
        "ask again in a minute, or raise prometheus.queries_per_minute"
    )
    waited = ours.ask("patient", patience=20)
    await ours.clock.advance_until_done(waited)
    assert [(name, round(at)) for name, at in ours.served[1:]] == [("patient", 20)]


async def test_whoever_gives_up_waiting_leaves_the_queue() -> None:
    ours = desk(4)
    await ours.clock.advance_until_done(ours.ask("first"))
    gone = ours.ask("gone")
    await settle()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    await ours.clock.advance_until_done(ours.ask("next", patience=21))
    assert [name for name, _ in ours.served] == ["first", "next"]


async def test_without_a_budget_nobody_waits() -> None:
    ours = desk(0)
    asked = [ours.ask(str(k), patience=0) for k in range(100)]
    await asyncio.gather(*asked)
    assert len(ours.served) == 100
