"""What may be spent in a day, by one person and by all: beyond it the answer costs nothing."""

from __future__ import annotations

from datetime import timedelta

from bot.core.investigation.turn import Turn
from bot.core.ports import Budget, Clock, Store
from bot.domain.audit import BOT, Event
from bot.domain.ids import RunId, UserId

DAY = timedelta(days=1)  # world time


async def used_up(turn: Turn, budget: Budget, store: Store, clock: Clock) -> str:
    """Return which daily budget is used up, as a gap; empty when there is room."""
    since = clock.now() - DAY
    person = turn.run.asked_by
    checks: list[tuple[str, UserId | None, int | None]] = [
        ("budget.day", None, budget.usd_micros_of_a_day)
    ]
    if person is not None:
        checks.insert(0, ("budget.person", person, budget.usd_micros_per_person_day))
    async with store.begin() as tx:
        for key, user, limit in checks:
            if limit is None:
                continue
            spent = await tx.usage.spent(since, user)
            if spent.usd_micros >= limit:
                await tx.audit.append(budget_reached(turn.run.id, user, key, clock))
                return turn.texts.say(
                    "gap.budget",
                    scope=turn.texts.say(key),
                    spent=f"${spent.usd_micros / 1e6:.2f}",
                    limit=f"${limit / 1e6:.2f}",
                )
    return ""


def budget_reached(run: RunId, user: UserId | None, which: str, clock: Clock) -> Event:
    """Return the event that a budget, of a day or of a turn, is used up."""
    facts = {"budget": which.removeprefix("budget.")}
    return Event("budget.reached", clock.now(), user or BOT, run, facts=facts)
