"""Approval of one plan: its states and the only moves between them.

    Pending --approve--> Pending (one more answer) … --> Approved   the plan may be claimed once
            --reject---> Rejected
            --break_glass> Approved   one approver in an emergency, with a written reason
            --too late-> Expired      nobody answered before `expires_at`
            --withdraw-> Withdrawn    the trigger cleared, or it was fixed by hand

A yes counts only for the digest it was given to, and once per person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.ids import PlanId, UserId


@dataclass(frozen=True, slots=True)
class Yes:
    """One person's yes to one digest."""

    by: UserId
    at: datetime  # wall time
    digest: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Waiting for answers. `needed` different people must say yes."""

    plan_id: PlanId
    digest: str
    needed: int
    expires_at: datetime  # wall time
    answers: tuple[Yes, ...] = ()


@dataclass(frozen=True, slots=True)
class Approved:
    """Enough different people said yes to this digest."""

    plan_id: PlanId
    digest: str
    answers: tuple[Yes, ...]
    at: datetime
    glass: str = ""  # why one approver alone was enough, in their words; empty: it was not so


@dataclass(frozen=True, slots=True)
class Rejected:
    """A person said no, with a reason."""

    plan_id: PlanId
    by: UserId
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Expired:
    """Nobody said yes in time."""

    plan_id: PlanId
    at: datetime


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """No longer needed."""

    plan_id: PlanId
    why: str
    at: datetime


Approval = Pending | Approved | Rejected | Expired | Withdrawn


def answers_of(approval: Approval | None) -> tuple[Yes, ...]:
    """Return every yes that still counts."""
    return approval.answers if isinstance(approval, Pending | Approved) else ()


def approve(
    approval: Pending, by: UserId, digest: str, at: datetime
) -> Pending | Approved | Expired:
    """Add one yes. A repeated yes changes nothing; a yes to another digest is refused.

    Raises ValueError when `digest` is not the one being approved.
    """
    if at >= approval.expires_at:
        return Expired(approval.plan_id, at)
    if digest != approval.digest:
        raise ValueError(f"the yes is for digest {digest[:12]!r}, not {approval.digest[:12]!r}")
    if any(answer.by == by for answer in approval.answers):
        return approval
    answers = (*approval.answers, Yes(by, at, digest))
    if len(answers) >= approval.needed:
        return Approved(approval.plan_id, approval.digest, answers, at)
    return replace(approval, answers=answers)


def break_glass(
    approval: Pending, by: UserId, digest: str, reason: str, at: datetime
) -> Approved | Expired:
    """Let one person's yes be enough, for a written reason.

    Raises ValueError without a reason, or when `digest` is not the one being approved.
    """
    if not reason.strip():
        raise ValueError(f"{approval.plan_id} is opened by one person only for a written reason")
    said = approve(approval, by, digest, at)
    if isinstance(said, Expired):
        return said
    return Approved(approval.plan_id, approval.digest, said.answers, at, reason.strip())


def reject(approval: Pending, by: UserId, reason: str, at: datetime) -> Rejected | Expired:
    """Say no; after the expiry it is expired all the same."""
    if at >= approval.expires_at:
        return Expired(approval.plan_id, at)
    return Rejected(approval.plan_id, by, reason, at)


def withdraw(approval: Pending, why: str, at: datetime) -> Withdrawn:
    """Take the question back."""
    return Withdrawn(approval.plan_id, why, at)
