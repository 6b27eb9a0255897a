"""What a metric can be in a chain: it starts one, carries it, or only shows it.

The catalogue's role comes first; without one, unit and name speak, and what neither of them tells
starts nothing.

    start  exhausted resource, throttled processor, dominating part, surge, unexplained slowness
    carry  saturation, queue, lag, hit ratio
    show   latency and errors that callees explain, availability, business, what is unknown
"""

from __future__ import annotations

from tools.world import MetricRole, MetricSpec

# Of a resource in use from which it is exhausted; the catalogue's limit may say so earlier.
EXHAUSTED = 0.98
THROTTLED = 0.25  # of its periods a processor limit held a container: it waits, whatever else
_THROTTLE = ("throttl", "cpu_cfs", "cfs_period")
_LOSS = ("retrans", "packet_loss", "packetloss", "dropped_packets", "packets_dropped")
_LATENCY = frozenset({"latency", "duration", "seconds", "ms", "milliseconds", "rtt", "took"})
_ERRORS = frozenset({"error", "errors", "failed", "failures", "exceptions", "5xx"})
_TRAFFIC = frozenset({"requests", "rps", "qps", "calls", "throughput"})
_LAG = frozenset({"lag", "backlog", "queue", "pending", "waiting", "unacked", "depth", "behind"})
_FULL = frozenset({"usage", "used", "utilization", "utilisation", "saturation", "inuse"})
_HITS = frozenset({"hit", "hits"})
RESOURCES = ("cpu", "memory", "disk", "connections", "threads", "files", "inodes", "network")


def role_of(spec: MetricSpec) -> MetricRole | None:
    """Return what a metric tells, by the catalogue, else by unit and name; None: not known."""
    if spec.role is not None:
        return spec.role
    words = _words_of(spec)
    for role, told in (
        (MetricRole.ERRORS, _ERRORS),
        (MetricRole.LAG, _LAG),
        (MetricRole.SATURATION, _FULL),
        (MetricRole.TRAFFIC, _TRAFFIC),
    ):
        if words & told:
            return role
    timed = spec.unit in {"seconds", "milliseconds", "ms", "s"}
    return MetricRole.LATENCY if words & _LATENCY and timed else None


def resource_of(spec: MetricSpec) -> str:
    """Return what a saturation is of; empty when nothing says."""
    if spec.resource:
        return spec.resource
    name = spec.name.lower()
    return next((each for each in RESOURCES if each in name or each[:-1] in name), "")


def is_throttling(spec: MetricSpec) -> bool:
    """Say whether a metric tells how often a processor limit held a container."""
    return any(each in f"{spec.name} {spec.query}".lower() for each in _THROTTLE)


def is_loss(spec: MetricSpec) -> bool:
    """Say whether a metric tells of packets that did not arrive."""
    return any(each in f"{spec.name} {spec.query}".lower() for each in _LOSS)


def counts_restarts(spec: MetricSpec) -> bool:
    """Say whether a metric tells how often something began anew: a symptom, whatever its role."""
    return bool(_words_of(spec) & {"restart", "restarts"}) or "restarts_total" in spec.query


def is_hit_ratio(spec: MetricSpec) -> bool:
    """Say whether a metric tells how often a cache had it."""
    return bool(_words_of(spec) & _HITS)


def statistic_of(spec: MetricSpec) -> str:
    """Return what a duration is of its requests: mean, median or tail.

    Means add up along calls, medians nearly; what the slowest do says little of who holds them up.
    """
    words = _words_of(spec)
    divided = "_sum" in spec.query and "_count" in spec.query
    if divided or words & {"avg", "mean", "average"}:
        return "mean"
    middle = any(each in spec.query for each in ("quantile(0.5,", "quantile(.5,", 'quantile="0.5"'))
    if middle or words & {"p50", "median"} or any(each.startswith("p50") for each in words):
        return "median"
    return "tail"


def is_additive(spec: MetricSpec) -> bool:
    """Say whether parts of it add up to a whole: rates and counts do, shares and durations not."""
    if spec.unit in {"ratio", "percent", "%", "seconds", "milliseconds", "ms"}:
        return False
    return role_of(spec) is not MetricRole.LATENCY


def is_exhausted(spec: MetricSpec, value: float) -> bool:
    """Say whether a resource has nothing left."""
    used = spec.share_of_limit(value)
    if spec.unit in {"ratio", "percent", "%"}:
        whole = 1.0 if spec.unit == "ratio" else 100.0
        return value >= EXHAUSTED * whole or bool(used is not None and used >= 1.0)
    return bool(used is not None and used >= 1.0)


def _words_of(spec: MetricSpec) -> set[str]:
    return set(spec.name.lower().replace(":", "_").replace("-", "_").split("_"))
