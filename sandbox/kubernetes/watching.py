"""Watch streams: one JSON event per line until the time is up or the client leaves.

resourceVersion absent or 0 ─> ADDED for what is there ─┐
resourceVersion N ─> changes after N (410 if forgotten) ─┴─> live changes, bookmarks
"""

import asyncio
import json
from collections.abc import AsyncGenerator

from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.reading import matcher
from sandbox.kubernetes.requests import Call
from sandbox.kubernetes.selectors import Matcher
from sandbox.kubernetes.status import ApiError, Json
from sandbox.kubernetes.store import Notice

BOOKMARK_SECONDS = 30.0  # wall time between bookmarks on a quiet stream
LONGEST_SECONDS = 1800.0


def _judge(notice: Notice, matches: Matcher) -> tuple[str, Json] | None:
    """The event a stream with this selector sees: entering is ADDED, leaving is DELETED."""
    present = notice.type != "DELETED" and matches(notice.item)
    before = notice.before is not None and matches(notice.before)
    if present:
        return ("MODIFIED" if before else "ADDED"), notice.item
    return ("DELETED", notice.item) if before else None


async def stream(
    cluster: Cluster, call: Call, stopping: asyncio.Event
) -> AsyncGenerator[Json, None]:
    """Watch events of one request."""
    changed = asyncio.Event()
    cluster.on_change.append(changed.set)
    try:
        async for event in _follow(cluster, call, changed, stopping):
            yield event
    finally:
        cluster.on_change.remove(changed.set)


async def _follow(
    cluster: Cluster, call: Call, changed: asyncio.Event, stopping: asyncio.Event
) -> AsyncGenerator[Json, None]:
    matches = matcher(call)
    loop = asyncio.get_running_loop()
    seconds = call.number("timeoutSeconds")
    ends = loop.time() + (LONGEST_SECONDS if seconds is None else seconds)
    version = call.number("resourceVersion") or 0
    if not version:
        version = cluster.store.version
        for item in cluster.store.every(call.resource, call.namespace):
            if matches(item):
                yield {"type": "ADDED", "object": call.shown(item)}
    while True:
        changed.clear()
        try:
            fresh = list(cluster.store.since(version))
        except ApiError as error:
            yield {"type": "ERROR", "object": error.body()}
            return
        version = cluster.store.version if fresh else version
        for notice in fresh:
            seen = _judge(notice, matches) if notice.resource_id == call.resource.id else None
            if seen is not None:
                yield {"type": seen[0], "object": call.shown(seen[1])}
        left = ends - loop.time()
        if left <= 0 or stopping.is_set():
            if call.flag("allowWatchBookmarks"):
                yield _bookmark(call, version)
            return
        if not await _wait(changed, min(left, BOOKMARK_SECONDS)) and (
            call.flag("allowWatchBookmarks")
        ):
            yield _bookmark(call, version)


async def _wait(changed: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _bookmark(call: Call, version: int) -> Json:
    return {
        "type": "BOOKMARK",
        "object": {
            "kind": call.resource.kind,
            "apiVersion": call.resource.api_version,
            "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
        },
    }


def line(event: Json) -> bytes:
    """One event as it goes over the wire."""
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
