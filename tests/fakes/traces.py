"""Traces from memory."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tools.errors import BackendError, NotFoundError
from tools.ports import Health
from tools.tracing import Span, Trace, TraceHead
from tools.world import ServiceName, Window


def span(
    start: datetime,
    name: str,
    parent: str,
    service: str,
    begin_ms: float,
    end_ms: float,
    *,
    failed: str = "",
) -> Span:
    """Return a span by its place in milliseconds after `start`; its id is its name."""
    return Span(
        id=name,
        parent=parent,
        service=ServiceName(service),
        name=name,
        start=start + timedelta(milliseconds=begin_ms),
        duration=timedelta(milliseconds=end_ms - begin_ms),
        failed=bool(failed),
        message=failed,
    )


class FakeTraces:
    """Holds traces; searches as the port says: by spans of the service, slowest first."""

    def __init__(self, traces: Iterable[Trace] = ()) -> None:
        self.traces = {trace.id: trace for trace in traces}
        self.broken: BackendError | None = None

    async def find(
        self,
        service: str,
        window: Window,
        *,
        minimum_duration: timedelta = timedelta(0),
        errors_only: bool = False,
        limit: int = 20,
    ) -> list[TraceHead]:
        self._check()
        found = []
        for trace in self.traces.values():
            root = trace.root
            matched = [
                each
                for each in trace.spans
                if each.service == service
                and each.duration >= minimum_duration
                and (each.failed or not errors_only)
            ]
            if matched and window.start <= root.start < window.end:
                failed = any(each.failed for each in matched)
                found.append(
                    TraceHead(trace.id, root.service, root.name, root.start, root.duration, failed)
                )
        return sorted(found, key=lambda head: (-head.duration, head.id))[:limit]

    async def get(self, trace_id: str) -> Trace:
        self._check()
        if trace_id not in self.traces:
            raise NotFoundError(f"no trace {trace_id!r}")
        return self.traces[trace_id]

    async def services(self) -> list[str]:
        self._check()
        return sorted({each.service for trace in self.traces.values() for each in trace.spans})

    def link(self, trace_id: str) -> str:
        return f"https://traces.example/{trace_id}"

    async def health(self) -> Health:
        return Health("traces", up=self.broken is None, detail=str(self.broken or ""))

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken
