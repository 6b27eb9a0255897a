"""Plans with where they are in their life, and the earlier versions they can go back to.

A plan moves only by compare-and-set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.approval import Approval
from bot.domain.ids import FindingId, PlanId
from bot.domain.plan import Plan, PlanStatus, StepRun
from tools.ports import ConfigVersion
from tools.world import (
    WorkloadRef,
)


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan with where it is in its life. `version` rises by one with every move."""

    plan: Plan
    status: PlanStatus
    approval: Approval
    version: int
    halted: bool = False  # a person asked to stop before the next step
    ended_at: datetime | None = None
    outcome: str = ""  # one sentence for people
    verify_until: datetime | None = None  # world time
    owner: str = ""  # the process that executes it
    heartbeat_at: datetime | None = None  # wall time


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

        Returns the record with its new version.
        """
        ...

    async def of_finding(self, finding_id: FindingId) -> list[PlanRecord]:
        """Return the plans proposed for a finding."""
        ...

    async def last_action_on(self, target: str) -> datetime | None:
        """Return when (world time) a step last touched this object (`str(WorkloadRef)`)."""
        ...

    async def save_step(self, step: StepRun, target: str) -> None:
        """Insert or replace one step attempt (key: plan, undo, index)."""
        ...

    async def steps(self, plan_id: PlanId) -> list[StepRun]:
        """Return a plan's step attempts: forward ones by index, then undo ones."""
        ...

    async def list(self, statuses: Sequence[PlanStatus] = (), limit: int = 100) -> list[PlanRecord]:
        """Return plans, newest first; all statuses when none is named."""
        ...


class ConfigVersions(Protocol):
    """Earlier versions of config maps."""

    async def add(self, version: ConfigVersion) -> bool:
        """Store a version; False when it is the newest already. Only the newest few are kept."""
        ...

    async def versions(self, ref: WorkloadRef, limit: int) -> list[ConfigVersion]:
        """Return the versions of a map, newest first."""
        ...
