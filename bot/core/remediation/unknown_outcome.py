"""A step whose outcome nobody could prove, and what a person says became of it.

    done    it happened: the plan goes on with the next step
    undone  it did not happen: the plan takes back what came before
    retry   nobody knows: the step becomes a fresh intent and is sent again

Pure functions of the rows; `bot.core.remediation.approvals` judges who may say so and writes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.core.ports import PlanRecord
from bot.domain.ids import UserId
from bot.domain.plan import PlanStatus, StepPhase, StepRun

UNDO_ASKED = "undo asked by "  # begins the outcome of a plan that a person lets be undone
VERDICTS = {"done": StepPhase.DONE, "undone": StepPhase.FAILED, "retry": StepPhase.INTENT}


def find_unknown(steps: Sequence[StepRun]) -> StepRun | None:
    """Return the newest step whose outcome is unknown."""
    found = [step for step in steps if step.phase is StepPhase.UNKNOWN]
    return found[-1] if found else None


def told(unknown: StepRun, verdict: str, user: UserId, now: datetime) -> StepRun:
    """Return the step as a person tells it; retry makes it a fresh intent."""
    again = verdict == "retry"
    return replace(
        unknown,
        phase=VERDICTS[verdict],
        intent_at=now if again else unknown.intent_at,
        sent_at=None if again else unknown.sent_at,
        ended_at=None if again else now,
        note=f"{user} said: {verdict}",
    )


def resumed(record: PlanRecord, unknown: StepRun, verdict: str) -> PlanRecord:
    """Return the record that the execution goes on from."""
    status = PlanStatus.UNDOING
    if not unknown.undo and verdict != "undone":
        status = PlanStatus.RUNNING
    return replace(
        record, status=status, owner="", heartbeat_at=None, ended_at=None, outcome="", halted=False
    )
