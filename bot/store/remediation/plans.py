"""The port `Plans`: plans with their approvals, and what became of their steps.

The body of a plan is written once and never again: what people said yes to is what is read
when it runs. Every move is a compare-and-set on `version`; the approval moves with its plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select, update

from bot.core.ports import PlanRecord, StaleError, Touch
from bot.domain.ids import FindingId, PlanId
from bot.domain.keyring import Keyring
from bot.domain.plans.plan import Plan, PlanStatus, Position
from bot.domain.plans.plan_life import Undoing
from bot.domain.plans.step_run import StepDone, StepRun, StepSent
from bot.store.codec import decode, encode, encode_state
from bot.store.remediation import older_rows
from bot.store.remediation.plan_rows import (
    APPROVAL_ROWS,
    PLANS,
    STEPS,
    is_genuine,
    plan_mac,
    state_columns,
    state_of,
    step_columns,
    step_of,
)
from bot.store.session import Session

P, A, S = PLANS, APPROVAL_ROWS, STEPS


def _query() -> Select[Any]:
    approval = (A.c.state.label("approval_state"), A.c.body.label("approval_body"))
    return select(P, *approval).join(A, A.c.plan_id == P.c.id)


class SqlPlans:
    """The port `Plans`."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring

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
            "token": record.token,
            "body": encode(plan),
            **state_columns(record.state),
        }
        state, body = encode_state(record.approval)
        mac = plan_mac(self._keyring, {**values, "approval_state": state, "approval_body": body})
        async with self._session.sole(f"there is a plan {plan.id!r} already; mint another id"):
            await self._session.run(insert(P).values(**values, mac=mac))
        await self._answer(plan.id, state, body)

    async def _answer(self, plan_id: PlanId, state: str, body: str) -> None:
        values = {"plan_id": plan_id, "state": state, "body": body}
        await self._session.put(A, [values], ["plan_id"])

    async def get(self, plan_id: PlanId) -> PlanRecord:
        """Return one."""
        ids = select(P.c.id).order_by(P.c.created_at.desc())
        query = _query().where(P.c.id == plan_id)
        return await self._record(await self._session.get(query, "plan", plan_id, ids))

    async def move(self, record: PlanRecord) -> PlanRecord:
        """Save a record read at `record.version`; StaleError when it moved meanwhile.

        The row is proved once more before it is sealed anew: what somebody forged stays unproved,
        whoever moves it.
        """
        plan, version = record.plan, record.version
        before = await self._session.first(_query().where(P.c.id == plan.id))
        if before is None or (before.version, before.digest) != (version, plan.digest):
            raise await self._stale(record)
        values = {"version": version + 1, "token": record.token, **state_columns(record.state)}
        state, body = encode_state(record.approval)
        after = {**before._asdict(), **values, "approval_state": state, "approval_body": body}
        genuine = is_genuine(self._keyring, before)
        mac = plan_mac(self._keyring, after) if genuine else None
        same = update(P).where(P.c.id == plan.id, P.c.version == version)
        if await self._session.run(same.values(**values, mac=mac)) == 0:
            raise await self._stale(record)
        await self._answer(plan.id, state, body)
        return replace(record, version=version + 1, genuine=genuine)

    async def _stale(self, record: PlanRecord) -> StaleError:
        plan, now = record.plan, await self.get(record.plan.id)
        if now.plan.digest != plan.digest:
            return StaleError(f"{plan.id} has another digest; an edited plan is a new plan")
        return StaleError(
            f"{plan.id} is at version {now.version}, not {record.version}; read it again"
        )

    async def of_finding(self, finding_id: FindingId) -> list[PlanRecord]:
        """Return the plans proposed for a finding, oldest first."""
        query = _query().where(P.c.finding == finding_id).order_by(P.c.created_at, P.c.id)
        return [await self._record(row) for row in await self._session.all(query)]

    async def touched_since(self, at: datetime) -> list[Touch]:
        """Return the steps that touched the world after `at` (world time), newest first."""
        touched, position = func.coalesce(S.c.ended_at, S.c.sent_at), S.c["index"].label("position")
        query = (
            select(touched.label("touched"), S.c.undo, position, P.c.body)
            .join(P, P.c.id == S.c.plan_id)
            .where(S.c.sent_at.is_not(None), touched > at)
            .order_by(touched.desc())
        )
        plans: dict[str, Plan] = {}
        found = []
        for row in await self._session.all(query):
            if row.body not in plans:
                plans[row.body] = decode(Plan, row.body)
            place = Position.back(row.position) if row.undo else Position.forward(row.position)
            found.append(Touch(plans[row.body], place, row.touched))
        return found

    async def save_step(self, step: StepRun, target: str, token: int) -> None:
        """Insert or replace one step attempt; StaleError under another fencing token."""
        held = func.coalesce(P.c.token, 0) == token
        locked = update(P).where(P.c.id == step.plan_id, held).values(token=token)
        if await self._session.run(locked) == 0:  # else its row is ours until we commit
            raise StaleError(f"{step.plan_id} was taken by another process; its token rose")
        values = {**step_columns(step), "target": target}
        await self._session.put(S, [values], ["plan_id", "undo", "index"])

    async def steps(self, plan_id: PlanId) -> list[StepRun]:
        """Return a plan's step attempts: forward ones by index, then undo ones."""
        position = S.c["index"].label("position")  # a row's `index` is the method of tuples
        query = select(S, position).where(S.c.plan_id == plan_id).order_by(S.c.undo, position)
        return [await self._step(row) for row in await self._session.all(query)]

    async def list(
        self, statuses: Sequence[PlanStatus] = (), limit: int | None = 100
    ) -> list[PlanRecord]:
        """Return plans, newest first; all statuses and all plans when none is named."""
        query = _query().order_by(P.c.created_at.desc(), P.c.id.desc()).limit(limit)
        if statuses:
            query = query.where(P.c.status.in_([status.value for status in statuses]))
        return [await self._record(row) for row in await self._session.all(query)]

    async def _record(self, row: Row[Any]) -> PlanRecord:
        state = state_of(row)
        asked = await older_rows.undo_request(self._session, row)
        if asked is not None and isinstance(state, Undoing):
            state = replace(state, asked=asked)
        genuine = is_genuine(self._keyring, row)
        return PlanRecord(decode(Plan, row.body), state, row.version, row.token or 0, genuine)

    async def _step(self, row: Row[Any]) -> StepRun:
        run = step_of(row)
        if isinstance(run, StepSent) and older_rows.was_sent_again(row):
            return replace(run, again=True)
        after = await older_rows.left_behind(self._session, row)
        return replace(run, fingerprint=after) if after and isinstance(run, StepDone) else run
