"""Who holds a total: which statement, wait, user, host or route makes the load what it is.

    parts of a total, now and before ──> share of what was added (of the total where nothing was)
    time and number of one holder    ──> volume (more of it) or cost (each takes longer)

More calls at the same cost and the same calls at a higher cost are different causes with different
remedies. Sessions that wait for their client while connections rise leak; those that wait for CPU
or disk work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

DOMINATES = 0.5  # share of a bad load
ADDED = 0.2  # of the total before: less is no addition


class Driver(StrEnum):
    """Why a holder takes more."""

    VOLUME = "volume"
    COST = "cost"
    BOTH = "both"
    UNKNOWN = "unknown"


class Waits(StrEnum):
    """What waiting sessions tell."""

    LEAK = "leak"
    WORK = "work"
    LOCK = "lock"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Holder:
    """The part that holds most of a total."""

    name: str
    share: float  # of what was added, in [0, 1]; of the whole where nothing was
    added: bool  # whether it is a share of an addition
    value: float  # now, in the unit of the total
    usual: float  # before


def holder_of(now: Mapping[str, float], before: Mapping[str, float]) -> Holder | None:
    """Return the part with half of a total or more, None when no part has so much."""
    total, past = _sum(now), _sum(before)
    grown = {name: max(value - before.get(name, 0.0), 0.0) for name, value in now.items()}
    added = total - past > ADDED * max(past, 1e-12) and _sum(grown) > 0
    parts, whole = (grown, _sum(grown)) if added else (dict(now), total)
    if not parts or whole <= 0:
        return None
    name = min(parts, key=lambda each: (-parts[each], each))
    share = parts[name] / whole
    if share < DOMINATES or len(parts) < 2:
        return None
    return Holder(name, share, added, now[name], before.get(name, 0.0))


def driver_of(
    time_now: float, time_before: float, number_now: float, number_before: float
) -> Driver:
    """Say whether a holder's time rose by its number or by what each costs; all are rates > 0."""
    if min(time_now, time_before, number_now, number_before) <= 0:
        return Driver.VOLUME if number_before <= 0 < number_now else Driver.UNKNOWN
    volume = math.log(number_now / number_before)
    cost = math.log(time_now / time_before) - volume
    if max(volume, cost) <= math.log(1 + ADDED):
        return Driver.UNKNOWN
    if volume > 2 * max(cost, 0.0):
        return Driver.VOLUME
    return Driver.COST if cost > 2 * max(volume, 0.0) else Driver.BOTH


# PostgreSQL's wait_event_type and states, MySQL's processlist: docs of each.
_IDLE = frozenset(
    {"client", "idle", "idle in transaction", "sleep", "idle in transaction (aborted)"}
)
_BUSY = frozenset({"io", "cpu", "active", "running", "bufferpin", "executing", ""})
_LOCKS = frozenset({"lock", "lwlock", "waiting for table metadata lock"})


def waits_of(holder: str, *, connections_rise: bool) -> Waits:
    """Say what a dominating wait or state means."""
    name = holder.strip().lower()
    if name in _IDLE:
        return Waits.LEAK if connections_rise else Waits.OTHER
    if name in _LOCKS:
        return Waits.LOCK
    return Waits.WORK if name in _BUSY else Waits.OTHER


def _sum(parts: Mapping[str, float]) -> float:
    return math.fsum(value for value in parts.values() if value == value)  # noqa: PLR0124 - NaN
