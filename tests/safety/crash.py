"""A bot killed at every commit and every mutating request of a three-step plan with its undo.

    a life without a kill ──> marks: 1 commit, 2 commit of a read, 3 request …
    for each mark, before and after: fresh database and cluster ─> killed life ─> next life ─> judge

There are two stories: `undone`, where the plan does not help and is taken back, and `done`, where
it helps. How many points there are is found out, not written down. A sample kills before and after
every request, and before or after one commit of each phase (between one request and the next);
the whole kills before and after every commit. There the transactions that only read are included:
they commit nothing, so that the world after the kill is the one of the mark before.

The judge asks the imitated Kubernetes, not the bot: which keys took effect, how often, and how the
objects stand. A point is resolved when the plan is done, undone or handed to a person, no key took
effect twice, an undone plan left every object as it was, and the audit chain verifies.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.domain.keyring import Keyring
from bot.domain.plan import PlanStatus
from bot.store.store import open_store
from sandbox.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.resources import DEPLOYMENTS, HPAS
from sandbox.kubernetes.server import start_kubernetes
from sandbox.world.faults import FaultLog
from tests.patience import PATIENCE
from tests.safety.life import AUDIT_KEY, START, TARGETS
from tests.seed import stratified
from tools.kubernetes_objects import STEP_ANNOTATION

HOST = "127.0.0.1"
REQUESTS = {"undone": 6, "done": 3}  # mutating requests of each story
STORIES = tuple(REQUESTS)
TOLD = frozenset({PlanStatus.OUTCOME_UNKNOWN, PlanStatus.HALTED, PlanStatus.UNVERIFIED})
ENDS = TOLD | {PlanStatus.SUCCEEDED, PlanStatus.ROLLED_BACK}
Json = dict[str, Any]


@dataclass(slots=True)
class Crashes:
    """What the kills came to."""

    points: int = 0
    possible: int = 0  # points that a life has, whether they were tried or not
    doubled: int = 0
    unresolved: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    requests: dict[str, int] = field(default_factory=dict)  # mutating ones of a life, by story

    def add(self, other: Crashes) -> None:
        """Add what another database came to."""
        self.points += other.points
        self.possible += other.possible
        self.doubled += other.doubled
        self.unresolved += other.unresolved
        self.ends += other.ends
        self.requests |= other.requests


class KeyedEffects(list[Json]):
    """The server's list of effects, each with the step's key that the object carries after it."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__()
        self._cluster = cluster

    def append(self, row: Json) -> None:
        """Note an effect."""
        resource = DEPLOYMENTS if row["resource"].startswith("deployments") else HPAS
        item = self._cluster.store.peek(resource, row["namespace"], row["name"]) or {}
        marks = item.get("metadata", {}).get("annotations") or {}
        super().append(row | {"key": marks.get(STEP_ANNOTATION, "(no key)")})


@dataclass(slots=True)
class Zygote:
    """The program that forks lives."""

    process: asyncio.subprocess.Process

    async def live(self, **job: object) -> int:
        """Live one life; returns its exit status, or minus the signal that ended it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job).encode() + b"\n")
        await self.process.stdin.drain()
        async with asyncio.timeout(PATIENCE):
            return int(await self.process.stdout.readline())


@asynccontextmanager
async def zygote() -> AsyncIterator[Zygote]:
    """Start the program that forks lives, and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.safety.life",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Zygote(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@dataclass(frozen=True, slots=True)
class Point:
    """One instant at which a life can be killed."""

    at: int  # number of the mark
    when: str  # before | after
    what: str  # commit | commit of a read | request …
    phase: int  # requests before it

    @property
    def stratum(self) -> tuple[object, ...]:
        """Return what it is an example of: a commit after it, or before the one that follows it."""
        return self.what, self.phase, self.when if self.what.startswith("request") else ""


def points_of(marks: Sequence[str]) -> list[Point]:
    """Return every point of a life, from the marks that it left."""
    found, phase = [], 0
    for at, what in enumerate(marks, 1):
        found += [Point(at, when, what, phase) for when in ("before", "after")]
        phase += what.startswith("request")
    return found


@dataclass(slots=True)
class Matrix:
    """Every point of one story on one kind of database. `fresh` gives an empty, migrated one."""

    kind: str
    folder: Path
    fresh: Callable[[], Awaitable[str]]
    lives: Zygote
    told: str = STORIES[0]
    found: Crashes = field(default_factory=Crashes)
    _number: int = 0
    _platform: bytes = b""  # the imitated cluster as it begins: copying beats building

    async def run(self, sampled_by: int | None) -> Crashes:
        """Kill at every point, or at a sample drawn by a seed."""
        marks = await self.story(0, "before")
        self.found.requests[self.told] = sum(what.startswith("request") for what in marks)
        points = points_of(marks)
        self.found.possible += len(points)
        if sampled_by is not None:
            wrote = [each for each in points if each.what != "commit of a read"]
            points = stratified(wrote, lambda each: [each.stratum], by=sampled_by)
        for point in points:
            await self.story(point.at, point.when)
        return self.found

    async def story(self, kill_at: int, when: str) -> list[str]:
        """Kill one life at a mark, let the next one go on, judge; returns the first one's marks."""
        self._number += 1
        folder = self.folder / f"{self.kind}-{self.told}-{self._number}"
        folder.mkdir(parents=True)
        clock = ManualClock(START.timestamp())
        cluster = self._cluster(clock)
        cluster.effects = KeyedEffects(cluster)
        server = await start_kubernetes(HOST, 0, cluster=cluster, clock=clock, state_dir=folder)
        before = _standing(cluster)
        database = await self.fresh()
        job: Json = {
            "database": database,
            "helps": self.told == "done",
            "kubeconfig": str(server.actor_kubeconfig),
            "clock": str(folder / "clock"),
        }
        first = folder / "marks-1"
        try:
            status = await self.lives.live(
                **job, marks=str(first), kill_at=kill_at, when=when, forked=kill_at > 0
            )
            if kill_at:
                second = folder / "marks-2"
                after = await self.lives.live(**job, marks=str(second))
                point = f"{self.kind}, {self.told}: {when} mark {kill_at}"
                wrong = [] if status == -9 else [f"the life ended with {status}, not by the kill"]
                wrong += [] if after == 0 else [f"the next life ended with {after}"]
                self._note(point, wrong + await self._judge(database, cluster, before))
            elif status != 0:
                raise RuntimeError(f"a life without a kill ended with {status} on {self.kind}")
        finally:
            await server.close()
        marks = first.read_text().splitlines()
        shutil.rmtree(folder)
        return marks

    def _cluster(self, clock: ManualClock) -> Cluster:
        if not self._platform:
            faults = FaultLog(self.folder / f"faults-{self.kind}-{self.told}.json")
            self._platform = pickle.dumps(Cluster(faults, clock.now()))
        fresh: Cluster = pickle.loads(self._platform)  # noqa: S301 - written a moment ago, by us
        return fresh

    def _note(self, point: str, wrong: list[str]) -> None:
        self.found.points += 1
        if wrong:
            self.found.unresolved.append(f"{point}: {'; '.join(wrong)}")

    async def _judge(self, database: str, cluster: Cluster, before: Json) -> list[str]:
        """Say what is wrong with the world after the second life."""
        keys = Counter(row["key"] for row in cluster.effects)
        twice = {key: count for key, count in keys.items() if count > 1}
        self.found.doubled += sum(count - 1 for count in twice.values())
        wrong = [f"{key} took effect {count} times" for key, count in twice.items()]
        store = await open_store(database, Keyring(AUDIT_KEY))
        try:
            async with store.begin() as tx:
                plans = await tx.plans.list()
                await tx.audit.seal(limit=100_000)
            async with store.read() as tx:
                chain = await tx.audit.verify()
        finally:
            await store.close()
        if chain.broken_at is not None or chain.sealed != chain.rows:
            wrong.append(f"the audit chain is broken at {chain.broken_at}: {chain.reason}")
        if len(plans) != 1:
            return [*wrong, f"there are {len(plans)} plans"]
        status = plans[0].status
        self.found.ends[status.value] += 1
        if status not in ENDS:
            wrong.append(f"the plan is {status.value}: {plans[0].outcome}")
        forward = {key for key in keys if "/do/" in key}
        if status is PlanStatus.SUCCEEDED and len(forward) != len(TARGETS):
            wrong.append(f"it is told as done, but only {sorted(forward)} took effect")
        if status is PlanStatus.ROLLED_BACK and _standing(cluster) != before:
            wrong.append("it is told as undone, but the objects differ from before")
        return wrong


def _standing(cluster: Cluster) -> Json:
    """Return what the plan's targets are asked to be."""
    found: Json = {}
    for kind, name in TARGETS:
        resource = DEPLOYMENTS if kind == "Deployment" else HPAS
        item = cluster.store.peek(resource, "trading", name) or {}
        spec = item.get("spec", {})
        wanted = ("template",) if kind == "Deployment" else ("minReplicas", "maxReplicas")
        found[name] = {key: spec.get(key) for key in wanted}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


async def measure(folder: Path, sampled_by: int | None) -> Crashes:
    """Run both stories on SQLite and on PostgreSQL, the databases side by side."""
    halves = await asyncio.gather(on_sqlite(folder, sampled_by), on_postgres(folder, sampled_by))
    found = Crashes()
    for half in halves:
        found.add(half)
    return found


async def on_sqlite(folder: Path, sampled_by: int | None) -> Crashes:
    """Run both stories on SQLite; each point gets a copy of a migrated file."""
    from tests.fixtures.database import sqlite_copy

    made = itertools.count()

    async def copied() -> str:
        return await asyncio.to_thread(sqlite_copy, folder / f"bot-{next(made)}.db")

    return await _both("sqlite", folder, copied, sampled_by)


async def on_postgres(folder: Path, sampled_by: int | None) -> Crashes:
    """Run both stories on PostgreSQL; each point gets a copy of a migrated database."""
    import asyncpg

    from tests.fixtures.database import postgres_copy
    from tests.fixtures.postgres import postgres_server

    with postgres_server() as postgres:
        server, name = postgres_copy(postgres).rsplit("/", 1)
        mine, made = f"crash_{os.getpid()}", itertools.count()
        connection = await asyncpg.connect(f"{server}/postgres")

        async def cloned() -> str:
            number = next(made)
            if number:  # nobody asks the one before any more, and each takes eight megabytes
                await connection.execute(f"DROP DATABASE {mine}_{number - 1} WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE {mine}_{number} TEMPLATE {name}")
            return f"{server}/{mine}_{number}"

        try:
            return await _both("postgres", folder, cloned, sampled_by)
        finally:
            await connection.close()


async def _both(
    kind: str, folder: Path, fresh: Callable[[], Awaitable[str]], sampled_by: int | None
) -> Crashes:
    found = Crashes()
    async with zygote() as lives:
        for told in STORIES:
            found.add(await Matrix(kind, folder, fresh, lives, told).run(sampled_by))
    return found
