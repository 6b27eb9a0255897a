"""What a question's words mean: windows, ends, metric and service names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import re2

from foundation.encodings import writable
from foundation.nearest import nearest
from tools.errors import BadArgumentError, NotFoundError
from tools.fleet import P, pick
from tools.observe.spoken_times import SKEW, compact, moment, range_of
from tools.ports import Clock
from tools.world import Catalogue, MetricSpec, ServiceSpec, Window

_WINDOW = re2.compile(r"(\d+)\s*(s|m|h|d|w)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
LONGEST = timedelta(days=31)
SHORTEST = timedelta(minutes=1)


def duration_of(text: str) -> timedelta:
    """Read `15m`, `1h`, `7d`, `1h30m` or `last 30 minutes`. Raises BadArgumentError."""
    short = compact(text).lower().replace(" ", "")
    parts = _WINDOW.findall(writable(short))
    if not parts or "".join(n + u for n, u in parts) != short:
        raise BadArgumentError(
            f"window {text!r} is not a duration; write 15m, 1h, 6h, 24h or 7d, or two times of "
            "day in UTC, 14:05-14:20"
        )
    length = timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))
    if not SHORTEST <= length <= LONGEST:
        raise BadArgumentError(f"window {text!r} must be between 1m and 31d")
    return length


def window_of(clock: Clock, window: str, until: str) -> Window:
    """Return the window of a length that ends at `until` (empty: now), or that names both ends.

    Both are read as a person types them (`tools.observe.spoken_times`), in UTC.
    """
    now = clock.now()
    end = moment(until, now)
    if end is None:
        raise BadArgumentError(
            f"until {until!r} is no time; write 2026-11-20T14:05:00Z or 14:05 (UTC), or leave it "
            "empty for now"
        )
    if end > now + SKEW:
        raise BadArgumentError(f"until {until!r} lies in the future; now is {stamp(now)}")
    ends = range_of(window, now)
    if ends is None:
        return Window.ending(min(end, now), duration_of(window))
    if until.strip() and abs(end - ends[1]) > SKEW:
        raise BadArgumentError(
            f"window {window!r} ends at {stamp(ends[1])} and until says {stamp(end)}; leave one out"
        )
    length = ends[1] - ends[0]
    if not SHORTEST <= length <= LONGEST:
        raise BadArgumentError(f"window {window!r} must be between 1m and 31d")
    return Window(*ends)


def metric_of(catalogue: Catalogue, name: str) -> MetricSpec:
    """Return a catalogued metric. Raises NotFoundError with the nearest name."""
    for known, spec in catalogue.metrics.items():
        if known == name.strip():
            return spec
    raise NotFoundError(f"no metric {name!r} in the catalogue.{nearest(name, catalogue.metrics)}")


def service_of(catalogue: Catalogue, name: str) -> ServiceSpec:
    """Return a service by name or alias. Raises NotFoundError with the nearest name."""
    wanted = name.strip().lower()
    for known, spec in catalogue.services.items():
        if known.lower() == wanted or wanted in {alias.lower() for alias in spec.aliases}:
            return spec
    hint = "; objects are what list_events and kubernetes_get take" if "/" in wanted else ""
    meant = nearest(wanted.rpartition("/")[2], catalogue.services)
    raise NotFoundError(f"no service {name!r} in the catalogue{hint}.{meant}")


def place_of(port: P, catalogue: Catalogue, service: str, instance: str) -> tuple[str, P]:
    """Return the service's own name and the instance to ask; without a service all of them."""
    if not service:
        return "", pick(port, instance)
    spec = service_of(catalogue, service)
    return spec.name, pick(port, instance, cluster=spec.cluster)


def stamp(at: datetime) -> str:
    """Return a time as summaries print it: UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def span(window: Window) -> str:
    """Return a window as summaries print it."""
    return f"{stamp(window.start)} to {stamp(window.end)}"
