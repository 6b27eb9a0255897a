"""Events as intervals, read from core/v1 and events.k8s.io/v1, and remembered longer than there.

Both APIs serve the same stored objects, each in its own words: a cluster that repeats an event
writes `count` and `lastTimestamp`, or a `series`; the newer API calls the former `deprecated…`.
What both tell is one event, by uid.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tools.backends.kubernetes.failures import Object
from tools.kubernetes_conditions import time_of
from tools.world import ClusterEvent, WorkloadRef

MOST_EVENTS = 5_000  # remembered of one cluster; the oldest go first
STAMPS = ("lastTimestamp", "deprecatedLastTimestamp", "eventTime")
FIRST = ("firstTimestamp", "deprecatedFirstTimestamp", "eventTime")


def bare_event(item: Object) -> Object:
    """Return an event without the record of who wrote which field."""
    own = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": own}


class EventMemory:
    """Events by uid as a watch saw them, which the cluster has forgotten by now."""

    def __init__(self) -> None:
        self._items: dict[str, Object] = {}

    async def seen(self, kind: str, before: Object | None, after: Object | None) -> None:  # noqa: ARG002 - what a watch tells
        """Keep the newest state of an event; one that the cluster forgets stays."""
        if after is None:
            return
        uid = str(after["metadata"].get("uid", ""))
        self._items.pop(uid, None)
        self._items[uid] = after
        while len(self._items) > MOST_EVENTS:
            del self._items[next(iter(self._items))]

    def of(self, namespace: str) -> list[Object]:
        """Return what is remembered of a namespace, of all when none is named."""
        return [
            item
            for item in self._items.values()
            if not namespace or item["metadata"].get("namespace") == namespace
        ]


def event_of(item: Object, cluster: str) -> ClusterEvent | None:
    """Return the event an object of either API tells, None for one without any time."""
    series = item.get("series") or {}
    own = item.get("metadata") or {}
    made = own.get("creationTimestamp")
    at = _first(series.get("lastObservedTime"), *map(item.get, STAMPS), made)
    if at is None:
        return None
    about = item.get("involvedObject") or item.get("regarding") or {}
    count = series.get("count") or item.get("count") or item.get("deprecatedCount") or 1
    return ClusterEvent(
        at=at,
        workload=WorkloadRef(
            cluster,
            about.get("namespace", ""),
            about.get("kind", ""),
            about.get("name", ""),
            about.get("uid", ""),
        ),
        type=item.get("type") or "Normal",
        reason=item.get("reason") or "",
        message=item.get("message") or item.get("note") or "",
        count=int(count),
        first=_first(*map(item.get, FIRST), made),
    )


def told_once(items: Iterable[Object], cluster: str) -> list[ClusterEvent]:
    """Return each event once, in its newest state, newest first.

    Who has no uid is known by what it says and when it was first and last seen.
    """
    found: dict[object, ClusterEvent] = {}
    for item in items:
        event = event_of(item, cluster)
        if event is None:
            continue
        key = str((item.get("metadata") or {}).get("uid") or "") or event
        known = found.get(key)
        if known is None or (known.at, known.count) < (event.at, event.count):
            found[key] = event
    once = dict.fromkeys(found.values())
    return sorted(once, key=lambda event: event.at, reverse=True)


def _first(*stamps: str | None) -> datetime | None:
    """Return the first that is a time; who leaves one out writes null, or the zero of Go."""
    return next((at for stamp in stamps if (at := time_of(stamp))), None)
