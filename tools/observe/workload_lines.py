"""A workload's row as lines that people and the model read: what is wrong comes with its reason."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from foundation.shortened import shortened_line

SHOWN = 25  # pods of one workload
MOST_EVENTS = 8
LONGEST = 240  # characters of somebody else's words
Row = Mapping[str, Any]


def workload_lines(row: Row, now: datetime) -> list[str]:
    """Return the lines of one workload."""
    lines = [_head(row, now)]
    lines += [f"  {_condition(each)}" for each in row["conditions"]]
    scaler = row["autoscaler"]
    if scaler:
        lines += [f"  {scaler['name']}: {_condition(each)}" for each in scaler["conditions"]]
    if row.get("last_run"):
        lines.append(f"  {_run(row['last_run'], now)}")
    ordered = sorted(row["pods"], key=lambda pod: bool(pod["well"]))  # stable: unwell ones first
    for pod in ordered[:SHOWN]:
        lines += _pod(pod, now)
    if len(ordered) > SHOWN:
        lines.append(f"  … {len(ordered) - SHOWN} more pods in the evidence")
    for name, node in row["nodes"].items():
        told = [_condition(each) for each in node["conditions"]]
        told += ["cordoned"] if node["cordoned"] else []
        lines.append(f"  node {name}: {', '.join(told)}")
    lines += [f"  {event_line(each)}" for each in row["warnings"][:MOST_EVENTS]]
    if len(row["warnings"]) > MOST_EVENTS:
        more = len(row["warnings"]) - MOST_EVENTS
        lines.append(f"  … {more} more warnings in the evidence")
    return lines


def event_line(row: Row) -> str:
    """Return one event: when, how often, since when, and what it says."""
    since = f" since {row['since']}" if row["since"] != row["at"] else ""
    return (
        f"{row['at']} {row['type']} {row['reason']} {row['object']} x{row['count']}{since}: "
        f"{_said(row['message'])}"
    )


def ago(stamped: str, now: datetime) -> str:
    """Return how long ago a told time was, in its largest unit."""
    seconds = max((now - datetime.fromisoformat(stamped)).total_seconds(), 0.0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def _due(stamped: str, now: datetime) -> str:
    """Return when something is due: a pod's deletion is dated at the end of its grace period."""
    left = (datetime.fromisoformat(stamped) - now).total_seconds()
    return f"in {left:.0f} s" if left > 0 else ago(stamped, now)


def _head(row: Row, now: datetime) -> str:
    parts = [_count(row, now)]
    if row["phase"]:
        parts.append(f"phase {row['phase']}")
    if row["paused"]:
        parts.append("SUSPENDED" if row["kind"] in {"Job", "CronJob"} else "PAUSED")
    if row["behind"]:
        parts.append("its controller has not acted on the newest change yet")
    if row["revision"]:
        parts.append(f"revision {row['revision']}")
    images = ", ".join(each["image"] for each in row["containers"])
    if images:
        cause = f" ({_said(row['change_cause'])})" if row["change_cause"] else ""
        parts.append(f"image {images}{cause}")
    head = f"- {row['workload']}: {', '.join(parts)}"
    scaler = row["autoscaler"]
    if scaler:
        head += f"; autoscaler {scaler['name']} {scaler['min']} to {scaler['max']}"
    return f"{head}; {_said(row['message'])}" if row["message"] else head


def _count(row: Row, now: datetime) -> str:
    if row["kind"] == "Job":
        return (
            f"{row['succeeded']} of {row['completions']} runs succeeded, {row['failed']} pods "
            f"failed (at most {row['backoff_limit']} retries), {row['replicas']} active"
        )
    if row["kind"] == "CronJob":
        zone = f" {row['time_zone']}" if row["time_zone"] else ""
        last, good = row["scheduled_at"], row["succeeded_at"]
        when = f"last scheduled {last} ({ago(last, now)})" if last else "never scheduled"
        done = f"last succeeded {good} ({ago(good, now)})" if good else "no success known"
        return f"runs at {row['schedule']!r}{zone}, {when}, {done}, {row['replicas']} active"
    told = f"{row['ready']} of {row['replicas']} pods ready"
    if row["updated"] < row["replicas"] and row["kind"] != "Pod":
        told += f", {row['updated']} of today's form"
    return told


def _run(run: Row, now: datetime) -> str:
    text = f"last run {run['name']} began {run['began_at']} and {run['phase'].upper()}"
    if run["phase"] == "running":
        text = f"last run {run['name']} is running since {run['began_at']}"
    elif run["ended_at"]:
        text += f" at {run['ended_at']} ({ago(run['ended_at'], now)})"
    return f"{text}, {run['failed']} pods failed{_why(run)}" if run["failed"] else text + _why(run)


def _pod(pod: Row, now: datetime) -> Iterator[str]:
    done = pod["phase"] == "Succeeded"
    ready = "ready" if pod["ready"] else "" if done else "NOT READY"
    parts = [pod["phase"], ready, f"{pod['restarts']} restarts"]
    parts.append(f"started {pod['started_at'] or 'never'}")
    if not pod["started_at"] and pod["created_at"]:
        parts.append(f"made {ago(pod['created_at'], now)}")
    if not pod["well"]:
        parts += [f"on {pod['node']}" if pod["node"] else "on no node", pod["reason"]]
    text = f"  {pod['name']}: {', '.join(part for part in parts if part)}"
    yield f"{text} – {_said(pod['message'])}" if pod["message"] else text
    if pod["deleted_at"]:
        held = ", ".join(pod["finalizers"])
        yield f"    to be deleted by {pod['deleted_at']} ({_due(pod['deleted_at'], now)})" + (
            f", held by its finalizers {_said(held)}" if held else ""
        )
    for each in pod["containers"]:
        waits = each["phase"] == "waiting" and not pod["ready"]
        if each["unwell"] or each["restarts"] or (waits and each["reason"] != "PodInitializing"):
            yield f"    {_container(each, now)}"
    same = {each["message"] for each in pod["conditions"] if each["type"] == "Ready"}
    for each in pod["conditions"]:
        if each["type"] != "ContainersReady" or each["message"] not in same:
            yield f"    {_condition(each)}"


def _container(row: Row, now: datetime) -> str:
    kind = "" if row["kind"] == "app" else f"{row['kind']} "
    state = "running, not ready" if row["phase"] == "running" and row["unwell"] else row["phase"]
    parts = [f"{state}{_why(row)}", f"{row['restarts']} restarts"]
    last = row["last"]
    if last is not None:
        when = f" {ago(last['ended_at'], now)}" if last["ended_at"] else ""
        ran = f" after {_lasted(last)}" if last["began_at"] and last["ended_at"] else ""
        ended = "ended" if row["phase"] == "terminated" else "ended last"
        parts.append(f"{ended} with {_exit(last)}{_why(last)}{when}{ran}")
    return f"{kind}container {row['name']}: {'; '.join(parts)}"


def _exit(last: Row) -> str:
    """Return an exit code, and the signal it stands for: 128 and its number, by the shells."""
    code = int(last["exit_code"])
    number = int(last["signal"]) or (code - 128 if code > 128 else 0)
    try:
        name = f" ({signal.Signals(number).name})" if number else ""
    except ValueError:
        name = f" (signal {number})" if last["signal"] else ""
    return f"exit code {code}{name}"


def _lasted(last: Row) -> str:
    began, ended = (datetime.fromisoformat(last[name]) for name in ("began_at", "ended_at"))
    return f"{(ended - began).total_seconds():g} s"


def _condition(row: Row) -> str:
    holds = "Unknown" if row["holds"] is None else row["holds"]
    since = f" (since {row['since']})" if row["since"] else ""
    return f"{row['type']}={holds}{_why(row)}{since}"


def _why(row: Row) -> str:
    reason = f" {row['reason']}" if row["reason"] else ""
    return f"{reason}: {_said(row['message'])}" if row["message"] else reason


def _said(text: str) -> str:
    return shortened_line(str(text), LONGEST)
