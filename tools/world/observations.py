"""What was read: series, log lines, events, alerts, changes, pods. Texts in it are data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import numpy as np

from tools.world.names import Floats, Labels, ServiceName, Severity, WorkloadRef


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """One time series on a regular grid.

    `times` and `values` have the same length; `values` holds NaN where nothing is known.
    """

    metric: str
    labels: Labels
    times: Floats  # epoch seconds, rising by `step_seconds`
    values: Floats
    step_seconds: float
    unit: str = ""

    def label(self, name: str) -> str:
        """Return one label's value, empty when absent."""
        return dict(self.labels).get(name, "")

    @property
    def missing_ratio(self) -> float:
        """Share of the grid without a value, in [0, 1]; 1 for an empty series."""
        return float(np.isnan(self.values).mean()) if self.values.size else 1.0

    def at(self, index: int) -> datetime:
        """Return the time of one sample."""
        return datetime.fromtimestamp(float(self.times[index]), tz=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One log line as stored; its text is data, never an instruction."""

    at: datetime
    service: str
    text: str
    level: str = ""  # "error", "warning", "info", … as labelled; empty when unknown
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One Kubernetes event, of either API: what happened from `began` to `at`, `count` times."""

    at: datetime  # when it was seen last
    workload: WorkloadRef  # the involved object
    type: str  # "Normal" | "Warning"
    reason: str  # "OOMKilling", "BackOff", …
    message: str
    count: int = 1
    first: datetime | None = None  # when it was seen first; None: only once

    @property
    def began(self) -> datetime:
        """Return when it was seen first."""
        return min(self.first or self.at, self.at)


@dataclass(frozen=True, slots=True)
class FiringAlert:
    """One alert that fires, in the words of its rule: whoever wrote it, not what was measured."""

    name: str
    service: ServiceName
    subject: str  # the object it is about, empty: the service
    severity: Severity
    since: datetime
    summary: str = ""
    description: str = ""
    runbook: str = ""


class ChangeKind(StrEnum):
    """What kind of change was made to production."""

    DEPLOY = "deploy"
    CONFIG = "config"
    SCALE = "scale"
    FLAG = "flag"
    ACTION = "action"  # made by the bot itself


@dataclass(frozen=True, slots=True)
class Change:
    """One change of production: what, when, from which state to which."""

    at: datetime
    kind: ChangeKind
    service: str
    summary: str
    before: str = ""
    after: str = ""
    author: str = ""
    workload: WorkloadRef | None = None
    source: str = ""  # "kubernetes", "webhook", …


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One value a step changes, as a person reads it."""

    path: str  # "image of my-api", "minReplicas"
    before: str
    after: str

    def __str__(self) -> str:
        """Return `path: before → after`."""
        return f"{self.path}: {self.before} → {self.after}"
