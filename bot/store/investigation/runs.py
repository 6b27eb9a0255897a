"""agent_runs: who answers which question, and whether the process that does is alive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Index, Row, Select, func, select, update
from sqlalchemy import text as sql

from bot.core.ports import Audit, StaleError
from bot.domain.answer import Answer
from bot.domain.audit import BOT, Event
from bot.domain.ids import RunId, Ts
from bot.domain.keyring import Keyring, Purpose
from bot.domain.place import Place
from bot.domain.question import Question, Voice
from bot.domain.run import AgentRun, Done, Failed, Merged, Queued, Running, Stopped
from bot.store.codec import decode, encode
from bot.store.row_seals import RowSeal
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session

RUNNING = sql("status = 'running'")
R = TypeVar("R", Queued, Running, Merged)


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
    asker_name: str | None = text_column()  # this and the next two: NULL before 0004
    locale: str | None = text_column()
    timezone: str | None = text_column()
    status: str = text_column()
    started_at: datetime = time_column(index=True)
    owner: str = text_column()
    heartbeat_at: datetime | None = time_column()
    stop_requested_at: datetime | None = time_column()
    stream_ts: str | None = text_column()
    answer: str | None = text_column()
    finding: str | None = text_column()
    model: str = text_column()
    merged_into: str | None = text_column()  # of a merged one; NULL before 0007
    mac: str | None = text_column()  # NULL: nothing proves it; so before `0010_more_seals`


T = table_of(RunRow)
SEALED = "id place channel thread_ts trigger question asked_by asker_name locale timezone"
STATED = "status started_at answer finding merged_into"
SEAL = RowSeal(T, Purpose.RUN, "id", (*SEALED.split(), *STATED.split()))
UNPROVED = "nothing proves that anybody asked it"
AGAIN = "it was answered before, and somebody put its row back"
ENDS = {"answer.given", "answer.stopped", "answer.failed"}  # kinds of audit rows
REFUSED = "run.refused"

STATUS: Mapping[type[AgentRun], str] = {
    Queued: "queued",
    Running: "running",
    Done: "done",
    Failed: "failed",
    Stopped: "stopped",
    Merged: "merged",
}


def _values(run: AgentRun) -> dict[str, Any]:
    """Return what a run writes: not where it shows, nor that it should stop."""
    question = run.question
    values: dict[str, Any] = {
        "id": run.id,
        "place": question.place.key(),
        "channel": question.place.channel,
        "thread_ts": question.place.thread_ts,
        "trigger": question.trigger,
        "question": question.text,
        "asked_by": question.asked_by,
        "asker_name": question.asker_name,
        "locale": question.voice.locale,
        "timezone": question.voice.timezone,
        "finding": question.finding,
        "status": STATUS[type(run)],
        "started_at": run.started_at,
        "owner": "",
        "model": "",
    }
    if not isinstance(run, Queued | Merged):
        values |= {"owner": run.owner, "model": run.model}
    if isinstance(run, Merged):
        values["merged_into"] = run.into
    if isinstance(run, Running):
        values["heartbeat_at"] = run.heartbeat_at
    if isinstance(run, Done):
        values["answer"] = encode(_without_payloads(run.answer))
    return values


def _without_payloads(answer: Answer) -> Answer:
    """The table of evidence has every payload already; a run's row keeps only what is shown."""
    return replace(answer, evidence=tuple(replace(e, payload=None) for e in answer.evidence))


def _run(row: Row[Any]) -> AgentRun:
    asked: dict[str, Any] = {
        "id": row.id, "question": _question(row), "started_at": row.started_at,
    }  # fmt: skip
    begun = {**asked, "owner": row.owner, "model": row.model, "stream_ts": row.stream_ts}
    match row.status:
        case "queued":
            return Queued(**asked)
        case "running":
            stop = row.stop_requested_at
            return Running(**begun, heartbeat_at=row.heartbeat_at, stop_requested_at=stop)
        case "done":
            return Done(**begun, answer=decode(Answer, row.answer))
        case "failed":
            return Failed(**begun)
        case "stopped":
            return Stopped(**begun)
        case "merged":
            return Merged(**asked, into=row.merged_into)
    raise ValueError(f"{row.id}: unknown status {row.status!r}; known: {sorted(STATUS.values())}")


def _question(row: Row[Any]) -> Question:
    voice = Voice()
    return Question(
        text=row.question,
        place=Place(row.channel, row.thread_ts),
        trigger=row.trigger,
        asked_by=row.asked_by,
        asker_name=row.asker_name or "",
        finding=row.finding,
        voice=Voice(row.locale or voice.locale, row.timezone or voice.timezone),
    )


class SqlRuns:
    """The port `Runs`."""

    def __init__(self, session: Session, keyring: Keyring, audit: Audit) -> None:
        self._session, self._keyring, self._audit = session, keyring, audit

    async def start(self, run: Running) -> bool:
        """Add a running run, or let a queued one run; False when the thread has one already."""
        values = await self._sealed(run)
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

    async def running_in(self, place: Place) -> Running | None:
        """Return the run that is at work in a thread."""
        query = select(T).where(T.c.place == place.key(), T.c.status == "running")
        return next(iter(await self._all(Running, query)), None)

    async def save(self, run: AgentRun) -> None:
        """Replace a run's row, but not where it shows nor that it should stop."""
        async with self._session.sole(f"another run is at work in {run.place.key()!r}"):
            await self._session.put(T, [await self._sealed(run)], ["id"])

    async def _sealed(self, run: AgentRun) -> dict[str, Any]:
        return await SEAL.resealed(self._session, self._keyring, _values(run))

    async def is_genuine(self, run_id: RunId) -> bool:
        """Say whether we wrote a run as it stands."""
        return await SEAL.is_genuine(self._session, self._keyring, run_id)

    async def heartbeat(self, run_id: RunId, at: datetime) -> None:
        """Note that a run's process is alive."""
        await self._session.run(update(T).where(T.c.id == run_id).values(heartbeat_at=at))

    async def shown_in(self, run_id: RunId, ts: Ts) -> None:
        """Note the message that a run shows in."""
        await self._session.run(update(T).where(T.c.id == run_id).values(stream_ts=ts))

    async def request_stop(self, run_id: RunId, at: datetime) -> bool:
        """Ask a run to stop; False when it is over already. The first asking counts."""
        going = update(T).where(T.c.id == run_id, T.c.status.in_(("queued", "running")))
        asked = going.values(stop_requested_at=func.coalesce(T.c.stop_requested_at, at))
        return await self._session.run(asked) == 1

    async def orphans(self, before: datetime) -> list[Running]:
        """Return running runs without a heartbeat since `before`, oldest first."""
        silent = select(T).where(T.c.status == "running", T.c.heartbeat_at < before)
        return await self._ours(Running, silent.order_by(T.c.started_at))

    async def take_over(self, run: Running, owner: str, at: datetime) -> bool:
        """Make a run ours if its heartbeat is still the one in `run` (compare-and-set)."""
        silent = T.c.heartbeat_at == run.heartbeat_at
        same = update(T).where(T.c.id == run.id, T.c.status == "running", silent)
        return await self._session.run(same.values(owner=owner, heartbeat_at=at)) == 1

    async def queued(self, place: Place | None = None, trigger: str = "") -> list[Queued]:
        """Return queued runs, oldest first, of one thread or of one trigger when named."""
        query = select(T).where(T.c.status == "queued").order_by(T.c.started_at, T.c.id)
        if place is not None:
            query = query.where(T.c.place == place.key())
        if trigger:
            query = query.where(T.c.trigger == trigger)
        return await self._ours(Queued, query)

    async def refuse_unproved(self, at: datetime) -> int:
        """End the runs that nobody asked for, on record; returns how many.

        A row that was inserted, or whose asker was exchanged, would read what its asker may.
        """
        open_rows = select(T).where(T.c.status.in_(("queued", "running"))).order_by(T.c.id)
        count = 0
        for row in await self._session.all(open_rows):
            if why := await self._fault(row):
                ended = update(T).where(T.c.id == row.id).values(status="failed", mac=None)
                await self._session.run(ended)
                facts = {"asked_by": row.asked_by or "", "place": row.place}
                await self._audit.append(Event(REFUSED, at, BOT, row.id, why, facts=facts))
                count += 1
        return count

    async def _fault(self, row: Row[Any]) -> str:
        """Say why a run must not be worked on; empty when it may."""
        if not SEAL.holds(self._keyring, row):
            return UNPROVED
        told = {event.kind for event in await self._audit.proved(row.id)}
        return AGAIN if told & ENDS else ""

    async def _ours(self, kind: type[R], query: Select[Any]) -> list[R]:
        rows = await self._session.all(query)
        runs = [_run(row) for row in rows if not await self._fault(row)]
        return [run for run in runs if isinstance(run, kind)]

    async def merged_into(self, run_id: RunId) -> list[Merged]:
        """Return the runs whose questions another run answers as well, oldest first."""
        query = select(T).where(T.c.merged_into == run_id, T.c.status == "merged")
        rows = await self._session.all(query.order_by(T.c.started_at, T.c.id))
        found = [_run(row) for row in rows if SEAL.holds(self._keyring, row)]
        return [run for run in found if isinstance(run, Merged)]

    async def _all(self, kind: type[R], query: Select[Any]) -> list[R]:
        runs = [_run(row) for row in await self._session.all(query)]
        return [run for run in runs if isinstance(run, kind)]
