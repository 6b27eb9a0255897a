"""Where the time of one trace went.

    walk back from the root's end: the child that ended last before this moment was waited for;
    time in which no child ran is the span's own

          root  ├────────────────────────┤      own: root 3+2+1, a 2, b 7, c 9
          a        ├────┤                       (a counts until b began: from then on b was waited
          b          ├──────┤                    for, whatever a still did)
          c                   ├────────┤

Every moment of the root belongs to exactly one span, so the shares of a path sum to 1. Clocks of
machines differ and children outlive their parents: what lies outside the parent is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tools.tracing import HotSpot, PathStep, SlowPath, Span, Trace
from tools.world import ServiceName

MAX_SPANS = 50_000  # of one trace; the rest is left out, earliest spans first kept
_NOTHING = timedelta(0)


def critical_path(trace: Trace) -> SlowPath:
    """Return the spans that were waited for with their own time, largest first."""
    root = trace.root
    below = _children(trace.spans[:MAX_SPANS], root)
    own: dict[str, timedelta] = {root.id: _NOTHING}
    spans = {root.id: root}
    # (span, from, until): the stretch of the root's time that this span answers for
    todo: list[tuple[Span, datetime, datetime]] = [(root, root.start, root.end)]
    while todo:
        span, begin, until = todo.pop()
        spans[span.id] = span
        for child in below.get(span.id, ()):  # latest end first
            start, end = max(child.start, begin), min(child.end, until)
            if end <= start:
                continue
            own[span.id] = own.get(span.id, _NOTHING) + (until - end)
            todo.append((child, start, end))
            until = start
        own[span.id] = own.get(span.id, _NOTHING) + (until - begin)
    whole = max(root.duration, timedelta(microseconds=1))
    steps = [PathStep(spans[name], time, time / whole) for name, time in own.items()]
    ranked = sorted(steps, key=lambda step: -step.self_time)
    return SlowPath(trace, tuple(s for s in ranked if s.self_time > _NOTHING) or tuple(ranked[:1]))


def _children(spans: Sequence[Span], root: Span) -> Mapping[str, Sequence[Span]]:
    """Return the spans below each span, latest end first; what hangs on nothing, on the root."""
    known = {span.id: span for span in spans} | {root.id: root}
    below: dict[str, list[Span]] = {}
    for span in known.values():
        if span.id != root.id:
            above = span.parent if span.parent in known else root.id
            below.setdefault(above, []).append(span)
    reached, front = {root.id}, [root.id]
    while front:
        found = [child.id for child in below.get(front.pop(), ())]
        reached.update(found)
        front += found
    circles = [span for span in known.values() if span.id not in reached]
    for span in circles:  # spans that name each other as parents
        below[span.parent].remove(span)
        below.setdefault(root.id, []).append(span)
    for members in below.values():
        members.sort(key=lambda span: (span.end, span.start), reverse=True)
    return below


def hot_spots(paths: Sequence[SlowPath]) -> list[HotSpot]:
    """Return the operations in which the traces spend their time, largest share first."""
    whole = sum((path.trace.root.duration for path in paths), _NOTHING)
    parts: dict[tuple[ServiceName, str], list[timedelta]] = {}
    for path in paths:
        own: dict[tuple[ServiceName, str], timedelta] = {}
        for step in path.steps:
            key = (step.span.service, step.span.name)
            own[key] = own.get(key, _NOTHING) + step.self_time
        for key, time in own.items():
            parts.setdefault(key, []).append(time)
    found = [
        HotSpot(
            service=service,
            name=name,
            share=sum(times, _NOTHING) / max(whole, timedelta(microseconds=1)),
            self_time=sum(times, _NOTHING) / len(times),
            traces=len(times),
        )
        for (service, name), times in parts.items()
    ]
    return sorted(found, key=lambda spot: (-spot.share, spot.service, spot.name))
