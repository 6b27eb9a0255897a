"""How one request runs through the platform: who calls whom, for how long, and who fails.

    log line ──kind of request──> tree of calls ──durations from the signals──> spans

A service takes as long as its latency signal says at that moment; what its callees and its usual
own work do not fill is time inside it, in the step of the journey that is marked `inside`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sandbox.loki.lines import Line
from sandbox.world.blueprint import Blueprint, Journey, Step
from sandbox.world.noise import key_of

Medians = Callable[[str], float]  # seconds a service's request takes at that moment, by name
_SAID_MS = re.compile(r"(?:after|waited) (\d+)ms|status=504 \S+ duration_ms=(\d+)")
_NOISE_WORDS = re.compile(r"\s*request_id=\S+.*$")
_OVERHEAD = 0.12  # of a service's usual time: its own work beside its calls


@dataclass(frozen=True)
class Span:
    """One piece of work."""

    id: str  # 16 hexadecimal digits
    parent: str  # empty for the root
    service: str
    name: str
    kind: str  # "SPAN_KIND_SERVER" | "SPAN_KIND_INTERNAL"
    start: float  # seconds since 1970 UTC
    seconds: float
    failure: str = ""  # what the service said; empty when it went well
    attributes: tuple[tuple[str, str], ...] = ()  # what the program noted: names and values

    @property
    def end(self) -> float:
        """When it ended."""
        return self.start + self.seconds


@dataclass
class _Call:
    service: str
    name: str
    step: Step
    below: list["_Call"] = field(default_factory=list)
    seconds: float = 0.0
    kind: str = "SPAN_KIND_SERVER"
    failure: str = ""


def spans_of(trace_id: str, line: Line, world: Blueprint, medians: Medians) -> list[Span]:
    """Return the spans of the trace that a line belongs to, callers before callees."""
    journey = _journey(world, line)
    root = _call(journey.steps)
    _time(root, trace_id, world, medians)
    said = _SAID_MS.search(line.said)
    if said:
        _stretch(root, float(said[1] or said[2]) / 1000)
    if line.level == "error":
        _fail(root, line.service, _NOISE_WORDS.sub("", line.said))
    return list(_placed(root, trace_id, "", line.at_ns / 1e9 - root.seconds, [0]))


def _journey(world: Blueprint, line: Line) -> Journey:
    for journey in world.journeys[:-1]:
        if line.service in journey.services or any(text in line.said for text in journey.said):
            return journey
    return world.journeys[-1]


def _call(step: Step) -> _Call:
    kind = "SPAN_KIND_INTERNAL" if step.inside else "SPAN_KIND_SERVER"
    return _Call(step.service, step.name, step, [_call(each) for each in step.below], kind=kind)


def _time(call: _Call, trace_id: str, world: Blueprint, medians: Medians) -> None:
    """Give every call its duration, callees first."""
    for each in call.below:
        _time(each, trace_id, world, medians)
    inside = sum(each.seconds for each in call.below)
    own = call.step.own_seconds
    if call.step.inside:
        call.seconds = inside * 1.04
    elif own is not None:
        call.seconds = inside + own * (0.5 + _draw(trace_id, call.service))
    else:
        usual = world.services[call.service]
        share = 0.03 + 0.94 * _draw(trace_id, call.service, call.name)
        sampled = medians(call.service) * (share / (1 - share)) ** (1 / usual.shape)
        call.seconds = max(sampled, inside + _OVERHEAD * usual.median_seconds)
        _fill(call, call.seconds - inside - _OVERHEAD * usual.median_seconds)


def _fill(call: _Call, spare: float) -> None:
    """Let a service's spare time pass in its internal step, where it has one."""
    for each in call.below:
        if each.step.inside:
            each.seconds += max(spare, 0.0)


def _stretch(call: _Call, least: float) -> float:
    """Make the step that holds the request last as long as the line says; return what it took."""
    if call.step.holds:
        missing = max(least - call.seconds, 0.0)
    else:
        missing = max((_stretch(each, least) for each in call.below), default=0.0)
    call.seconds += missing
    return missing


def _fail(call: _Call, service: str, said: str) -> bool:
    """Mark the call of the failed service, and its callers."""
    if call.service == service and not call.step.inside:
        call.failure = said
        return True
    for each in call.below:
        if _fail(each, service, said):
            call.failure = f"{each.service} failed"
            return True
    return False


def _placed(
    call: _Call, trace_id: str, parent: str, start: float, count: list[int]
) -> Iterator[Span]:
    """Yield the spans one after another: a caller works a little, then calls in turn."""
    count[0] += 1
    name = f"{key_of(trace_id, count[0]):016x}"
    yield Span(name, parent, call.service, call.name, call.kind, start, call.seconds, call.failure)
    inside = sum(each.seconds for each in call.below)
    at = start + (call.seconds - inside) / 2
    for each in call.below:
        yield from _placed(each, trace_id, name, at, count)
        at += each.seconds


def _draw(*parts: object) -> float:
    return key_of(*parts) / 2**64
