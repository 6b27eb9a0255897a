"""What the stores of an incident hold: series, lines, events, changes, alerts, traces."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from bench.stories.story import SPACE, Story, span
from tools.analysis.baseline import learn
from tools.tracing import Span, Trace
from tools.world import (
    Baseline,
    Catalogue,
    Change,
    ChangeKind,
    ClusterEvent,
    FiringAlert,
    Floats,
    LogLine,
    MetricName,
    Series,
    ServiceName,
    Severity,
    WorkloadRef,
    labels_of,
)

WEEK = timedelta(days=8)
STEP = 60.0
COARSE = 5  # minutes of a step that baselines are learned from
MOST_LINES = 20_000


def series_of(story: Story, catalogue: Catalogue) -> dict[str, list[Series]]:
    """Return the series by query, minute by minute for a week."""
    end = story.at.timestamp()
    count = int(WEEK.total_seconds() / STEP) + 1
    times = end - STEP * np.arange(count - 1, -1, -1, dtype=float)
    found: dict[str, list[Series]] = {}
    for entry in story.part("series"):
        spec = catalogue.metrics[MetricName(entry["metric"])]
        labels = {spec.group_by: str(entry.get("service", "")), **(entry.get("labels") or {})}
        values = _values(story, entry, times, str(labels))
        found.setdefault(spec.query, []).append(
            Series(spec.name, labels_of(labels), times, values, STEP, spec.unit)
        )
    for spec in catalogue.metrics.values():
        found.setdefault(spec.query, [])
    return found


def _values(story: Story, entry: Mapping[str, Any], times: Floats, salt: str) -> Floats:
    base = float(entry["base"])
    random = np.random.default_rng(zlib.crc32(f"{story.name} {entry['metric']} {salt}".encode()))
    day = 2 * math.pi * ((times % 86_400) / 86_400 - 0.375)
    values = base + float(entry.get("daily", 0.0)) * np.sin(day)
    shift = np.zeros_like(values)
    for move in entry.get("course") or ():
        to = float(move["to"]) - base
        if "from" in move:
            begin = story.when(move["from"]).timestamp()
            end = story.when(move.get("until", "now")).timestamp()
            inside = (times >= begin) & (times <= end)
            before = float(shift[times < begin][-1])
            part = (times[inside] - begin) / max(end - begin, STEP)
            shift[inside] = before + (to - before) * part
            shift[times > end] = to
        else:
            begin = story.when(move["at"]).timestamp()
            back = story.when(move["until"]).timestamp() if "until" in move else math.inf
            shift[(times >= begin) & (times < back)] = to
            shift[times >= back] = 0.0
    values = values + shift + random.normal(0.0, float(entry.get("noise", 0.0)), times.size)
    if base >= 0 and all(float(move["to"]) >= 0 for move in entry.get("course") or ()):
        values = np.maximum(values, 0.0)
    if "begins" in entry:
        values[times < story.when(entry["begins"]).timestamp()] = np.nan
    if "ends" in entry:
        values[times > story.when(entry["ends"]).timestamp()] = np.nan
    for gap in entry.get("gaps") or ():
        begin, end = story.when(gap["from"]).timestamp(), story.when(gap["until"]).timestamp()
        values[(times >= begin) & (times <= end)] = np.nan
    return np.asarray(values, dtype=np.float64)


def baselines_of(story: Story, found: Mapping[str, list[Series]]) -> list[Baseline]:
    """Return what a bot that ran for a week has learned by the evening before."""
    until = (story.at - timedelta(hours=12)).timestamp()
    learned = []
    for group in found.values():
        for each in group:
            keep = np.flatnonzero(each.times <= until)[::-COARSE][::-1]
            past = Series(
                each.metric, each.labels, each.times[keep], each.values[keep], STEP * COARSE,
                each.unit,
            )  # fmt: skip
            baseline = learn(past, learned_at=story.at)
            if baseline is not None:
                learned.append(baseline)
    return learned


def lines_of(story: Story) -> list[LogLine]:
    """Return the log lines."""
    found: list[LogLine] = []
    for entry in story.part("logs"):
        for number, at in enumerate(_moments(story, entry)):
            text = str(entry["text"]).replace("{n}", str(1000 + 37 * number))
            found.append(LogLine(at, entry["service"], text, entry.get("level", "")))
    return found[:MOST_LINES]


def _moments(story: Story, entry: Mapping[str, Any]) -> Iterator[datetime]:
    if "at" in entry:
        yield story.when(entry["at"])
        return
    step = span(str(entry["every"]), story.name)
    begin = story.when("-2d" if entry.get("usual") else entry["from"])
    end = story.when(entry.get("until", "now"))
    at = begin + step
    while at < end:
        yield at
        at += step


def events_of(story: Story) -> list[ClusterEvent]:
    """Return the cluster's events."""
    found = []
    for entry in story.part("events"):
        kind, _, name = str(entry["about"]).partition("/")
        proper = {"pod": "Pod", "node": "Node", "replicaset": "ReplicaSet"}.get(
            kind.lower(), kind[:1].upper() + kind[1:]
        )
        space = "" if proper == "Node" else entry.get("namespace", SPACE)
        found.append(
            ClusterEvent(
                story.when(entry.get("at", "now")),
                WorkloadRef("", space, proper, name),
                entry.get("type", "Warning"),
                entry["reason"],
                entry.get("message", ""),
                int(entry.get("count", 1)),
                story.when(entry["first"]) if "first" in entry else None,
            )
        )
    return found


def changes_of(story: Story) -> list[Change]:
    """Return what was changed."""
    return [
        Change(
            story.when(each["at"]), ChangeKind(each["kind"]), each["service"], each["summary"],
            str(each.get("before", "")), str(each.get("after", "")), each.get("author", ""),
            source="webhook",
        )
        for each in story.part("changes")
    ]  # fmt: skip


def alerts_of(story: Story) -> list[FiringAlert]:
    """Return the alerts that fire."""
    return [
        FiringAlert(
            each["name"], ServiceName(each.get("service", "")), "",
            Severity(each.get("severity", "high")), story.when(each.get("since", "-10m")),
            each.get("summary", ""),
        )
        for each in story.part("alerts")
    ]  # fmt: skip


def traces_of(story: Story) -> list[Trace]:
    """Return the traces."""
    found = []
    for entry in story.part("traces"):
        spans: list[Span] = []
        _spans(entry["root"], "", story.when(entry["at"]), spans)
        found.append(Trace(str(entry["id"]), tuple(spans)))
    return found


def _spans(told: Mapping[str, Any], parent: str, start: datetime, spans: list[Span]) -> None:
    begin = start + timedelta(milliseconds=float(told.get("after", 0)))
    name = f"s{len(spans)}"
    spans.append(
        Span(
            id=name,
            parent=parent,
            service=ServiceName(told["service"]),
            name=told["name"],
            start=begin,
            duration=timedelta(milliseconds=float(told["ms"])),
            failed=bool(told.get("failed")),
            message=str(told.get("failed", "")),
        )
    )
    for each in told.get("calls") or ():
        _spans(each, name, begin, spans)
