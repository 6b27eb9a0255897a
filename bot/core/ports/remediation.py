"""Plans with where they are in their life, and the earlier versions they can go back to.

A plan moves only by compare-and-set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from bot.domain.ids import FindingId, PlanId
from bot.domain.plans.approval import Approval
from bot.domain.plans.plan import Plan, PlanStatus, Position
from bot.domain.plans.plan_life import Ended, PlanState, Undoing
from bot.domain.plans.step_run import StepRun
from tools.ports import ConfigVersion
from tools.world import (
    WorkloadRef,
)


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan with where it is in its life. `version` rises by one with every move."""

    plan: Plan
    state: PlanState
    version: int
    token: int = 0  # fencing: rises by one with every process that takes the plan to work on it
    genuine: bool = field(default=False, compare=False)  # the store proved that we wrote all of it

    def to(self, state: PlanState) -> PlanRecord:
        """Return the record in another state, for `Plans.move`."""
        return replace(self, state=state)

    def taken(self, state: PlanState) -> PlanRecord:
        """Return the record as the next process takes it: whoever held it before writes no more."""
        return replace(self, state=state, token=self.token + 1)

    @property
    def status(self) -> PlanStatus:
        """The name of the state."""
        return self.state.status

    @property
    def approval(self) -> Approval:
        """What people said so far."""
        return self.state.approval

    @property
    def outcome(self) -> str:
        """One sentence for people: how it ended, or why it is being taken back; else empty."""
        if isinstance(self.state, Ended):
            return self.state.outcome
        return self.state.why if isinstance(self.state, Undoing) else ""

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, in world time; None while it may still go on by itself."""
        return self.state.ended_at if isinstance(self.state, Ended) else None


@dataclass(frozen=True, slots=True)
class Touch:
    """One attempt at a step that reached the world."""

    plan: Plan
    position: Position
    at: datetime  # world time: when it ended, or was sent


class Plans(Protocol):
    """Plans, approvals and steps. Every move is a compare-and-set on `version`."""

    async def add(self, record: PlanRecord) -> None:
        """Insert a new plan with its approval."""
        ...

    async def get(self, plan_id: PlanId) -> PlanRecord:
        """Return one."""
        ...

    async def move(self, record: PlanRecord) -> PlanRecord:
        """Save a record read at `record.version`; StaleError when it moved meanwhile.

        Returns the record with its new version. What nothing proved before stays unproved.
        """
        ...

    async def of_finding(self, finding_id: FindingId) -> list[PlanRecord]:
        """Return the plans proposed for a finding."""
        ...

    async def touched_since(self, at: datetime) -> list[Touch]:
        """Return the steps that touched the world after `at` (world time), newest first."""
        ...

    async def save_step(self, step: StepRun, target: str, token: int) -> None:
        """Insert or replace one step attempt (key: plan, direction, index).

        StaleError unless the plan's fencing token is `token`, which no other process can raise
        before this transaction ends.
        """
        ...

    async def steps(self, plan_id: PlanId) -> list[StepRun]:
        """Return a plan's step attempts: forward ones by index, then undo ones."""
        ...

    async def list(
        self, statuses: Sequence[PlanStatus] = (), limit: int | None = 100
    ) -> list[PlanRecord]:
        """Return plans, newest first; all statuses when none is named.

        What judges by them asks without a limit: a page of the newest leaves out the oldest.
        """
        ...


class ConfigVersions(Protocol):
    """Earlier versions of config maps."""

    async def add(self, version: ConfigVersion) -> bool:
        """Store a version; False when it is the newest already. Only the newest few are kept."""
        ...

    async def versions(self, ref: WorkloadRef, limit: int) -> list[ConfigVersion]:
        """Return the versions of a map, newest first."""
        ...
