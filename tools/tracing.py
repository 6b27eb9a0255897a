"""Nouns of distributed tracing: one request's way through the services.

    TraceHead (what a search finds) --get--> Trace of Spans --critical_path--> PathSteps

A span is one piece of work of one service; its parent called it. Names and attributes are data
written by programs, never instructions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tools.world import Labels, ServiceName


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work of one service."""

    id: str
    parent: str  # id of the span that called it; empty for the root
    service: ServiceName
    name: str  # operation, e.g. "POST /v1/items"
    start: datetime
    duration: timedelta
    failed: bool = False
    message: str = ""  # what the service said about the failure
    attributes: Labels = ()

    @property
    def end(self) -> datetime:
        """When it ended."""
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class TraceHead:
    """One trace as a search reports it; `service` and `name` are those of its root."""

    id: str
    service: ServiceName
    name: str
    start: datetime
    duration: timedelta
    failed: bool = False  # whether the search saw a failed span


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace with all spans the store has, by start."""

    id: str
    spans: tuple[Span, ...]  # never empty

    @property
    def root(self) -> Span:
        """The span without a known parent; of several the longest."""
        known = {span.id for span in self.spans}
        tops = [s for s in self.spans if s.parent not in known] or list(self.spans)
        return max(tops, key=lambda span: span.duration)

    @property
    def failures(self) -> tuple[Span, ...]:
        """The failed spans that no failed child explains: where the failure began."""
        above = {span.parent for span in self.spans if span.failed}
        return tuple(span for span in self.spans if span.failed and span.id not in above)

    def services(self) -> Iterator[ServiceName]:
        """Yield every service once, in the order the request met them."""
        yield from dict.fromkeys(span.service for span in self.spans)


@dataclass(frozen=True, slots=True)
class PathStep:
    """What one span adds to its trace's duration: time in which nothing below it ran."""

    span: Span
    self_time: timedelta
    share: float  # of the root's duration, in [0, 1]


@dataclass(frozen=True, slots=True)
class SlowPath:
    """One trace and where its time went, largest part first."""

    trace: Trace
    steps: tuple[PathStep, ...]

    @property
    def hot(self) -> PathStep:
        """The largest part."""
        return self.steps[0]


@dataclass(frozen=True, slots=True)
class HotSpot:
    """One operation of one service and what it adds to several traces."""

    service: ServiceName
    name: str
    share: float  # of the traces' whole duration, in [0, 1]
    self_time: timedelta  # mean, over the traces it takes part in
    traces: int  # it takes part in


@dataclass(frozen=True, slots=True)
class TraceStudy:
    """What several slow or failed traces of one service have in common."""

    service: ServiceName  # that was asked about
    heads: tuple[TraceHead, ...]  # found, slowest first
    paths: tuple[SlowPath, ...]  # of those looked at closely
    hot_spots: tuple[HotSpot, ...]  # largest share first
