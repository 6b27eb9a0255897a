"""What everything in the world is called by and measured with: names, labels, windows, severity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

MetricName = NewType("MetricName", str)
ServiceName = NewType("ServiceName", str)
Floats = npt.NDArray[np.float64]
Labels = tuple[tuple[str, str], ...]  # sorted by name, so that it can be a key
DEFAULT_CLUSTER = "default"  # what the only cluster is called while nobody names it


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1123, as Kubernetes has it


def is_namespace(name: str) -> bool:
    """Say whether a Kubernetes namespace can be called this."""
    return _NAMESPACE.fullmatch(name) is not None


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """Return the mapping as sorted pairs: hashable, equal when the labels are equal."""
    return tuple(sorted((str(k), str(v)) for k, v in mapping.items()))


class Direction(StrEnum):
    """Which way of a metric is bad."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


class MetricRole(StrEnum):
    """What a metric tells of its service; rules, playbooks and answers speak of it."""

    LATENCY = "latency"
    ERRORS = "errors"
    TRAFFIC = "traffic"
    SATURATION = "saturation"  # how full something is that has an end: `resource` says what
    LAG = "lag"  # how far something is behind: a queue, a replica, a synchronisation
    AVAILABILITY = "availability"
    BUSINESS = "business"

    @property
    def bad_direction(self) -> Direction:
        """Where trouble lies for a metric of this role that does not say."""
        falls = self in {MetricRole.TRAFFIC, MetricRole.AVAILABILITY}
        return Direction.DOWN if falls else Direction.UP


class Severity(StrEnum):
    """Severity of an anomaly by deviation: < 3 σ low, 3–4 medium, 4–5 high, ≥ 5 critical."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """Return 0 for low … 3 for critical."""
        return list(Severity).index(self)

    @classmethod
    def of_deviation(cls, sigma: float) -> Severity:
        """Return the severity of a deviation given in standard deviations."""
        size = abs(sigma)
        if size >= 5:
            return cls.CRITICAL
        if size >= 4:
            return cls.HIGH
        return cls.MEDIUM if size >= 3 else cls.LOW


@dataclass(frozen=True, slots=True)
class Window:
    """A closed span of world time, both ends aware UTC, `start < end`."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse a window that is empty, backwards or without a time zone."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"a window needs aware times, got {self.start!r} … {self.end!r}")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts, got {self.start} … {self.end}")

    @classmethod
    def ending(cls, end: datetime, duration: timedelta) -> Window:
        """Return the window of `duration` that ends at `end`."""
        return cls(end - duration, end)

    @property
    def duration(self) -> timedelta:
        """Length of the window."""
        return self.end - self.start

    def overlaps(self, first: datetime, last: datetime) -> bool:
        """Say whether what lasted from `first` to `last` was there at some moment of it."""
        return first <= self.end and last >= self.start


@dataclass(frozen=True, slots=True)
class WorkloadRef:
    """One object of one cluster. `uid` is empty until it was read from the cluster."""

    cluster: str
    namespace: str
    kind: str  # "Deployment", "Pod", "StatefulSet", "Node", "ConfigMap", …
    name: str
    uid: str = ""

    def __str__(self) -> str:
        """Return `namespace/Kind/name`, what a person reads; another cluster's name leads."""
        place = "" if self.cluster in {"", DEFAULT_CLUSTER} else f"{self.cluster}:"
        return f"{place}{self.namespace}/{self.kind}/{self.name}"
