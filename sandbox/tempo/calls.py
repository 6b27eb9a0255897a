"""How one request runs through the platform: who calls whom, for how long, and who fails.

    log line ──kind of request──> tree of calls ──durations from the signals──> spans

A service takes as long as its latency signal says at that moment; what its callees and its usual
own work do not fill is time inside it, and for order-api that is its transaction.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sandbox.loki.lines import Line
from sandbox.world.noise import key_of
from sandbox.world.signals import PROFILES

Medians = Callable[[str], float]  # seconds a service's request takes at that moment, by name
_SAID_MS = re.compile(r"(?:after|waited) (\d+)ms|status=504 \S+ duration_ms=(\d+)")
_NOISE_WORDS = re.compile(r"\s*request_id=\S+.*$")
_GATEWAY_SECONDS = 0.004  # the gateway's own work
_OVERHEAD = 0.12  # of a service's usual time: its own work beside its calls
TRANSACTION = "order transaction"


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
    below: list["_Call"] = field(default_factory=list)
    seconds: float = 0.0
    kind: str = "SPAN_KIND_SERVER"
    failure: str = ""


def spans_of(trace_id: str, line: Line, medians: Medians) -> list[Span]:
    """Return the spans of the trace that a line belongs to, callers before callees."""
    service = dict(line.labels)["service"]
    ticker = "path=/v1/ticker" in line.text or service == "market-data"
    root = _ticker() if ticker else _order()
    _time(root, trace_id, medians)
    said = _SAID_MS.search(line.text)
    if said and not ticker:
        _stretch(root, float(said[1] or said[2]) / 1000)
    if dict(line.labels)["level"] == "error":
        _fail(root, service, _NOISE_WORDS.sub("", line.text))
    return list(_placed(root, trace_id, "", line.at_ns / 1e9 - root.seconds, [0]))


def _ticker() -> _Call:
    quote = _Call("market-data", "GET /v1/ticker", [_Call("redis", "GET quote")])
    return _Call("gateway", "GET /v1/ticker", [quote])


def _order() -> _Call:
    risk = _Call(
        "risk-engine",
        "CheckMargin",
        [_Call("redis", "GET margin"), _Call("postgres", "SELECT positions")],
    )
    match = _Call("matching-engine", "Match", [_Call("kafka", "PRODUCE trades")])
    entry = _Call("ledger", "CommitEntry", [_Call("postgres", "INSERT entries")])
    inside = _Call(
        "order-api",
        TRANSACTION,
        [entry, _Call("postgres", "UPDATE orders")],
        kind="SPAN_KIND_INTERNAL",
    )
    return _Call(
        "gateway", "POST /v1/orders", [_Call("order-api", "POST /v1/orders", [risk, match, inside])]
    )


def _time(call: _Call, trace_id: str, medians: Medians) -> None:
    """Give every call its duration, callees first."""
    for each in call.below:
        _time(each, trace_id, medians)
    inside = sum(each.seconds for each in call.below)
    if call.kind == "SPAN_KIND_INTERNAL":
        call.seconds = inside * 1.04
    elif call.service == "gateway":
        call.seconds = inside + _GATEWAY_SECONDS * (0.5 + _draw(trace_id, "gateway"))
    else:
        profile = PROFILES[call.service]
        share = 0.03 + 0.94 * _draw(trace_id, call.service, call.name)
        sampled = medians(call.service) * (share / (1 - share)) ** (1 / profile.shape)
        call.seconds = max(sampled, inside + _OVERHEAD * profile.median_seconds)
        _fill(call, call.seconds - inside - _OVERHEAD * profile.median_seconds)


def _fill(call: _Call, spare: float) -> None:
    """Let a service's spare time pass in its internal step, where it has one."""
    for each in call.below:
        if each.kind == "SPAN_KIND_INTERNAL":
            each.seconds += max(spare, 0.0)


def _stretch(root: _Call, least: float) -> None:
    """Make order-api's transaction last as long as the line says, and its callers with it."""
    order = root.below[0]
    inside = order.below[-1]
    missing = least - inside.seconds
    if missing > 0:
        for each in (inside, order, root):
            each.seconds += missing


def _fail(call: _Call, service: str, said: str) -> bool:
    """Mark the call of the failed service, and its callers."""
    if call.service == service and call.kind == "SPAN_KIND_SERVER":
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
