"""The port `Traces` over one world: requests drawn from what was measured."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from bench.incidents.graph import What
from bench.incidents.telling.exposure import Exposure
from tools.errors import NotFoundError
from tools.ports import Health
from tools.tracing import Span, Trace, TraceHead
from tools.world import ServiceName, Window


class WorldTraces:
    """`tools.ports.Traces` over a world: requests drawn from what was measured."""

    def __init__(self, x: Exposure) -> None:
        """Draw when asked."""
        self.x, self.graph, self.track = x, x.incident.stage.graph, x.incident.track
        self.seen = {
            p.name
            for p in self.graph.parts
            if x.watched[p.number] == "all" and p.what is What.SERVICE
        }
        self.kept: dict[str, Trace] = {}

    async def find(
        self,
        service: str,
        window: Window,
        *,
        minimum_duration: timedelta = timedelta(0),
        errors_only: bool = False,
        limit: int = 20,
    ) -> list[TraceHead]:
        """Return requests of a service, slowest first."""
        number = next(
            (p.number for p in self.graph.parts if p.name == service and service in self.seen), None
        )
        if number is None:
            return []
        incident = self.x.incident
        ends = self.track.times
        since, until = ((t - incident.start).total_seconds() for t in (window.start, window.end))
        steps = np.flatnonzero((ends > since) & (ends <= until))
        random = np.random.default_rng([incident.seed, 41, number])
        heads = []
        for step in (
            random.choice(steps, size=min(60, len(steps)), replace=False) if steps.size else ()
        ):
            trace = self._trace(number, int(step), random)
            root = trace.root
            if root.duration < minimum_duration or (errors_only and not root.failed):
                continue
            self.kept[trace.id] = trace
            heads.append(
                TraceHead(trace.id, root.service, root.name, root.start, root.duration, root.failed)
            )
        return sorted(heads, key=lambda head: (-head.duration, head.id))[:limit]

    def _trace(self, number: int, step: int, random: np.random.Generator) -> Trace:
        spans: list[Span] = []
        start = self.x.incident.at(self.track.times[step])
        name = f"{int(random.integers(2**62)):032x}"
        self._span(number, step, "", start, random, spans, 0)
        return Trace(name, tuple(spans))

    def _span(
        self,
        number: int,
        step: int,
        parent: str,
        start: datetime,
        random: np.random.Generator,
        spans: list[Span],
        depth: int,
    ) -> timedelta:
        part = self.graph.parts[number]
        place = len(spans)
        own = f"{place:016x}"
        links = [
            e for e, each in enumerate(self.graph.links) if each.caller == number and each.waits
        ]
        at, below = start + timedelta(milliseconds=0.3), 0.0
        spans.append(Span(own, parent, ServiceName(part.name), "GET /v1", start, timedelta(0)))
        for e in links:
            link = self.graph.links[e]
            if random.random() > link.calls or depth > 6:
                continue
            callee = self.graph.parts[link.callee]
            mean = float(self.track.link_slow[step, e])
            took = timedelta(seconds=mean * random.lognormal(-0.1, 0.45))
            failed = random.random() < float(self.track.link_failed[step, e].sum())
            if callee.name in self.seen:
                took = self._span(link.callee, step, own, at, random, spans, depth + 1)
            else:  # only the caller's side is told
                spans.append(
                    Span(
                        f"{len(spans):016x}",
                        own,
                        ServiceName(part.name),
                        f"call {callee.name}",
                        at,
                        took,
                        failed,
                        labels_peer(callee.name) if failed else "",
                    )
                )
            at += took
            below += mean * link.calls
        self_time = max(float(self.track.slow[step, 0, number]) - below, 0.0005)
        end = at + timedelta(seconds=self_time * random.lognormal(-0.1, 0.45))
        failed = random.random() < float(self.track.failed[step, 0, number])
        spans[place] = Span(
            own, parent, ServiceName(part.name), "GET /v1", start, end - start, failed
        )
        return end - start

    async def get(self, trace_id: str) -> Trace:
        """Return one trace."""
        if trace_id not in self.kept:
            raise NotFoundError(f"no trace {trace_id!r}")
        return self.kept[trace_id]

    async def services(self) -> list[str]:
        """Return who sends spans."""
        return sorted(self.seen)

    def link(self, trace_id: str) -> str:  # noqa: ARG002 - the port's
        """Return no address."""
        return ""

    async def health(self) -> Health:
        """Return that it is up."""
        return Health("traces", up=True)


def labels_peer(name: str) -> str:
    """Return what a client's span says when the other side failed."""
    return f"request to {name} failed"
