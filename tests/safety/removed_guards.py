"""Each named guard removed in turn: the story that is told about it must turn red.

The stories live with the tests (`tests/unit/decision/test_guards.py`): each drives the real
planner, approvals and execution over a small production. Here they are only counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.domain.guards import GUARDS


@dataclass(frozen=True, slots=True)
class Guarded:
    """What removing guards showed."""

    guards: int
    broken_stories: tuple[str, ...]  # red although every guard stands
    without_a_red_test: tuple[str, ...]  # removed, and nobody noticed


@contextmanager
def without(name: str) -> Iterator[None]:
    """Take one guard out, and put it back at its place in the order."""
    kept = dict(GUARDS)
    del GUARDS[name]
    try:
        yield
    finally:
        GUARDS.clear()
        GUARDS.update(kept)


async def measure(folder: Path) -> Guarded:
    """Tell every story twice: with its guard, and without."""
    from tests.unit.decision.test_guards import STORIES

    broken, unnoticed = [], []
    for number, name in enumerate(tuple(GUARDS)):
        story = STORIES.get(name)
        if story is None:
            unnoticed.append(name)
            continue
        if not await _green(name, folder / f"with-{number}.db"):
            broken.append(name)
        with without(name):
            if await _green(name, folder / f"without-{number}.db"):
                unnoticed.append(name)
    return Guarded(len(GUARDS), tuple(broken), tuple(unnoticed))


async def _green(name: str, database: Path) -> bool:
    from tests.fakes.decision import Production
    from tests.fixtures.database import sqlite_store
    from tests.unit.decision.test_guards import STORIES

    async with sqlite_store(database) as store:
        production = Production(store)
        try:
            await STORIES[name](production)
        except AssertionError:
            return False
        finally:
            await production.bot.execution.idle()
    return True
