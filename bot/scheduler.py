"""Time in, core out: what runs when, and on which replica.

    one-second wall tick (APScheduler) ──> run_due ──> Job.run(slot), each in a task of its own
                                             ├ due?     interval, or cron on the world's clock
                                             ├ leader?  a lease, renewed every few seconds
                                             └ running? then this time is skipped

APScheduler reads the system clock itself, so it only ticks; what is due is judged by *our* clock.
Tests move that clock and call `run_due` themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal

import structlog

from bot.core.ports import Clock, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from foundation.cron import Cron
from tools.errors import BackendError

log = structlog.get_logger(__name__)

LEASE = "leader"
LEASE_TTL = timedelta(seconds=15)  # wall time; a dead leader is followed after this
RENEW_EVERY = timedelta(seconds=4)
TOLD_FROM = timedelta(seconds=30)  # an interval whose overrun is worth a line in the log
DRAIN = timedelta(seconds=20)  # how long running jobs may take to end at shutdown

TimeLine = Literal["world", "wall"]


class ScheduleError(ValueError):
    """Jobs that cannot run beside each other; the message names them."""


@dataclass(frozen=True, slots=True)
class Every:
    """An interval, first due at once. `on` names the clock it is counted on.

    With `jitter` each time comes up to so much later, so that many bots that began together, or
    several jobs, do not ask the same servers in the same second for ever.
    """

    interval: timedelta
    on: TimeLine = "world"
    jitter: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Job:
    """One thing done again and again. `run` is given the slot it is due for."""

    name: str
    when: Every | Cron
    run: Callable[[datetime], Awaitable[object]]
    leader_only: bool = True


@dataclass(slots=True)
class JobState:
    """How a job is doing."""

    job: Job
    seen: datetime | None = None  # the last slot that was started
    runs: int = 0
    skipped: int = 0  # times that passed while it was still running
    error: str = ""  # why the last run failed; empty when it went well


@dataclass(slots=True)
class Leadership:
    """This process's hold on the leader lease, in wall time."""

    until: datetime | None = None
    renewed: datetime | None = None


@dataclass(slots=True)
class Scheduler:
    """Starts jobs when they are due."""

    jobs: Sequence[Job]
    clock: Clock
    store: Store
    owner: str
    on_failure: Callable[[str, Exception], None] | None = None  # e.g. to count it
    _states: dict[str, JobState] = field(default_factory=dict)
    _running: KeyedTasks[str] = field(default_factory=lambda: KeyedTasks("job"))
    _lead: Leadership = field(default_factory=Leadership)
    _ticker: Any = None
    _stopping: bool = False

    def __post_init__(self) -> None:
        """Refuse two jobs of one name."""
        for job in self.jobs:
            if job.name in self._states:
                raise ScheduleError(f"two jobs are called {job.name!r}")
            self._states[job.name] = JobState(job)

    @property
    def leading(self) -> bool:
        """Whether this process holds the lease now."""
        return self._lead.until is not None and self.clock.wall() < self._lead.until

    @property
    def states(self) -> dict[str, JobState]:
        """Every job by name."""
        return dict(self._states)

    def start(self) -> None:
        """Begin to tick, once a second of wall time."""
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        self._ticker = AsyncIOScheduler(timezone="UTC")
        self._ticker.add_job(
            self.run_due, "interval", seconds=1, coalesce=True, max_instances=1,
            misfire_grace_time=300,
        )  # fmt: skip
        self._ticker.start()

    async def stop(self, timeout: timedelta = DRAIN) -> None:
        """Stop ticking, let running jobs end, give the lease back."""
        self._stopping = True
        if self._ticker is not None:
            self._ticker.shutdown(wait=False)
            self._ticker = None
        await self._running.drain(timeout)
        if self._lead.until is not None:
            self._lead = Leadership()
            try:
                async with self.store.begin() as tx:
                    await tx.leases.release(LEASE, self.owner)
            except BackendError as error:
                log.warning("leader.release_failed", why=str(error))

    async def run_due(self) -> tuple[str, ...]:
        """Start every job that is due, and return their names without waiting for them."""
        if self._stopping:
            return ()
        await self._renew()
        started = []
        for state in self._states.values():
            if state.job.leader_only and not self.leading:
                continue
            slot = self._due(state)
            if slot is None:
                continue
            if state.job.name in self._running:
                continue
            self._count_skipped(state, slot)
            state.seen = slot
            self._running.spawn(state.job.name, self._carry(state, slot))
            started.append(state.job.name)
        return tuple(started)

    async def idle(self) -> None:
        """Wait until no job runs."""
        await self._running.idle()

    def _due(self, state: JobState) -> datetime | None:
        when = state.job.when
        if isinstance(when, Every):
            now = self.clock.now() if when.on == "world" else self.clock.wall()
            if state.seen is None:
                return now
            # Drawn once for each time, whenever it is looked at; another bot draws another.
            chance = Random(f"{self.owner} {state.job.name} {state.runs}").random()  # noqa: S311
            late = when.jitter * chance
            return now if now - state.seen >= when.interval + late else None
        now = self.clock.now()
        earliest = now - when.catch_up
        return when.latest(max(state.seen or earliest, earliest), now)

    def _count_skipped(self, state: JobState, slot: datetime) -> None:
        """Count the times of an interval that passed while the job ran: none is made up for."""
        when = state.job.when
        if state.seen is None or not isinstance(when, Every):
            return
        missed = max(0, (slot - state.seen) // when.interval - 1)
        state.skipped += missed
        if missed and when.interval >= TOLD_FROM:
            log.warning("job.overran", job=state.job.name, skipped=missed)

    async def _renew(self) -> None:
        """Take or renew the lease; an unreachable store leaves the rest of the lease in force."""
        wall = self.clock.wall()
        if self._lead.renewed is not None and wall - self._lead.renewed < RENEW_EVERY:
            return
        was = self.leading
        self._lead.renewed = wall
        try:
            async with self.store.begin() as tx:
                ours = await tx.leases.acquire(LEASE, self.owner, wall, LEASE_TTL)
        except BackendError as error:
            log.warning("leader.renewal_failed", why=str(error))
            return
        self._lead.until = wall + LEASE_TTL if ours else None
        if self.leading != was:
            log.info("leader.taken" if ours else "leader.lost", owner=self.owner)

    async def _carry(self, state: JobState, slot: datetime) -> None:
        try:
            await state.job.run(slot)
        except Exception as error:  # noqa: BLE001 - a job's outer boundary: told and counted below
            self._failed(state, error)
        else:
            if state.error:
                log.info("job.recovered", job=state.job.name)
            state.error = ""
        finally:
            state.runs += 1

    def _failed(self, state: JobState, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, BackendError):
            # A dead backend is told once, without a stack: the next tick tries again.
            if text != state.error:
                log.warning("job.failed", job=state.job.name, error=text)
        else:
            log.error("job.failed", job=state.job.name, error=text, exc_info=error)
        state.error = text
        if self.on_failure is not None:
            self.on_failure(state.job.name, error)
