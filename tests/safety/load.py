"""What 250 audit events a second cost a click: how long an answer takes, without them and with.

    quiet batch ─ busy batch ─ quiet batch ─ busy batch …     the same database, the same minute
                    └ 250 events a second, five to a transaction, sealed once a second

A click is a person's yes through the real approvals: judged by every guard, committed with its
audit row. Batches alternate, so that a machine that is busy with something else slows both alike.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from bot.domain.audit import BOT, Event
from bot.domain.ids import PlanId
from bot.store.store import SqlStore, open_store
from tests.fakes.decision import ANN, INCIDENTS, START, Production, deployment, service
from tests.fixtures.keys import KEYRING

RATE = 250  # events a second
WRITERS = 8  # at once, as runs, plans and doors are
BUNDLE = 5  # events of one transaction: a use case writes them with the state they tell of
BATCHES, CLICKS = 3, 20  # of each kind


@dataclass(slots=True)
class Load:
    """What was measured on one kind of database; times in seconds."""

    quiet: list[float] = field(default_factory=list, repr=False)
    busy: list[float] = field(default_factory=list, repr=False)
    events: int = 0
    busy_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second that were really written."""
        return self.events / self.busy_seconds

    def ratio(self, quantile: float) -> float:
        """How much longer a click takes under load, at one quantile."""
        return _quantile(self.busy, quantile) / _quantile(self.quiet, quantile)


def _quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def measure(url: str) -> Load:
    """Measure on the migrated database of a URL."""
    store = await open_store(url, KEYRING)
    found = Load()
    try:
        production = Production(store)
        production.policy = replace(production.policy, expiry=timedelta(days=1))
        plans = await _plans(production, 2 * BATCHES * CLICKS + 1)
        await _clicks(production, itertools.islice(plans, 1))  # the first one builds statements
        for _ in range(BATCHES):
            found.quiet += await _clicks(production, itertools.islice(plans, CLICKS))
            async with _events(store, found):
                found.busy += await _clicks(production, itertools.islice(plans, CLICKS))
    finally:
        await store.close()
    return found


async def _plans(production: Production, count: int) -> Iterator[PlanId]:
    """Propose a plan for each of many deployments."""
    made = []
    for number in range(count):
        name = f"s{number}"
        for item in deployment(name):
            production.cluster.put(item)
        production.services[name] = service(name)
        made.append(await production.planned("rollback", name))
    return iter(made)


async def _clicks(production: Production, plans: Iterator[PlanId]) -> list[float]:
    took = []
    for plan in plans:
        begun = time.perf_counter()
        said = await production.bot.approvals.approve(plan, ANN, INCIDENTS)
        took.append(time.perf_counter() - begun)
        if not said.accepted:
            raise RuntimeError(f"the click on {plan} was refused: {said.text}")
        await asyncio.sleep(0.02)  # people do not click back to back
    return took


@contextlib.asynccontextmanager
async def _events(store: SqlStore, found: Load) -> AsyncIterator[None]:
    """Write events at the rate, and seal them every second, while the block runs."""
    begun, over = time.perf_counter(), asyncio.Event()
    at_work = [asyncio.create_task(_write(store, found, over, n)) for n in range(WRITERS)]
    at_work.append(asyncio.create_task(_seal(store, over)))
    try:
        yield
    finally:
        over.set()
        await asyncio.gather(*at_work)
        found.busy_seconds += time.perf_counter() - begun


async def _write(store: SqlStore, found: Load, over: asyncio.Event, first: int) -> None:
    """Write every n-th bundle of events, each when it is due."""
    begun = time.perf_counter()
    for number in itertools.count(first * BUNDLE, WRITERS * BUNDLE):
        if over.is_set():
            return
        wait = begun + number / RATE - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        at = START + timedelta(milliseconds=number)
        async with store.begin() as tx:
            for _ in range(BUNDLE):
                await tx.audit.append(Event("tool.called", at, BOT, f"RUN-{number % 50}"))
        found.events += BUNDLE


async def _seal(store: SqlStore, over: asyncio.Event) -> None:
    while not over.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), 1.0)
        async with store.begin() as tx:
            await tx.audit.seal()


async def both(folder: Path) -> dict[str, Load]:
    """Measure SQLite and PostgreSQL, one after the other."""
    from tests.fixtures.database import postgres_copy, sqlite_copy
    from tests.fixtures.postgres import postgres_server

    found = {"sqlite": await measure(sqlite_copy(folder / "load.db"))}
    with postgres_server() as postgres:
        found["postgres"] = await measure(postgres_copy(postgres))
    return found


def told(found: dict[str, Load]) -> list[str]:
    """Say in a line per database what was measured."""
    lines = []
    for kind, load in found.items():
        quiet, busy = (statistics.median(each) * 1000 for each in (load.quiet, load.busy))
        late = _quantile(load.busy, 0.99) * 1000
        lines.append(
            f"{kind}: a click takes {quiet:.1f} ms, with {load.rate:.0f} events/s {busy:.1f} ms "
            f"(p99 {_quantile(load.quiet, 0.99) * 1000:.1f} and {late:.1f} ms)"
        )
    return lines
