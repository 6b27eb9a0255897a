"""What may be spent in a day, by one person and by all: beyond it the answer costs nothing."""

from __future__ import annotations

from datetime import timedelta

from bot.core.investigation.shares import who_asked
from bot.core.investigation.turn import Turn
from bot.core.ports import Budget, Clock, Store, Transaction
from bot.domain.audit import BOT, Event
from bot.domain.ids import RunId, UserId

DAY = timedelta(days=1)  # world time


async def used_up(turn: Turn, budget: Budget, store: Store, clock: Clock) -> str:
    """Return which daily budget is used up, as a gap; empty when there is room.

    Of several people who asked one must have room: what the others asked is answered with it.
    """
    async with store.begin() as tx:
        people = await who_asked(tx, turn.run)
        limit = budget.usd_micros_per_person_day
        if limit is not None and people:
            spent = {user: await _spent(tx, clock, user) for user in people}
            if all(each >= limit for each in spent.values()):
                return await _reached(tx, turn, "budget.person", spent[people[0]], limit, clock)
        limit = budget.usd_micros_of_a_day
        if limit is not None and (total := await _spent(tx, clock)) >= limit:
            return await _reached(tx, turn, "budget.day", total, limit, clock)
    return ""


async def _spent(tx: Transaction, clock: Clock, user: UserId | None = None) -> int:
    return (await tx.usage.spent(clock.now() - DAY, user)).usd_micros


async def _reached(
    tx: Transaction, turn: Turn, which: str, spent: int, limit: int, clock: Clock
) -> str:
    user = turn.run.asked_by if which == "budget.person" else None
    await tx.audit.append(budget_reached(turn.run.id, user, which, clock))
    texts = turn.texts
    shown = {"spent": f"${spent / 1e6:.2f}", "limit": f"${limit / 1e6:.2f}"}
    return texts.say("gap.budget", scope=texts.say(which), **shown)


def budget_reached(run: RunId, user: UserId | None, which: str, clock: Clock) -> Event:
    """Return the event that a budget, of a day or of a turn, is used up."""
    facts = {"budget": which.removeprefix("budget.")}
    return Event("budget.reached", clock.now(), user or BOT, run, facts=facts)
