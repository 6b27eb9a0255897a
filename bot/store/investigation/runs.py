"""agent_runs: who answers which question, and whether the process that does is alive."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Row, func, select, update
from sqlalchemy import text as sql

from bot.core.ports import AgentRun, StaleError
from bot.domain.ids import RunId
from bot.domain.place import Place
from bot.store.codec import from_json, to_json
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session

RUNNING = sql("status = 'running'")


class RunRow(Base, table=True):
    """One agent run. The unique index admits one running run per place."""

    __tablename__ = "agent_runs"
    __table_args__ = (
        Index(
            "ux_agent_runs_running",
            "place",
            unique=True,
            sqlite_where=RUNNING,
            postgresql_where=RUNNING,
        ),
    )
    id: str = text_column(primary_key=True)
    place: str = text_column()
    channel: str = text_column()
    thread_ts: str | None = text_column()
    trigger: str = text_column()
    question: str = text_column()
    asked_by: str | None = text_column()
    status: str = text_column()
    started_at: datetime = time_column(index=True)
    owner: str = text_column()
    heartbeat_at: datetime | None = time_column()
    stop_requested_at: datetime | None = time_column()
    stream_ts: str | None = text_column()
    answer: str | None = text_column()
    finding: str | None = text_column()
    model: str = text_column()


T = table_of(RunRow)


def _values(run: AgentRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "place": run.place.key(),
        "channel": run.place.channel,
        "thread_ts": run.place.thread_ts,
        "trigger": run.trigger,
        "question": run.question,
        "asked_by": run.asked_by,
        "status": run.status,
        "started_at": run.started_at,
        "owner": run.owner,
        "heartbeat_at": run.heartbeat_at,
        "stop_requested_at": run.stop_requested_at,
        "stream_ts": run.stream_ts,
        "answer": None if run.answer is None else to_json(run.answer),
        "finding": run.finding,
        "model": run.model,
    }


def _run(row: Row[Any]) -> AgentRun:
    return AgentRun(
        id=row.id,
        place=Place(row.channel, row.thread_ts),
        trigger=row.trigger,
        question=row.question,
        asked_by=row.asked_by,
        status=row.status,
        started_at=row.started_at,
        owner=row.owner,
        heartbeat_at=row.heartbeat_at,
        stop_requested_at=row.stop_requested_at,
        stream_ts=row.stream_ts,
        answer=None if row.answer is None else from_json(row.answer),
        finding=row.finding,
        model=row.model,
    )


class SqlRuns:
    """The port `Runs`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def start(self, run: AgentRun) -> bool:
        """Add a running run, or let a queued one run; False when the thread has one already."""
        if run.status != "running":
            raise ValueError(f"{run.id} starts as 'running', got status {run.status!r}")
        values = _values(run)
        insert = self._session.insert(T).values(**values)
        queued = insert.on_conflict_do_update(
            index_elements=["id"], set_=values, where=T.c.status == "queued"
        )
        try:
            async with self._session.sole(f"another run is at work in {run.place.key()!r}"):
                started = await self._session.value(queued.returning(T.c.id))
        except StaleError:
            return False
        if started is None:
            raise StaleError(f"there is a run {run.id!r} already; mint another id")
        return True

    async def get(self, run_id: RunId) -> AgentRun:
        """Return a run."""
        ids = select(T.c.id).order_by(T.c.started_at.desc())
        return _run(await self._session.get(select(T).where(T.c.id == run_id), "run", run_id, ids))

    async def running_in(self, place: Place) -> AgentRun | None:
        """Return the run that is at work in a thread."""
        query = select(T).where(T.c.place == place.key(), T.c.status == "running")
        row = await self._session.first(query)
        return None if row is None else _run(row)

    async def save(self, run: AgentRun) -> None:
        """Replace a run's row; a stop that was asked for meanwhile stays asked for."""
        stop = func.coalesce(T.c.stop_requested_at, run.stop_requested_at)
        async with self._session.sole(f"another run is at work in {run.place.key()!r}"):
            await self._session.put(T, [_values(run)], ["id"], keep={"stop_requested_at": stop})

    async def heartbeat(self, run_id: RunId, at: datetime) -> AgentRun:
        """Renew and return the run: a stop may have been asked for."""
        await self._session.run(update(T).where(T.c.id == run_id).values(heartbeat_at=at))
        return await self.get(run_id)

    async def request_stop(self, run_id: RunId, at: datetime) -> bool:
        """Ask a run to stop; False when it is over already. The first asking counts."""
        going = update(T).where(T.c.id == run_id, T.c.status.in_(("queued", "running")))
        asked = going.values(stop_requested_at=func.coalesce(T.c.stop_requested_at, at))
        return await self._session.run(asked) == 1

    async def orphans(self, before: datetime) -> list[AgentRun]:
        """Return running runs without a heartbeat since `before`, oldest first."""
        sign_of_life = func.coalesce(T.c.heartbeat_at, T.c.started_at)
        query = select(T).where(T.c.status == "running", sign_of_life < before)
        return [_run(row) for row in await self._session.all(query.order_by(T.c.started_at))]

    async def take_over(self, run: AgentRun, owner: str, at: datetime) -> bool:
        """Make a run ours if its heartbeat is still the one in `run` (compare-and-set)."""
        silent = T.c.heartbeat_at.is_not_distinct_from(run.heartbeat_at)
        same = update(T).where(T.c.id == run.id, T.c.status == "running", silent)
        return await self._session.run(same.values(owner=owner, heartbeat_at=at)) == 1

    async def queued(self, place: Place | None = None, trigger: str = "") -> list[AgentRun]:
        """Return queued runs, oldest first, of one thread or of one trigger when named."""
        query = select(T).where(T.c.status == "queued").order_by(T.c.started_at, T.c.id)
        if place is not None:
            query = query.where(T.c.place == place.key())
        if trigger:
            query = query.where(T.c.trigger == trigger)
        return [_run(row) for row in await self._session.all(query)]
