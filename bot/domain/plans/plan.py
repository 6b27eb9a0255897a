"""A plan: what would be done, exactly, and its way back.

    ProposalDraft --planner--> Plan --digest--> what people say yes to
                                └ body: steps, undo, verify, playbook, targets

The body is frozen and canonical (RFC 8785); the yes is bound to its sha256. What runs is this
body, byte for byte. Where a plan is in its life: `plan_life`; what became of one of its steps:
`step_run`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import rfc8785

from bot.domain.ids import FindingId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plans.risk import RiskScore, Tier
from tools.act.effects import EffectSet
from tools.world import ServiceName, WorkloadRef

UNDOES = "undoes"  # key in an undo step's state_before: index of the step it takes back


class StepDirection(StrEnum):
    """Whether a step is one of the plan's own, or one of its way back."""

    DO = "do"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a step stands in its plan, counted from 0 in each direction."""

    direction: StepDirection
    index: int

    @classmethod
    def forward(cls, index: int) -> Position:
        """Return the position of a plan's own step."""
        return cls(StepDirection.DO, index)

    @classmethod
    def back(cls, index: int) -> Position:
        """Return the position of a step of the way back."""
        return cls(StepDirection.UNDO, index)

    @property
    def undo(self) -> bool:
        """Whether the step belongs to the way back."""
        return self.direction is StepDirection.UNDO

    def key(self, plan_id: PlanId) -> str:
        """Return the idempotency key of the step, which goes into the world with its request."""
        return f"{plan_id}/{self.direction.value}/{self.index}"


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one object, bound to the object's uid and to the fields it reads.

    `fingerprint` is the sha256 of the fields the action reads or replaces, as they were when
    the plan was shown; a step whose object has moved on is refused.
    """

    name: str
    action: str  # name in tools.act.actions.ACTIONS
    target: WorkloadRef
    parameters: Mapping[str, Any]
    timeout_seconds: int
    fingerprint: str
    state_before: Mapping[str, Any] = field(default_factory=dict)
    diff: tuple[str, ...] = ()  # lines a person reads: "- image my-api:2.14.0"
    effects: EffectSet | None = None  # everything it may touch; None: an older version's plan

    @property
    def undoes(self) -> int | None:
        """Index of the step that this one takes back; None for one of the plan's own."""
        index: int | None = self.state_before.get(UNDOES)
        return index


@dataclass(frozen=True, slots=True)
class VerifyRule:
    """How success is judged: `expression` over catalogued metrics, within `window_seconds`."""

    expression: str  # "request_latency < 0.5"
    window_seconds: int  # world time


@dataclass(frozen=True, slots=True)
class PlanBody:
    """Everything a yes covers."""

    steps: tuple[Step, ...]
    undo: tuple[Step, ...]  # in the order they would run, already reversed
    verify: tuple[VerifyRule, ...]
    playbook_id: str
    playbook_sha256: str

    def at(self, position: Position) -> Step:
        """Return the step that stands at a position."""
        return (self.undo if position.undo else self.steps)[position.index]

    def forward(self) -> tuple[Position, ...]:
        """Return the plan's own steps, in the order they run."""
        return tuple(Position.forward(index) for index in range(len(self.steps)))

    def effects(self) -> EffectSet | None:
        """Return everything the steps and their undo may touch; None in older versions' plans."""
        known = [step.effects for step in (*self.steps, *self.undo)]
        if any(each is None for each in known):
            return None
        return EffectSet.union(each for each in known if each is not None)

    def way_back(self, done: Collection[int]) -> tuple[Position, ...]:
        """Return the undo steps of the steps that were done, in the order they run."""
        return tuple(Position.back(i) for i, step in enumerate(self.undo) if step.undoes in done)

    def canonical(self) -> bytes:
        """Return the body as canonical JSON (RFC 8785)."""
        return rfc8785.dumps(
            {
                "steps": [_step_json(s) for s in self.steps],
                "undo": [_step_json(s) for s in self.undo],
                "verify": [
                    {"expression": v.expression, "window_seconds": v.window_seconds}
                    for v in self.verify
                ],
                "playbook_id": self.playbook_id,
                "playbook_sha256": self.playbook_sha256,
            }
        )

    def digest(self) -> str:
        """Return the sha256 of the canonical body, in hex."""
        return hashlib.sha256(self.canonical()).hexdigest()


def _step_json(step: Step) -> dict[str, Any]:
    target = step.target
    return {
        "name": step.name,
        "action": step.action,
        "target": {
            "cluster": target.cluster,
            "namespace": target.namespace,
            "kind": target.kind,
            "name": target.name,
            "uid": target.uid,
        },
        "parameters": dict(step.parameters),
        "timeout_seconds": step.timeout_seconds,
        "fingerprint": step.fingerprint,
        "state_before": dict(step.state_before),
        "diff": list(step.diff),
        # a plan of before there were effect sets keeps the digest that people said yes to
        **({} if step.effects is None else {"effects": step.effects.to_json()}),
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a plan that a person may choose otherwise; doing so makes a new plan."""

    name: str
    label: str  # what it means, as the playbook says
    value: str  # what this plan was made with
    pattern: str = ".*"  # the whole value must match


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as it was shown. Nothing in it ever changes; an edited plan is a new plan."""

    id: PlanId
    title: str
    service: ServiceName
    reason: str  # why now, one or two sentences
    body: PlanBody
    digest: str
    risk: RiskScore
    tier: Tier
    blast_radius: tuple[str, ...]  # objects touched, as a person reads them
    dry_run: tuple[str, ...]  # one line per step: what the server said
    requested_by: UserId | None  # None: the bot itself
    finding: FindingId | None
    created_at: datetime  # world time
    expires_at: datetime  # wall time
    place: Place  # where its card lives
    approvers_needed: int
    auto: bool = False  # policy may run it without a click after the hold
    chosen: Mapping[str, str] = field(default_factory=dict)  # the draft's parameters
    choices: tuple[Choice, ...] = ()  # what *Edit* offers
    cooldown: timedelta = timedelta(0)  # the playbook's own; the longer of it and policy's counts
    owners: tuple[str, ...] = ()  # teams or people the playbook names: told, with no rights by it


class PlanStatus(StrEnum):
    """The names of a plan's states; each is a class of `bot.domain.plans.plan_life`."""

    WAITING = "waiting"
    HELD = "held"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    RUNNING = "running"
    VERIFYING = "verifying"
    SUCCEEDED = "succeeded"
    UNDOING = "undoing"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"
    UNVERIFIED = "unverified"
    OUTCOME_UNKNOWN = "outcome_unknown"
    HALTED = "halted"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self not in {*OPEN, PlanStatus.APPROVED, *AT_WORK}


OPEN = (PlanStatus.WAITING, PlanStatus.HELD)  # nobody has decided yet
FOR_A_PERSON = (*OPEN, PlanStatus.OUTCOME_UNKNOWN)  # somebody must say how it goes on
AT_WORK = (PlanStatus.RUNNING, PlanStatus.VERIFYING, PlanStatus.UNDOING)  # of some process


class StepPhase(StrEnum):
    """The names of a step's states; each is a class of `bot.domain.plans.step_run`."""

    INTENT = "intent"
    SENT = "sent"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
