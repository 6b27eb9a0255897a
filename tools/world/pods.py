"""A pod as its cluster reports it: its containers of every class, and what its conditions lack.

PodStatus ──containers──> ContainerStatus ──last──> Ending     (how it ended, and when)
    └──conditions──> Stated                                    (Ready=False, because …)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tools.world.names import WorkloadRef

# A container that waits for one of these waits for others: it says nothing of its own.
NOT_BEGUN = frozenset({"ContainerCreating", "PodInitializing"})


class ContainerKind(StrEnum):
    """What a container is to its pod."""

    INIT = "init"  # must end well before the others start
    SIDECAR = "sidecar"  # an init container that stays (`restartPolicy: Always`)
    APP = "app"
    EPHEMERAL = "ephemeral"  # added for debugging, never started again


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended; `signal` is 0 where none is told."""

    exit_code: int
    signal: int
    reason: str  # "OOMKilled", "Error", "Completed"
    message: str  # its last words, where the cluster keeps them
    began: datetime | None
    at: datetime | None

    @property
    def is_good(self) -> bool:
        """Whether it ended as it should."""
        return self.exit_code == 0 and self.reason in {"", "Completed"}


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """One container of a pod."""

    name: str
    kind: ContainerKind
    image: str
    phase: str  # "running" | "waiting" | "terminated"; "unknown" until the kubelet reports
    ready: bool
    restarts: int
    reason: str = ""  # why it waits
    message: str = ""  # the same in words
    since: datetime | None = None  # when it began to run
    last: Ending | None = None  # how it ended, now or the time before

    @property
    def is_unwell(self) -> bool:
        """Whether something is wrong with it now."""
        if self.phase == "waiting":
            return self.reason not in NOT_BEGUN
        if self.phase == "terminated":
            return self.last is not None and not self.last.is_good
        serves = self.kind in {ContainerKind.APP, ContainerKind.SIDECAR}
        return self.phase == "running" and serves and not self.ready


@dataclass(frozen=True, slots=True)
class Stated:
    """One condition of an object that is not as it should be."""

    type: str  # "PodScheduled", "ReplicaFailure", …
    holds: bool | None  # None: the cluster does not know
    reason: str = ""
    message: str = ""
    since: datetime | None = None

    def __str__(self) -> str:
        """Return `type=False`, as people write it."""
        return f"{self.type}={'Unknown' if self.holds is None else self.holds}"


@dataclass(frozen=True, slots=True)
class PodStatus:
    """One pod as the cluster reports it."""

    ref: WorkloadRef
    phase: str
    ready: bool
    restarts: int  # of all its containers
    started_at: datetime | None
    image: str
    reason: str = ""  # "CrashLoopBackOff", "OOMKilled", … empty when healthy
    node: str = ""
    message: str = ""  # what the cluster says of the whole pod, such as why it was evicted
    created_at: datetime | None = None
    containers: tuple[ContainerStatus, ...] = ()
    conditions: tuple[Stated, ...] = ()  # those that are not met
    deleted_at: datetime | None = None  # when its deletion was due
    finalizers: tuple[str, ...] = ()  # who must let go before it is deleted

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to say of it: it serves, or has done its work."""
        return self.phase == "Succeeded" or (self.ready and self.deleted_at is None)

    def reasons_since(self, start: datetime) -> Iterator[str]:
        """Yield why it is unwell, and why its containers ended since then: was is not is."""
        lately = {e.last.reason for e in self.containers if e.last and _after(e.last.at, start)}
        ended = {e.last.reason for e in self.containers if e.last}
        if self.reason and (self.reason not in ended or self.reason in lately):
            yield self.reason
        for each in self.containers:
            if each.is_unwell and each.reason:
                yield each.reason
            if each.last is not None and not each.last.is_good and each.last.reason in lately:
                yield each.last.reason
        yield from (each.reason for each in self.conditions if each.reason)


def _after(at: datetime | None, start: datetime) -> bool:
    return at is None or at >= start
