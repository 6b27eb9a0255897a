"""All traces of the platform, asked by time or by id; nothing is stored."""

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sandbox.loki.lines import Line, Logs
from sandbox.tempo.calls import Span, spans_of
from sandbox.world.blueprint import Blueprint
from sandbox.world.noise import STEP_SECONDS
from sandbox.world.requests import second_of
from sandbox.world.signals import Signals

_BLOCK, _KEPT_BLOCKS = 600.0, 40  # seconds; a block of the log is written at once, too
_STRETCH_STEPS = 120  # half an hour
_LONGEST = 15.0  # seconds; no request of the platform takes longer


@dataclass(frozen=True)
class Trace:
    """One trace: the root is the first span."""

    id: str
    spans: list[Span]

    @property
    def root(self) -> Span:
        """The span without a caller."""
        return self.spans[0]


class Traces:
    """Every traced request."""

    def __init__(self, logs: Logs, signals: Signals) -> None:
        """Tell of the requests that `logs` name, as long as `signals` say they took."""
        self._logs = logs
        self._signals = signals
        self._world = signals.blueprint
        self._past: OrderedDict[tuple[int, float, object], list[Trace]] = OrderedDict()

    def backward(self, start: float, end: float, now: float) -> Iterator[Trace]:
        """Yield the traces that began in [start, end) and have ended, about newest first."""
        begin = max(start, self._logs.origin)
        last = min(end + _LONGEST, now)
        for block in range(math.ceil(last / _BLOCK) - 1, math.floor(begin / _BLOCK) - 1, -1):
            for trace in self._block(block, now):
                if begin <= trace.root.start < end:
                    yield trace

    def _block(self, block: int, now: float) -> list[Trace]:
        """Return the traces whose lines were written in a block until now; remember them."""
        start, end = block * _BLOCK, min((block + 1) * _BLOCK, now)
        key = (block, end, self._signals.timeline.fingerprint(start, end))
        if key in self._past:
            self._past.move_to_end(key)
            return self._past[key]
        medians = _Medians(self._signals)
        lines = self._logs.backward(lambda _: True, start, end)
        found = [
            trace for line in lines if (trace := _trace(line, self._world, medians)) is not None
        ]
        self._past[key] = found
        if len(self._past) > _KEPT_BLOCKS:
            self._past.popitem(last=False)
        return found

    def services(self) -> Iterable[str]:
        """Return the names of the services that spans tell of."""
        return self._world.services

    def find(self, trace_id: str, now: float) -> Trace | None:
        """Return the trace with this id, or None."""
        try:
            block = int(second_of(trace_id) // _BLOCK)
        except ValueError:
            return None
        if not self._logs.origin <= block * _BLOCK <= now:
            return None
        # What was found a moment ago is found again, though the clock has moved since.
        known = [traces for key, traces in self._past.items() if key[0] == block]
        for traces in reversed(known):
            for trace in traces:
                if trace.id == trace_id:
                    return trace
        return next((t for t in self._block(block, now) if t.id == trace_id), None)


class _Medians:
    """The latency of services at a moment; a stretch of the grid is worked out at once."""

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._known: dict[tuple[str, int], list[float]] = {}

    def at(self, service: str, moment: float) -> float:
        stretch, place = divmod(int(moment // STEP_SECONDS), _STRETCH_STEPS)
        if (service, stretch) not in self._known:
            first = stretch * _STRETCH_STEPS
            steps = np.arange(first, first + _STRETCH_STEPS, dtype=np.float64)
            found = self._signals.latency(service, steps * STEP_SECONDS)
            self._known[service, stretch] = found.tolist()
        return self._known[service, stretch][place]


def _trace(line: Line, world: Blueprint, medians: _Medians) -> Trace | None:
    if not line.trace_id:
        return None
    moment = line.at_ns / 1e9
    spans = spans_of(line.trace_id, line, world, lambda service: medians.at(service, moment))
    return Trace(line.trace_id, spans)
