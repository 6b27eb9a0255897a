"""A bot killed around its commits and its changing requests, in a plan of every action there is.

    story ─> [a life without a kill tells how many marks there are] ─> kills at marks
    a kill: fresh database and platform ─> life, killed ─> next life goes on ─> judge

Each story (`tests.safety.crash_stories`) is told twice: `undone`, where the plan does not help and
is taken back, and `done`, where it helps. The whole kills before and after every changing request
and every commit that wrote something, on SQLite and on PostgreSQL. A sample draws for each story
whether it helps and which database it is told on, and kills at one request and at one commit.

The judge asks the imitated platform, not the bot: which requests took effect, and how its objects
stand. A point is resolved when the plan is done, undone or handed to a person, no effect of its
story happened more often than once, an undone plan left every object as it was, and the audit
chain verifies.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import pickle
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.domain.keyring import Keyring
from bot.domain.plans.plan import PlanStatus
from bot.store.store import open_store
from sandbox.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.server import start_kubernetes
from sandbox.world.faults import FaultLog
from tests.fixtures import loopback
from tests.patience import PATIENCE
from tests.safety.crash_stories import NODE, STORIES, Story, effect_of, stored
from tests.safety.life import AUDIT_KEY, START
from tools.kubernetes_objects import STEP_ANNOTATION

HOST = "127.0.0.1"
DATABASES = ("sqlite", "postgres")
TOLD = frozenset({PlanStatus.OUTCOME_UNKNOWN, PlanStatus.HALTED, PlanStatus.UNVERIFIED})
ENDS = TOLD | {PlanStatus.SUCCEEDED, PlanStatus.ROLLED_BACK}
TELLINGS = tuple(itertools.product(STORIES, (False, True)))  # a story, and whether its plan helps
FORWARD, BACK = "forward", "back"
SURE_COMMITS = 8  # every life writes that often, however short its story is
Json = dict[str, Any]


@dataclass(slots=True)
class Crashes:
    """What the kills came to."""

    points: int = 0
    possible: int = 0  # points that the whole would try; 0 when nobody counted
    doubled: int = 0
    unresolved: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    stories: set[str] = field(default_factory=set)  # in which a bot was killed

    def add(self, other: Crashes) -> None:
        """Add what another database came to."""
        self.points += other.points
        self.possible += other.possible
        self.doubled += other.doubled
        self.unresolved += other.unresolved
        self.ends += other.ends
        self.stories |= other.stories


@dataclass(frozen=True, slots=True)
class Point:
    """One instant at which a life can be killed."""

    kind: str  # of marks: commit | request
    at: int  # the n-th of them
    when: str  # before | after

    def __str__(self) -> str:
        return f"{self.when} {self.kind} {self.at}"


ALIVE = Point("", 0, "before")  # nobody is killed


@dataclass(slots=True)
class Platform:
    """What one story happens to: an imitated cluster and a service with a flag."""

    cluster: Cluster
    effects: list[tuple[str, str]] = field(default_factory=list)  # (direction, effect)
    flag: str = "on"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Be the service: it knows no keys, so that a call that comes twice is two effects."""
        if request.method != "GET":
            self.flag = str(json.loads(await request.read())["state"])
            back = "/undo/" in request.headers.get("Idempotency-Key", "")
            self.effects.append((BACK if back else FORWARD, f"{request.method} {request.path}"))
        return web.json_response({"state": self.flag})

    def standing(self, story: Story) -> Json:
        """Return what the story's objects are asked to be."""
        found: Json = {"flag": self.flag}
        for (kind, space, name), paths in (story.stands or {}).items():
            item = self.cluster.store.peek(stored(kind), space, name) or {}
            for path in paths:
                value: Any = item
                for part in path.split("."):
                    value = (value or {}).get(part)
                found[f"{kind}/{name} {path}"] = value or None  # false is absent
        return json.loads(json.dumps(found))  # type: ignore[no-any-return]

    def leaving(self) -> int:
        """Return how many pods a drain of the node has to evict."""
        pods = self.cluster.store.every(stored("Pod"), "")
        return sum(
            pod["spec"].get("nodeName") == NODE
            and all(o["kind"] != "DaemonSet" for o in pod["metadata"].get("ownerReferences") or ())
            for pod in pods
        )


class NotedEffects(list[Json]):
    """The server's list of effects; each is noted with its direction, which the object tells."""

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self._platform = platform

    def append(self, row: Json) -> None:
        """Note an effect."""
        super().append(row)
        kinds = {"deployments": "Deployment", "horizontalpodautoscalers": "HorizontalPodAutoscaler"}
        kinds |= {"nodes": "Node", "configmaps": "ConfigMap", "clusters": "Cluster"}
        kind = kinds.get(row["resource"].partition(".")[0], "")
        item: Json = {}
        if kind:
            store = self._platform.cluster.store
            item = store.peek(stored(kind), row["namespace"], row["name"]) or {}
        key = str((item.get("metadata", {}).get("annotations") or {}).get(STEP_ANNOTATION, ""))
        direction = BACK if "/undo/" in key else FORWARD
        self._platform.effects.append((direction, effect_of(row)))


class StoryClock(ManualClock):
    """The platform's time: the bot's, which its lives keep in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__(START.timestamp())
        self._file = file

    def now(self) -> float:
        """World time."""
        text = self._file.read_text() if self._file.exists() else ""
        return START.timestamp() + float(text or 0.0)


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


@dataclass(slots=True)
class Matrix:
    """Kills on one kind of database. `fresh` gives an empty, migrated one."""

    kind: str
    folder: Path
    fresh: Callable[[], Awaitable[str]]
    lives: Zygote
    found: Crashes = field(default_factory=Crashes)
    _number: int = 0
    _clusters: dict[str, bytes] = field(default_factory=dict)  # as stories begin: copying is cheap

    async def whole(self) -> None:
        """Kill at every point of every story."""
        for story, helps in TELLINGS:
            for point in await self.points(story, helps=helps):
                await self.tell(story, point, helps=helps)

    async def count(self) -> None:
        """Find out how many points the whole would kill at."""
        for story, helps in TELLINGS:
            await self.points(story, helps=helps)

    async def points(self, story: Story, *, helps: bool) -> list[Point]:
        """Return every point of a life that nobody kills."""
        marks = await self.tell(story, ALIVE, helps=helps)
        counts = Counter(mark.partition(" ")[0] for mark in marks)
        found = [
            Point(kind, at, when)
            for kind, count in sorted(counts.items())
            for at, when in itertools.product(range(1, count + 1), ("before", "after"))
        ]
        self.found.possible += len(found)
        return found

    async def sample(self, by: int) -> None:
        """Kill at a request and at a commit of each story that the draw tells on this database."""
        for number, story in enumerate(STORIES):
            chance = random.Random(f"{by} {story.name}")
            if DATABASES[(by + number) % 2] != self.kind:
                continue
            helps = chance.random() < 0.5
            requests = len(story.forward) + (0 if helps else len(story.back))
            for kind, most in (("request", requests), ("commit", SURE_COMMITS)):
                when = chance.choice(("before", "after"))
                point = Point(kind, chance.randint(1, most), when)
                await self.tell(story, point, helps=helps)

    async def tell(self, story: Story, point: Point, *, helps: bool) -> list[str]:
        """Kill one life at a point, let the next one go on, judge; returns the first one's marks.

        A life that is not killed is judged as well.
        """
        self._number += 1
        folder = self.folder / f"{self.kind}-{self._number}"
        folder.mkdir(parents=True)
        clock = StoryClock(folder / "clock")
        platform = Platform(self._cluster(story))
        platform.cluster.effects = NotedEffects(platform)
        before, pods = platform.standing(story), platform.leaving() if story.many else 1
        database = await self.fresh()
        server = await start_kubernetes(
            HOST, 0, cluster=platform.cluster, clock=clock, state_dir=folder
        )
        try:
            async with loopback.serving(platform.answer) as http:
                job: Json = {
                    "story": story.name, "helps": helps, "database": database,
                    "kubeconfig": str(server.actor_kubeconfig), "clock": str(folder / "clock"),
                    "http": http.replace(HOST, "localhost"),
                }  # fmt: skip
                wrong = await self._lived(folder, job, point)
        finally:
            await server.close()
        wrong += await self._judge(database, platform, story, before, pods)
        name = f"{self.kind}, {story.name}, {'done' if helps else 'undone'}: {point}"
        if wrong:
            self.found.unresolved.append(f"{name}: {'; '.join(wrong)}")
        marks = (folder / "marks-1").read_text().splitlines()
        shutil.rmtree(folder)
        return marks

    async def _lived(self, folder: Path, job: Json, point: Point) -> list[str]:
        """Live as often as the story needs; returns what was wrong with the lives' ends."""
        first = {"marks": str(folder / "marks-1"), "forked": point is not ALIVE}
        asked = {"kind": point.kind, "kill_at": point.at, "when": point.when}
        status = await self.lives.live(**job, **first, **asked)
        if point is ALIVE:
            return [] if status == 0 else [f"a life without a kill ended with {status}"]
        self.found.points += 1
        self.found.stories.add(str(job["story"]))
        after = await self.lives.live(**job, marks=str(folder / "marks-2"))
        wrong = [] if status == -9 else [f"the life ended with {status}, not by the kill"]
        return wrong + ([] if after == 0 else [f"the next life ended with {after}"])

    def _cluster(self, story: Story) -> Cluster:
        if story.name not in self._clusters:
            faults = FaultLog(self.folder / f"faults-{self.kind}-{story.name}.json")
            made = Cluster(faults, START.timestamp())
            story.before(made)
            self._clusters[story.name] = pickle.dumps(made)
        fresh: Cluster = pickle.loads(self._clusters[story.name])  # noqa: S301 - we wrote it
        return fresh

    async def _judge(
        self, database: str, platform: Platform, story: Story, before: Json, pods: int
    ) -> list[str]:
        """Say what is wrong with the world after the last life."""
        wrong = list(self._too_often(platform, story, pods))
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
        if status not in (ENDS if story.back else ENDS | {PlanStatus.FAILED}):
            wrong.append(f"the plan is {status.value}: {plans[0].outcome}")
        forward = {each for direction, each in platform.effects if direction == FORWARD}
        if status is PlanStatus.SUCCEEDED and forward != set(story.forward):
            wrong.append(f"it is told as done, but only {sorted(forward)} took effect")
        if status is PlanStatus.ROLLED_BACK and platform.standing(story) != before:
            wrong.append(f"it is told as undone, but {platform.standing(story)} was {before}")
        return wrong

    def _too_often(self, platform: Platform, story: Story, pods: int) -> Iterator[str]:
        """Yield what took effect more often than the story says."""
        allowed = Counter((FORWARD, each) for each in story.forward)
        allowed += Counter((BACK, each) for each in story.back)
        allowed[FORWARD, "create pods/eviction"] *= pods
        rows = Counter(platform.effects)
        if story.unmarked:  # nothing says which way it was: both ways together may be no more
            allowed, rows = _undirected(allowed), _undirected(rows)
        for row, count in (rows - allowed).items():
            self.found.doubled += count
            yield f"{row[1]} ({row[0]}) took effect {count} times more than once"


def _undirected(rows: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for (_, effect), count in rows.items():
        found["either way", effect] += count
    return found


async def measure(folder: Path, sampled_by: int | None) -> Crashes:
    """Tell the stories on both databases, side by side, and count what could be tried."""
    halves = await asyncio.gather(
        on_sqlite(folder, sampled_by, counted=True), on_postgres(folder, sampled_by, counted=True)
    )
    found = Crashes()
    for half in halves:
        found.add(half)
    return found


async def on_sqlite(folder: Path, sampled_by: int | None, *, counted: bool = False) -> Crashes:
    """Kill on SQLite; each life begins with a copy of a migrated file."""
    from tests.fixtures.database import sqlite_copy

    made = itertools.count()

    async def copied() -> str:
        return await asyncio.to_thread(sqlite_copy, folder / f"bot-{next(made)}.db")

    return await _told("sqlite", folder, copied, sampled_by, counted=counted)


async def on_postgres(folder: Path, sampled_by: int | None, *, counted: bool = False) -> Crashes:
    """Kill on PostgreSQL; each life begins with a copy of a migrated database."""
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
            return await _told("postgres", folder, cloned, sampled_by, counted=counted)
        finally:
            await connection.close()


async def _told(
    kind: str,
    folder: Path,
    fresh: Callable[[], Awaitable[str]],
    sampled_by: int | None,
    *,
    counted: bool,
) -> Crashes:
    async with zygote() as lives:
        matrix = Matrix(kind, folder, fresh, lives)
        if sampled_by is None:
            await matrix.whole()
        else:
            if counted:
                await matrix.count()
            await matrix.sample(sampled_by)
        return matrix.found
