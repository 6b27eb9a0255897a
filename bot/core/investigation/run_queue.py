"""Runs that wait for their turn: detections, queued questions, runs of a dead process.

every second: finding posted?  --> its detection run starts, in the finding's thread
              thread idle?     --> its queued questions are merged into one run
              heart stopped?   --> the run is taken over and begins again
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from bot.core.investigation.turn import ORPHANED_AFTER, AgentDesk, Question
from bot.core.ports import AgentRun, Clock, Reply, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.ids import ChannelId, RunId
from bot.domain.place import Place

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 4  # runs of one process; a question by a person is not counted here


@dataclass(frozen=True, slots=True)
class Voice:
    """How a channel is spoken to."""

    locale: str = "en"
    timezone: str = "UTC"


class RunQueue:
    """Starts waiting runs."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        desk: AgentDesk,
        owner: str,
        reply_for: Callable[[AgentRun], Reply],
        voice_of: Callable[[ChannelId], Voice],
        posts: bool = True,
    ) -> None:
        """`reply_for` gives where a run is answered: a thread, or a finding's post.

        With `posts` False (no Slack) a detection run waits for no post.
        """
        self._posts = posts
        self._store, self._clock, self._desk = store, clock, desk
        self._owner, self._reply_for, self._voice_of = owner, reply_for, voice_of
        self._tasks: KeyedTasks[RunId] = KeyedTasks("run")

    async def tick(self) -> None:
        """Start what can start; returns without waiting for the runs."""
        await self._orphans()
        await self._detections()
        await self._queued()

    async def drain(self) -> None:
        """Cancel what runs; its rows stay, and the next start takes them over."""
        await self._tasks.drain()

    async def idle(self) -> None:
        """Wait until no run of this queue is at work."""
        await self._tasks.idle()

    async def _orphans(self) -> None:
        before = self._clock.wall() - ORPHANED_AFTER
        async with self._store.begin() as tx:
            orphans = [r for r in await tx.runs.orphans(before) if r.id not in self._tasks]
            taken = [
                r for r in orphans if await tx.runs.take_over(r, self._owner, self._clock.wall())
            ]
        for run in taken:
            log.info("run.taken_over", run_id=run.id, previous_owner=run.owner)
            self._tasks.spawn(run.id, self._carry(replace(run, owner=self._owner)))

    async def _detections(self) -> None:
        async with self._store.begin() as tx:
            waiting = await tx.runs.queued(trigger="detection")
        for run in waiting[: max(0, MOST_AT_ONCE - len(self._tasks))]:
            place = await self._thread_of(run)
            if place is not None:
                await self._start(replace(run, place=place))

    async def _thread_of(self, run: AgentRun) -> Place | None:
        """Return the finding's thread once it is posted; a bot without Slack needs none."""
        if not self._posts:
            return run.place
        async with self._store.begin() as tx:
            row = await tx.outbox.find(f"finding:{run.finding}")
        if row is None:
            return run.place
        return Place(row.channel, row.ts) if row.ts is not None else None

    async def _queued(self) -> None:
        async with self._store.begin() as tx:
            waiting = [r for r in await tx.runs.queued() if r.trigger != "detection"]
        threads: dict[str, list[AgentRun]] = {}
        for run in waiting:
            threads.setdefault(run.place.key(), []).append(run)
        for runs in threads.values():
            async with self._store.begin() as tx:
                busy = await tx.runs.running_in(runs[0].place) is not None
            if not busy:
                await self._start_merged(runs)

    async def _start_merged(self, runs: list[AgentRun]) -> None:
        """Answer the questions that came while a run was at work as one."""
        first, rest = runs[0], runs[1:]
        merged = replace(first, question="\n".join(r.question for r in runs))
        async with self._store.begin() as tx:
            for run in rest:
                await tx.runs.save(replace(run, status="merged"))
        await self._start(merged)

    async def _start(self, run: AgentRun) -> None:
        started = replace(run, status="running", owner=self._owner, heartbeat_at=self._clock.wall())
        async with self._store.begin() as tx:
            if await tx.runs.running_in(run.place) is not None:
                return
            await tx.runs.save(started)
        self._tasks.spawn(started.id, self._carry(started))

    async def _carry(self, run: AgentRun) -> None:
        voice = self._voice_of(run.place.channel)
        question = Question(
            text=run.question,
            place=run.place,
            trigger=run.trigger,
            asked_by=run.asked_by,
            finding=run.finding,
            locale=voice.locale,
            timezone=voice.timezone,
        )
        try:
            await self._desk.answer(run, question, self._reply_for(run))
        except Exception:  # a background run's outer boundary: the desk told its row and thread
            log.exception("run.failed", run_id=run.id)
