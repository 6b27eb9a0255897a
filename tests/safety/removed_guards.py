"""Each guard removed at each of its moments in turn: the story told about it there must turn red.

The stories live with the tests (`tests/unit/decision/test_guards.py`): each drives the real
planner, approvals and execution over a small production. Here they are only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.core.remediation.running.permits import PermitForgedError
from bot.domain.plans.guards import Moment
from tests.fixtures.guards import removed


@dataclass(frozen=True, slots=True)
class Guarded:
    """What removing guards showed."""

    guards: int  # pairs of a guard and a moment
    broken_stories: tuple[str, ...]  # red although every guard stands
    without_a_red_test: tuple[str, ...]  # removed, and nobody noticed


async def measure(folder: Path) -> Guarded:
    """Tell every story twice: with its guard, and without it at that one moment."""
    from tests.unit.decision.test_guards import MATRIX

    broken, unnoticed = [], []
    for number, (name, moment) in enumerate(MATRIX):
        told = f"{name} at {moment.value}"
        if not await _green(name, moment, folder / f"with-{number}.db"):
            broken.append(told)
        with removed(name, moment):
            if await _green(name, moment, folder / f"without-{number}.db"):
                unnoticed.append(told)
    return Guarded(len(MATRIX), tuple(broken), tuple(unnoticed))


async def _green(name: str, moment: Moment, database: Path) -> bool:
    from tests.fakes.decision import Production
    from tests.fixtures.database import sqlite_store
    from tests.unit.decision.test_guards import tell

    async with sqlite_store(database) as store:
        production = Production(store)
        try:
            await tell(production, name, moment)
        except (AssertionError, PermitForgedError):
            return False
        finally:
            await production.bot.execution.idle()
    return True
