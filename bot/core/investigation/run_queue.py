"""Runs that wait for their turn: detections, queued questions, runs of a dead process.

every second: finding posted?  --> its detection run starts, in the finding's thread
              thread idle?     --> its queued questions are merged into one run
              heart stopped?   --> the run is taken over and begins again
every half minute: answered, and nothing followed? --> its conclusion is written, its plan proposed
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from bot.core.investigation.desk import ORPHANED_AFTER, AgentDesk
from bot.core.investigation.unshown_answers import unfollowed
from bot.core.ports import Clock, Reply, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain import question as questions
from bot.domain import run as runs
from bot.domain.ids import RunId
from bot.domain.place import Place
from bot.domain.run import Done, Queued, Running

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 4  # runs of one process; a question by a person is not counted here


class RunQueue:
    """Starts waiting runs."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        desk: AgentDesk,
        reply_for: Callable[[Running], Reply],
        follow_up: Callable[[Done], Awaitable[object]],
        posts: bool = True,
    ) -> None:
        """`reply_for` gives where a run is answered: a thread, or a finding's post.

        `follow_up` does for a finding's run what should have followed from its answer.

        With `posts` False (no Slack) a detection run waits for no post.
        """
        self._posts = posts
        self._store, self._clock, self._desk = store, clock, desk
        self._reply_for, self._follow_up = reply_for, follow_up
        self._tasks: KeyedTasks[RunId] = KeyedTasks("run")
        self._looked_at: datetime | None = None  # wall time of the last look for what is left over
        self._left: frozenset[RunId] = frozenset()  # what was left over then

    async def tick(self) -> None:
        """Start what can start; returns without waiting for the runs."""
        async with self._store.begin() as tx:
            await tx.runs.refuse_unproved(self._clock.now())
        await self._orphans()
        await self._detections()
        await self._queued()
        await self._left_over()

    async def drain(self) -> None:
        """Cancel what runs; its rows stay, and the next start takes them over."""
        await self._tasks.drain()

    async def idle(self) -> None:
        """Wait until no run of this queue is at work."""
        await self._tasks.idle()

    async def _orphans(self) -> None:
        owner, before = self._desk.owner, self._clock.wall() - ORPHANED_AFTER
        async with self._store.begin() as tx:
            orphans = [r for r in await tx.runs.orphans(before) if r.id not in self._tasks]
            taken = [r for r in orphans if await tx.runs.take_over(r, owner, self._clock.wall())]
        for run in taken:
            log.info("run.taken_over", run_id=run.id, previous_owner=run.owner)
            self._tasks.spawn(run.id, self._carry(replace(run, owner=owner)))

    async def _detections(self) -> None:
        async with self._store.begin() as tx:
            waiting = await tx.runs.queued(trigger="detection")
        for run in waiting[: max(0, MOST_AT_ONCE - len(self._tasks))]:
            place = await self._thread_of(run)
            if place is not None:
                await self._start([replace(run, question=replace(run.question, place=place))])

    async def _thread_of(self, run: Queued) -> Place | None:
        """Return the finding's thread once it is posted; a bot without Slack needs none."""
        if not self._posts:
            return run.place
        async with self._store.begin() as tx:
            row = await tx.outbox.find(f"finding:{run.finding}")
        if row is None:
            return run.place
        return Place(row.channel, row.ts) if row.ts is not None else None

    async def _left_over(self) -> None:
        """Do what should have followed from an answer, when nobody has for half a minute."""
        now = self._clock.wall()
        if self._looked_at is not None and now - self._looked_at < ORPHANED_AFTER:
            return
        self._looked_at = now
        found = [r for r in await unfollowed(self._store, self._clock) if r.id not in self._tasks]
        for run in found:
            if run.id in self._left:
                log.info("run.followed_up", run_id=run.id, previous_owner=run.owner)
                self._tasks.spawn(run.id, self._follow(run))
        self._left = frozenset(run.id for run in found)

    async def _follow(self, run: Done) -> None:
        try:
            await self._follow_up(run)
        except Exception:  # a background run's outer boundary: looked for again
            log.exception("run.follow_up_failed", run_id=run.id)

    async def _queued(self) -> None:
        async with self._store.begin() as tx:
            waiting = await tx.runs.queued()
        threads: dict[str, list[Queued]] = {}
        for run in waiting:
            if run.question.trigger != "detection":
                threads.setdefault(run.place.key(), []).append(run)
        for together in threads.values():
            await self._start(together)

    async def _start(self, together: Sequence[Queued]) -> None:
        """Answer what was asked in an idle thread while a run was at work, as one question."""
        first, rest = together[0], together[1:]
        question = questions.merge([each.question for each in together])
        run = self._desk.start(replace(first, question=question))
        async with self._store.begin() as tx:
            if await tx.runs.running_in(run.place) is not None:
                return
            await tx.runs.save(run)
            for each in rest:
                await tx.runs.save(runs.merge(each, run.id))
        self._tasks.spawn(run.id, self._carry(run))

    async def _carry(self, run: Running) -> None:
        try:
            await self._desk.answer(run, self._reply_for(run))
        except Exception:  # a background run's outer boundary: the desk told its row and thread
            log.exception("run.failed", run_id=run.id)
