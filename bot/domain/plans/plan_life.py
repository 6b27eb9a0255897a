"""A plan's life: its states, with what is true in each, and the only moves between them.

    Waiting <-end_hold-- Held                   for answers; Held: runs by itself, unless stopped
       '------approve-----'--> PlanApproved     may be claimed once
    PlanApproved --claim--> Running --verify--> Verifying --succeed-------> Succeeded
                               |                    |------leave_unverified> Unverified
                               '---take_back--------'--> Undoing --roll_back> RolledBack
    Waiting, Held      --reject----------------> PlanRejected
    Waiting, Held, PlanApproved --expire, withdraw-> PlanExpired, PlanWithdrawn
    PlanApproved, Running, Verifying, Undoing --halt-> Halted
    Running, Verifying --fail------------------> Failed             nothing to undo
    Running, Undoing   --lose------------------> OutcomeUnknown     a person must look
    OutcomeUnknown     --resume----------------> Running | Undoing  they told what became of it
    Halted, Unverified --undo_for--------------> Undoing            they asked for the way back

Where an approval of the same name stands beside it (`approval`), a state says Plan: the question
was answered, and this is what the plan is since.
A state at work belongs to the process that its `worker` names; nobody's is taken by who comes
first. Every move here is pure: the store makes it a compare-and-set.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, TypeVar

from bot.domain.ids import UserId
from bot.domain.plans import approval as answers
from bot.domain.plans.plan import Plan, PlanStatus

# --- before it runs -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Waiting:
    """For people's answers."""

    status: ClassVar[PlanStatus] = PlanStatus.WAITING
    approval: answers.Pending


@dataclass(frozen=True, slots=True)
class Held:
    """AUTO, and policy lets it run: the approval's expiry is the end of the hold."""

    status: ClassVar[PlanStatus] = PlanStatus.HELD
    approval: answers.Pending


@dataclass(frozen=True, slots=True)
class PlanApproved:
    """May be claimed once."""

    status: ClassVar[PlanStatus] = PlanStatus.APPROVED
    approval: answers.Approved


# --- while it runs --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Worker:
    """The process that works on a plan."""

    owner: str  # names this process and no other, not even an earlier run of it
    heartbeat_at: datetime  # wall time


@dataclass(frozen=True, slots=True)
class Running:
    """Its steps are being done."""

    status: ClassVar[PlanStatus] = PlanStatus.RUNNING
    approval: answers.Approved
    worker: Worker | None
    stop_asked: bool = False  # a person wants no further step
    waits_since: datetime | None = None  # wall: its next step could not be judged since then


@dataclass(frozen=True, slots=True)
class Verifying:
    """Its steps are done; whether they helped is being watched."""

    status: ClassVar[PlanStatus] = PlanStatus.VERIFYING
    approval: answers.Approved
    worker: Worker | None
    until: datetime  # world time
    stop_asked: bool = False


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """A person lets a plan that stopped be taken back; a halt from before does not stop that."""

    by: UserId
    at: datetime | None  # world time; None where an older version did not keep it
    # marks of the halts that were in force; None where an older version did not keep them
    halts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Undoing:
    """What was done is being taken back, last step first."""

    status: ClassVar[PlanStatus] = PlanStatus.UNDOING
    approval: answers.Approved
    worker: Worker | None
    why: str  # a sentence for people; nothing is decided by it
    asked: UndoRequest | None = None  # None: the plan did not help, or a step failed
    stop_asked: bool = False


# --- after it ended -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PlanRejected:
    """A person said no."""

    status: ClassVar[PlanStatus] = PlanStatus.REJECTED
    approval: answers.Rejected
    outcome: str  # here and below: one sentence for people
    ended_at: datetime  # here and below: world time


@dataclass(frozen=True, slots=True)
class PlanExpired:
    """Nobody decided, or nobody claimed it, in time."""

    status: ClassVar[PlanStatus] = PlanStatus.EXPIRED
    approval: answers.Expired
    outcome: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class PlanWithdrawn:
    """Not needed any more, or refused when it was claimed; that it was approved stays on record."""

    status: ClassVar[PlanStatus] = PlanStatus.WITHDRAWN
    approval: answers.Withdrawn | answers.Approved
    outcome: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class _AfterApproval:
    approval: answers.Approved
    outcome: str
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Succeeded(_AfterApproval):
    """It was done, and it helped."""

    status: ClassVar[PlanStatus] = PlanStatus.SUCCEEDED


@dataclass(frozen=True, slots=True)
class RolledBack(_AfterApproval):
    """What was done was taken back."""

    status: ClassVar[PlanStatus] = PlanStatus.ROLLED_BACK


@dataclass(frozen=True, slots=True)
class Failed(_AfterApproval):
    """Its first step changed nothing, or it did not help and there is no way back."""

    status: ClassVar[PlanStatus] = PlanStatus.FAILED


@dataclass(frozen=True, slots=True)
class Unverified(_AfterApproval):
    """It was done, and no data says whether it helped."""

    status: ClassVar[PlanStatus] = PlanStatus.UNVERIFIED


@dataclass(frozen=True, slots=True)
class OutcomeUnknown(_AfterApproval):
    """A step was sent and nothing proves what became of it: a person says done, undone or retry."""

    status: ClassVar[PlanStatus] = PlanStatus.OUTCOME_UNKNOWN


@dataclass(frozen=True, slots=True)
class Halted(_AfterApproval):
    """A guard or a person stopped it before its next step."""

    status: ClassVar[PlanStatus] = PlanStatus.HALTED


Open = Waiting | Held
Unclaimed = Waiting | Held | PlanApproved
AtWork = Running | Verifying | Undoing
Ended = (
    PlanRejected
    | PlanExpired
    | PlanWithdrawn
    | Succeeded
    | RolledBack
    | Failed
    | Unverified
    | OutcomeUnknown
    | Halted
)
PlanState = Waiting | Held | PlanApproved | AtWork | Ended

W = TypeVar("W", bound=AtWork)


# --- people and the clock decide ------------------------------------------------------------


def propose(plan: Plan, hold_ends: datetime) -> Waiting | Held:
    """Return how a plan begins: a plan that may run by itself is held until `hold_ends` (wall)."""
    until = hold_ends if plan.auto else plan.expires_at
    question = answers.Pending(plan.id, plan.digest, plan.approvers_needed, until)
    return Held(question) if plan.auto else Waiting(question)


def question(state: Open, plan: Plan) -> answers.Pending:
    """Return what a person answers: a held plan that somebody answers needs no further hold."""
    return replace(state.approval, expires_at=plan.expires_at)


def approve(answered: answers.Pending | answers.Approved) -> Waiting | PlanApproved:
    """Return where a question stands after one more yes."""
    return PlanApproved(answered) if isinstance(answered, answers.Approved) else Waiting(answered)


def end_hold(state: Held, plan: Plan, at: datetime, *, alone: bool) -> Waiting | PlanApproved:
    """Let a held plan run by itself at `at` (wall), or ask people after all."""
    pending = state.approval
    if alone:
        return PlanApproved(answers.Approved(plan.id, pending.digest, pending.answers, at))
    return Waiting(question(state, plan))


def withdraw(state: Unclaimed, why: str, wall: datetime, at: datetime) -> PlanWithdrawn:
    """Take a plan back before it ran; `why` is for people, `at` world time."""
    if isinstance(state, PlanApproved):
        return PlanWithdrawn(state.approval, why, at)
    return PlanWithdrawn(answers.withdraw(state.approval, why, wall), why, at)


def expire(state: Unclaimed, outcome: str, wall: datetime, at: datetime) -> PlanExpired:
    """End a plan whose time is over."""
    return PlanExpired(answers.Expired(state.approval.plan_id, wall), outcome, at)


# --- a process works on it ------------------------------------------------------------------


def claim(state: PlanApproved, worker: Worker) -> Running:
    """Begin."""
    return Running(state.approval, worker)


def hand_to(state: W, worker: Worker | None) -> W:
    """Give a plan at work to a process, show that its own one lives, or let it go (None)."""
    return replace(state, worker=worker)


def ask_stop(state: W) -> W:
    """Ask for an end before the next step."""
    return replace(state, stop_asked=True)


def wait(state: Running, at: datetime | None) -> Running:
    """Let the next step wait since `at` (wall), or go on."""
    return replace(state, waits_since=at)


def verify(state: Running, until: datetime) -> Verifying:
    """Watch whether it helped, until a moment of world time."""
    return Verifying(state.approval, state.worker, until, state.stop_asked)


def take_back(state: Running | Verifying, why: str) -> Undoing:
    """Undo what was done; a Stop that was asked for goes on counting."""
    return Undoing(state.approval, state.worker, why, stop_asked=state.stop_asked)


# --- it ends --------------------------------------------------------------------------------


def succeed(state: Verifying, outcome: str, at: datetime) -> Succeeded:
    """It helped."""
    return Succeeded(state.approval, outcome, at)


def leave_unverified(state: Verifying, outcome: str, at: datetime) -> Unverified:
    """No data says whether it helped."""
    return Unverified(state.approval, outcome, at)


def fail(state: Running | Verifying, outcome: str, at: datetime) -> Failed:
    """There is nothing to undo."""
    return Failed(state.approval, outcome, at)


def roll_back(state: Undoing, outcome: str, at: datetime) -> RolledBack:
    """Everything was taken back."""
    return RolledBack(state.approval, outcome, at)


def lose(state: Running | Undoing, outcome: str, at: datetime) -> OutcomeUnknown:
    """Nothing proves what a step did."""
    return OutcomeUnknown(state.approval, outcome, at)


def halt(state: PlanApproved | AtWork | OutcomeUnknown, outcome: str, at: datetime) -> Halted:
    """Stop before the next step."""
    return Halted(state.approval, outcome, at)


# --- a person goes on from there ------------------------------------------------------------


def resume(state: OutcomeUnknown, *, forward: bool) -> Running | Undoing:
    """Go on after a person told what became of a step: with the next one, or with the way back."""
    return Running(state.approval, None) if forward else Undoing(state.approval, None, "")


def undo_for(
    state: Halted | Unverified, by: UserId, at: datetime, halts: tuple[str, ...]
) -> Undoing:
    """Take back what was done, because a person asked for it while `halts` were in force."""
    return Undoing(state.approval, None, f"undo asked by {by}", UndoRequest(by, at, halts))
