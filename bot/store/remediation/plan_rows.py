"""Tables plans, approvals and plan_steps, and how their rows are told as states and back.

    PlanRow + ApprovalRow <──> a state of `bot.domain.plans.plan_life`
    StepRow               <──> a state of `bot.domain.plans.step_run`

A row holds the facts of every state; those that are not true in its own are empty. A row whose
facts contradict its status is refused: nothing runs on the strength of a guess. `mac` seals the
plan as it was shown together with its state, its version and its approval: whoever changes one of
them, or takes one from another plan, has a plan that nothing proves.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import Row
from sqlmodel import Field

from bot.domain.ids import UserId
from bot.domain.keyring import Keyring, Purpose
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approval, Approved, Expired, Pending, Rejected, Withdrawn
from bot.domain.plans.plan import PlanStatus, Position, StepPhase
from bot.domain.plans.step_run import (
    StepDone,
    StepFailed,
    StepIntended,
    StepRun,
    StepSent,
    StepUnknown,
)
from bot.store.codec import decode_state, from_json, to_json
from bot.store.schema import Base, clean_text, table_of, text_column, time_column

APPROVALS: tuple[type[Approval], ...] = (Pending, Approved, Rejected, Expired, Withdrawn)
AFTER_APPROVAL: Mapping[PlanStatus, Callable[[Approved, str, datetime], life.Ended]] = {
    PlanStatus.SUCCEEDED: life.Succeeded,
    PlanStatus.ROLLED_BACK: life.RolledBack,
    PlanStatus.FAILED: life.Failed,
    PlanStatus.UNVERIFIED: life.Unverified,
    PlanStatus.OUTCOME_UNKNOWN: life.OutcomeUnknown,
    PlanStatus.HALTED: life.Halted,
}
T = TypeVar("T")


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
    halted: bool  # at work: a person asked to stop
    ended_at: datetime | None = time_column()
    outcome: str = text_column()
    verify_until: datetime | None = time_column()
    owner: str = text_column()
    heartbeat_at: datetime | None = time_column()
    token: int | None  # fencing; NULL: no process of this version took it yet
    undo_asked_by: str | None = text_column()  # undoing; empty: nobody, NULL: see older_rows
    undo_asked_at: datetime | None = time_column()
    undo_halts: str | None = text_column()  # undoing; JSON: marks of the halts it answers
    waits_since: datetime | None = time_column()  # running
    body: str = text_column()
    mac: str | None = text_column()  # NULL: nothing proves it; so of a version before `0006_seals`


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
    sent_again: bool | None  # sent; NULL: see older_rows
    fingerprint: str | None = text_column()  # done; NULL: see older_rows


PLANS = table_of(PlanRow)
APPROVAL_ROWS = table_of(ApprovalRow)
STEPS = table_of(StepRow)


def state_columns(state: life.PlanState) -> dict[str, Any]:
    """Return the columns that a move may change."""
    columns: dict[str, Any] = {
        "status": state.status.value,
        "halted": False,
        "ended_at": None,
        "outcome": "",
        "verify_until": None,
        "owner": "",
        "heartbeat_at": None,
        "undo_asked_by": None,
        "undo_asked_at": None,
        "undo_halts": None,
        "waits_since": None,
    }
    if isinstance(state, life.AtWork):
        columns["halted"] = state.stop_asked
        if state.worker is not None:
            columns["owner"] = state.worker.owner
            columns["heartbeat_at"] = state.worker.heartbeat_at
    if isinstance(state, life.Ended):
        columns |= {"outcome": state.outcome, "ended_at": state.ended_at}
    match state:
        case life.Running(waits_since=since):
            columns["waits_since"] = since
        case life.Verifying(until=until):
            columns["verify_until"] = until
        case life.Undoing(why=why, asked=asked):
            columns["outcome"] = why
            columns["undo_asked_by"] = asked.by if asked is not None else ""
            if asked is not None:
                columns["undo_asked_at"] = asked.at
                columns["undo_halts"] = None if asked.halts is None else to_json(asked.halts)
        case _:
            pass
    return columns


SEALED = (  # columns of a plan's row besides its state
    "id", "version", "token", "digest", "expires_at", "body", "approval_state", "approval_body",
)  # fmt: skip
STATE = (
    "status", "halted", "ended_at", "outcome", "verify_until", "owner", "heartbeat_at",
    "undo_asked_by", "undo_asked_at", "undo_halts", "waits_since",
)  # fmt: skip


def plan_mac(keyring: Keyring, values: Mapping[str, Any]) -> str:
    """Return the seal of a plan's row, its approval's included."""
    return keyring.mac(Purpose.PLAN, _sealed(values))


def is_genuine(keyring: Keyring, row: Row[Any]) -> bool:
    """Say whether a plan, its state and its approval are as we wrote them."""
    return keyring.holds(row.mac, Purpose.PLAN, _sealed(row._asdict()))


def _sealed(values: Mapping[str, Any]) -> str:
    plain = {name: _plain(values[name]) for name in (*SEALED, *STATE)}
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Return a value as both databases give it back."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return clean_text(value) if isinstance(value, str) else value


def state_of(row: Row[Any]) -> life.PlanState:
    """Return the state that a row tells, with its approval beside it.

    Raises ValueError when its facts contradict its status.
    """
    status = PlanStatus(row.status)
    approval = decode_state(APPROVALS, row.approval_state, row.approval_body)
    match status:
        case PlanStatus.WAITING:
            return life.Waiting(_fact(row, Pending, approval))
        case PlanStatus.HELD:
            return life.Held(_fact(row, Pending, approval))
        case PlanStatus.APPROVED:
            return life.PlanApproved(_fact(row, Approved, approval))
        case PlanStatus.RUNNING | PlanStatus.VERIFYING | PlanStatus.UNDOING:
            return _at_work(row, status, _fact(row, Approved, approval))
        case _:
            return _ended(row, status, approval)


def _at_work(row: Row[Any], status: PlanStatus, approval: Approved) -> life.AtWork:
    beating = row.owner and row.heartbeat_at is not None
    worker = life.Worker(row.owner, row.heartbeat_at) if beating else None
    if status is PlanStatus.RUNNING:
        return life.Running(approval, worker, row.halted, row.waits_since)
    if status is PlanStatus.VERIFYING:
        until = _fact(row, datetime, row.verify_until)
        return life.Verifying(approval, worker, until, row.halted)
    by = row.undo_asked_by
    halts = tuple(from_json(row.undo_halts)) if row.undo_halts is not None else None
    asked = life.UndoRequest(UserId(by), row.undo_asked_at, halts) if by else None
    return life.Undoing(approval, worker, row.outcome, asked, row.halted)


def _ended(row: Row[Any], status: PlanStatus, approval: Approval) -> life.Ended:
    outcome, at = row.outcome, _fact(row, datetime, row.ended_at)
    match status:
        case PlanStatus.REJECTED:
            return life.PlanRejected(_fact(row, Rejected, approval), outcome, at)
        case PlanStatus.EXPIRED:
            return life.PlanExpired(_fact(row, Expired, approval), outcome, at)
        case PlanStatus.WITHDRAWN if isinstance(approval, Withdrawn):
            return life.PlanWithdrawn(approval, outcome, at)
        case PlanStatus.WITHDRAWN:
            return life.PlanWithdrawn(_fact(row, Approved, approval), outcome, at)
        case _:
            return AFTER_APPROVAL[status](_fact(row, Approved, approval), outcome, at)


def step_columns(run: StepRun) -> dict[str, Any]:
    """Return the columns of a step's row, without its target."""
    columns: dict[str, Any] = {
        "plan_id": run.plan_id,
        "undo": run.position.undo,
        "index": run.position.index,
        "phase": run.phase.value,
        "key": run.key,
        "intent_at": run.intent_at,
        "sent_at": None,
        "ended_at": None,
        "note": run.note,
        "sent_again": None,
        "fingerprint": None,
    }
    match run:
        case StepIntended():
            pass
        case StepSent(sent_at=sent_at, again=again):
            columns |= {"sent_at": sent_at, "sent_again": again}
        case StepDone(sent_at=sent_at, ended_at=ended_at, fingerprint=fingerprint):
            columns |= {"sent_at": sent_at, "ended_at": ended_at, "fingerprint": fingerprint}
        case StepFailed(sent_at=at, ended_at=ended_at) | StepUnknown(sent_at=at, ended_at=ended_at):
            columns |= {"sent_at": at, "ended_at": ended_at}
    return columns


def step_of(row: Row[Any]) -> StepRun:
    """Return what a step's row tells. Raises ValueError when its facts contradict its phase."""
    index = row.position  # a row's own `index` is the method of tuples
    position = Position.back(index) if row.undo else Position.forward(index)
    begun = (row.plan_id, position, _fact(row, datetime, row.intent_at))
    match StepPhase(row.phase):
        case StepPhase.INTENT:
            return StepIntended(*begun, row.note)
        case StepPhase.SENT:
            return StepSent(*begun, _fact(row, datetime, row.sent_at), bool(row.sent_again))
        case StepPhase.DONE:
            sent, ended = _fact(row, datetime, row.sent_at), _fact(row, datetime, row.ended_at)
            return StepDone(*begun, sent, ended, row.note, row.fingerprint or "")
        case StepPhase.FAILED:
            return StepFailed(*begun, row.sent_at, _fact(row, datetime, row.ended_at), row.note)
        case StepPhase.UNKNOWN:
            sent, ended = _fact(row, datetime, row.sent_at), _fact(row, datetime, row.ended_at)
            return StepUnknown(*begun, sent, ended, row.note)


def _fact(row: Row[Any], kind: type[T], value: object) -> T:
    """Return a fact that a row cannot be without."""
    if isinstance(value, kind):
        return value
    named = getattr(row, "key", None) or row.id
    told = getattr(row, "phase", None) or row.status
    raise ValueError(
        f"the stored {named} is {told} with {type(value).__name__} where a {kind.__name__} "
        "belongs; somebody changed the row by hand"
    )
