"""What became of one step of a plan: intent → sent → outcome, each committed before the next thing.

    StepIntended --send--> StepSent --finish--> StepDone       with what it left behind
          |                 |  '------lose----> StepUnknown    sent, and nothing proves its effect
          '---fail----------'---> StepFailed                   refused before it changed anything
    StepSent    --send_again--> StepSent                       once, where the world shows no effect
    StepUnknown --tell--> StepDone | StepFailed | StepIntended a person says: done, undone, retry

Times are world time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from bot.domain.ids import PlanId, UserId
from bot.domain.plans.plan import Position, StepPhase

SENT_AGAIN = "sent again: the world showed that it had not been done"


@dataclass(frozen=True, slots=True)
class _Begun:
    plan_id: PlanId
    position: Position
    intent_at: datetime

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.position.key(self.plan_id)


@dataclass(frozen=True, slots=True)
class StepIntended(_Begun):
    """It will be sent."""

    phase: ClassVar[StepPhase] = StepPhase.INTENT
    note: str = ""  # what a person said of the attempt before


@dataclass(frozen=True, slots=True)
class StepSent(_Begun):
    """It is on its way; whoever finds it so later asks the world what became of it."""

    phase: ClassVar[StepPhase] = StepPhase.SENT
    sent_at: datetime
    again: bool = False  # the first request had no effect; there is no third

    @property
    def note(self) -> str:
        """What people read of it."""
        return SENT_AGAIN if self.again else ""


@dataclass(frozen=True, slots=True)
class StepDone(_Begun):
    """It took effect."""

    phase: ClassVar[StepPhase] = StepPhase.DONE
    sent_at: datetime
    ended_at: datetime
    note: str = ""  # what the server said
    fingerprint: str = ""  # of what its undo reads, as the step left it; empty: nobody knows


@dataclass(frozen=True, slots=True)
class StepFailed(_Begun):
    """It was refused before it changed anything, or a person says that it did not happen."""

    phase: ClassVar[StepPhase] = StepPhase.FAILED
    sent_at: datetime | None  # None: it was refused before it was sent
    ended_at: datetime
    note: str = ""


@dataclass(frozen=True, slots=True)
class StepUnknown(_Begun):
    """It was sent, and nothing proves what became of it."""

    phase: ClassVar[StepPhase] = StepPhase.UNKNOWN
    sent_at: datetime
    ended_at: datetime
    note: str = ""


StepRun = StepIntended | StepSent | StepDone | StepFailed | StepUnknown


class ToldOutcome(StrEnum):
    """What a person says became of a step whose outcome nobody could prove."""

    DONE = "done"  # it happened: the plan goes on with the next step
    UNDONE = "undone"  # it did not happen: the plan takes back what came before
    RETRY = "retry"  # nobody knows: the step becomes a fresh intent and is sent again


def send(run: StepIntended, at: datetime) -> StepSent:
    """Send a step."""
    return StepSent(run.plan_id, run.position, run.intent_at, at)


def send_again(run: StepSent, at: datetime) -> StepSent:
    """Send a step a second time."""
    return StepSent(run.plan_id, run.position, run.intent_at, at, again=True)


def finish(run: StepSent, at: datetime, note: str, fingerprint: str) -> StepDone:
    """It took effect; `fingerprint` is what it left behind."""
    return StepDone(run.plan_id, run.position, run.intent_at, run.sent_at, at, note, fingerprint)


def fail(run: StepIntended | StepSent, at: datetime, note: str) -> StepFailed:
    """It was refused."""
    sent_at = run.sent_at if isinstance(run, StepSent) else None
    return StepFailed(run.plan_id, run.position, run.intent_at, sent_at, at, note)


def lose(run: StepSent, at: datetime, note: str) -> StepUnknown:
    """Nothing proves its effect."""
    return StepUnknown(run.plan_id, run.position, run.intent_at, run.sent_at, at, note)


def tell(
    run: StepUnknown, told: ToldOutcome, by: UserId, at: datetime
) -> StepDone | StepFailed | StepIntended:
    """Return the step as a person tells it."""
    note = f"{by} said: {told.value}"
    match told:
        case ToldOutcome.DONE:
            return StepDone(run.plan_id, run.position, run.intent_at, run.sent_at, at, note)
        case ToldOutcome.UNDONE:
            return StepFailed(run.plan_id, run.position, run.intent_at, run.sent_at, at, note)
        case ToldOutcome.RETRY:
            return StepIntended(run.plan_id, run.position, at, note)


def find_unknown(runs: Iterable[StepRun]) -> StepUnknown | None:
    """Return the newest step whose outcome is unknown."""
    found = [run for run in runs if isinstance(run, StepUnknown)]
    return found[-1] if found else None
