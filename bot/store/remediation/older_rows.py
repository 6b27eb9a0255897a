"""Rows of plans and steps as versions before `0003_facts_of_plans` write them.

    undoing, outcome "undo asked by U1"           the person is told apart by the sentence alone,
                                                  the time by the audit
    sent, note "sent again: the world showed …"   the second request
    done, without a fingerprint                   what the step left stands in the audit alone

Such rows have NULL where this version keeps the fact. They are told here, at the store's door, and
nowhere else; the next move of such a plan keeps the facts in their columns. A replica of an older
version may still write them, so a migration alone would not do.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy import Select as SelectOf

from bot.domain.ids import UserId
from bot.domain.plans.plan import PlanStatus, StepPhase
from bot.domain.plans.plan_life import UndoRequest
from bot.domain.plans.step_run import SENT_AGAIN
from bot.store.audit_rows import EventRow
from bot.store.codec import from_json
from bot.store.schema import table_of
from bot.store.session import Session

UNDO_ASKED = "undo asked by "  # began the outcome of a plan that a person let be undone
E = table_of(EventRow)


async def undo_request(session: Session, row: Row[Any]) -> UndoRequest | None:
    """Return who asked for the undo of a plan's row, when only its outcome says so."""
    undoing = row.status == PlanStatus.UNDOING.value and row.undo_asked_by is None
    if not undoing or not row.outcome.startswith(UNDO_ASKED):
        return None
    asked = await session.first(_events("plan.undo_asked", row.id).order_by(E.c.seq.desc()))
    by = UserId(row.outcome.removeprefix(UNDO_ASKED))
    return UndoRequest(by, asked.at if asked is not None else None)


def was_sent_again(row: Row[Any]) -> bool:
    """Say whether a step's row tells its second request by its note alone."""
    first = row.phase == StepPhase.SENT.value and row.sent_again is None
    return first and row.note == SENT_AGAIN


async def left_behind(session: Session, row: Row[Any]) -> str | None:
    """Return what a done step left, when only the audit says so; empty where it does not.

    None for a step whose own row tells it.
    """
    if row.phase != StepPhase.DONE.value or row.fingerprint is not None:
        return None
    after = ""
    for told in await session.all(_events("step.succeeded", row.plan_id).order_by(E.c.seq)):
        facts = from_json(told.payload)["facts"]
        if (facts["undo"], facts["index"]) == (row.undo, row.position):
            after = str(facts["after"])
    return after


def _events(kind: str, plan_id: str) -> SelectOf[Any]:
    return select(E).where(E.c.subject == plan_id, E.c.kind == kind)
