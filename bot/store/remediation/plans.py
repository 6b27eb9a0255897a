"""plans, approvals and plan_steps.

The body of a plan is written once and never again: what people said yes to is what is read
when it runs. Every move is a compare-and-set on `version`; the approval moves with its plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update
from sqlmodel import Field

from bot.core.ports import PlanRecord, StaleError
from bot.domain.approval import Approval, Approved, Expired, Pending, Rejected, Withdrawn
from bot.domain.ids import FindingId, PlanId
from bot.domain.plan import Plan, PlanStatus, StepPhase, StepRun
from bot.store.codec import decode, decode_state, encode, encode_state
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session

APPROVALS: tuple[type[Approval], ...] = (Pending, Approved, Rejected, Expired, Withdrawn)


class PlanRow(Base, table=True):
    """One plan and where it is in its life."""

    __tablename__ = "plans"
    id: str = text_column(primary_key=True)
    status: str = text_column(index=True)
    service: str = text_column(index=True)
    finding: str | None = text_column(index=True)
    channel: str = text_column()
    digest: str = text_column()
    created_at: datetime = time_column(index=True)
    expires_at: datetime = time_column()
    version: int
    halted: bool
    ended_at: datetime | None = time_column()
    outcome: str = text_column()
    verify_until: datetime | None = time_column()
    owner: str = text_column()
    heartbeat_at: datetime | None = time_column()
    body: str = text_column()


class ApprovalRow(Base, table=True):
    """The approval of one plan; `state` names the class whose facts are in `body`."""

    __tablename__ = "approvals"
    plan_id: str = text_column(primary_key=True, foreign_key="plans.id")
    state: str = text_column(index=True)
    body: str = text_column()


class StepRow(Base, table=True):
    """One attempt at one step, forward or undo."""

    __tablename__ = "plan_steps"
    plan_id: str = text_column(primary_key=True, foreign_key="plans.id")
    undo: bool = Field(primary_key=True)
    index: int = Field(primary_key=True)
    target: str = text_column(index=True)
    phase: str = text_column()
    key: str = text_column(unique=True)
    intent_at: datetime | None = time_column()
    sent_at: datetime | None = time_column()
    ended_at: datetime | None = time_column()
    note: str = text_column()


T = table_of(PlanRow)
A = table_of(ApprovalRow)
S = table_of(StepRow)


def _moving(record: PlanRecord) -> dict[str, Any]:
    """Return the columns that a move may change."""
    return {
        "status": record.status.value,
        "halted": record.halted,
        "ended_at": record.ended_at,
        "outcome": record.outcome,
        "verify_until": record.verify_until,
        "owner": record.owner,
        "heartbeat_at": record.heartbeat_at,
    }


def _record(row: Row[Any]) -> PlanRecord:
    return PlanRecord(
        plan=decode(Plan, row.body),
        status=PlanStatus(row.status),
        approval=decode_state(APPROVALS, row.approval_state, row.approval_body),
        version=row.version,
        halted=row.halted,
        ended_at=row.ended_at,
        outcome=row.outcome,
        verify_until=row.verify_until,
        owner=row.owner,
        heartbeat_at=row.heartbeat_at,
    )


def _query() -> Select[Any]:
    approval = (A.c.state.label("approval_state"), A.c.body.label("approval_body"))
    return select(T, *approval).join(A, A.c.plan_id == T.c.id)


class SqlPlans:
    """The port `Plans`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, record: PlanRecord) -> None:
        """Insert a new plan with its approval; StaleError when the id is taken."""
        plan = record.plan
        values = {
            "id": plan.id,
            "service": plan.service,
            "finding": plan.finding,
            "channel": plan.place.channel,
            "digest": plan.digest,
            "created_at": plan.created_at,
            "expires_at": plan.expires_at,
            "version": record.version,
            "body": encode(plan),
            **_moving(record),
        }
        async with self._session.sole(f"there is a plan {plan.id!r} already; mint another id"):
            await self._session.run(insert(T).values(**values))
        await self._answer(record)

    async def _answer(self, record: PlanRecord) -> None:
        state, body = encode_state(record.approval)
        values = {"plan_id": record.plan.id, "state": state, "body": body}
        await self._session.put(A, [values], ["plan_id"])

    async def get(self, plan_id: PlanId) -> PlanRecord:
        """Return one."""
        ids = select(T.c.id).order_by(T.c.created_at.desc())
        query = _query().where(T.c.id == plan_id)
        return _record(await self._session.get(query, "plan", plan_id, ids))

    async def move(self, record: PlanRecord) -> PlanRecord:
        """Save a record read at `record.version`; StaleError when it moved meanwhile."""
        plan, version = record.plan, record.version
        unmoved = update(T).where(T.c.id == plan.id, T.c.version == version)
        same = unmoved.where(T.c.digest == plan.digest)
        moved = await self._session.run(same.values(version=version + 1, **_moving(record)))
        if moved == 0:
            now = await self.get(plan.id)
            if now.plan.digest != plan.digest:
                raise StaleError(f"{plan.id} has another digest; an edited plan is a new plan")
            raise StaleError(f"{plan.id} is at version {now.version}, not {version}; read it again")
        await self._answer(record)
        return replace(record, version=version + 1)

    async def of_finding(self, finding_id: FindingId) -> list[PlanRecord]:
        """Return the plans proposed for a finding, oldest first."""
        query = _query().where(T.c.finding == finding_id).order_by(T.c.created_at, T.c.id)
        return [_record(row) for row in await self._session.all(query)]

    async def last_action_on(self, target: str) -> datetime | None:
        """Return when (world time) a step last touched this object (`str(WorkloadRef)`)."""
        touched = func.max(func.coalesce(S.c.ended_at, S.c.sent_at))
        query = select(touched).where(S.c.target == target, S.c.sent_at.is_not(None))
        found: datetime | None = await self._session.value(query)
        return found

    async def save_step(self, step: StepRun, target: str) -> None:
        """Insert or replace one step attempt (key: plan, undo, index)."""
        values = {
            "plan_id": step.plan_id,
            "undo": step.undo,
            "index": step.index,
            "target": target,
            "phase": step.phase.value,
            "key": step.key,
            "intent_at": step.intent_at,
            "sent_at": step.sent_at,
            "ended_at": step.ended_at,
            "note": step.note,
        }
        await self._session.put(S, [values], ["plan_id", "undo", "index"])

    async def steps(self, plan_id: PlanId) -> list[StepRun]:
        """Return a plan's step attempts: forward ones by index, then undo ones."""
        position = S.c["index"].label("position")  # a row's `index` is the method of tuples
        query = select(S, position).where(S.c.plan_id == plan_id).order_by(S.c.undo, position)
        return [
            StepRun(
                plan_id=row.plan_id,
                index=row.position,
                undo=row.undo,
                phase=StepPhase(row.phase),
                key=row.key,
                intent_at=row.intent_at,
                sent_at=row.sent_at,
                ended_at=row.ended_at,
                note=row.note,
            )
            for row in await self._session.all(query)
        ]

    async def list(self, statuses: Sequence[PlanStatus] = (), limit: int = 100) -> list[PlanRecord]:
        """Return plans, newest first; all statuses when none is named."""
        query = _query().order_by(T.c.created_at.desc(), T.c.id.desc()).limit(limit)
        if statuses:
            query = query.where(T.c.status.in_([status.value for status in statuses]))
        return [_record(row) for row in await self._session.all(query)]
