"""What `kubectl describe` and `kubectl get` print, read back into objects as the API serves them.

Only what the state doctor looks at is read: conditions, containers with their states, nodes with
their taints and room, claims, volumes, classes, quotas, Services, events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]
_AGE = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_MODES = {
    "RWO": "ReadWriteOnce",
    "ROX": "ReadOnlyMany",
    "RWX": "ReadWriteMany",
    "RWOP": "ReadWriteOncePod",
}
_STAMP = "%a, %d %b %Y %H:%M:%S %z"


@dataclass(frozen=True, slots=True)
class Event:
    """A line of an events table."""

    type: str
    reason: str
    first: datetime
    last: datetime
    count: int
    message: str


def fields(text: str, indent: int = 0) -> dict[str, list[str]]:
    """Return the fields at one depth of a description: name → the lines below and beside it."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if depth == indent and ":" in line:
            name, _, beside = line.strip().partition(":")
            lines = found.setdefault(name, [])
            if beside.strip():
                lines.append(" " * 40 + beside.strip())
        elif depth > indent or not line.strip():
            lines.append(line)
    return found


def one(told: dict[str, list[str]], name: str) -> str:
    """Return a field's own text, empty when it is `<none>` or not there."""
    lines = told.get(name) or []
    text = lines[0].strip() if lines else ""
    return "" if text in {"<none>", "<unset>"} else text


def pairs(told: dict[str, list[str]], name: str) -> dict[str, str]:
    """Return labels or a selector, written one a line or with commas."""
    found = {}
    for line in told.get(name) or []:
        for part in line.strip().split(","):
            key, equal, value = part.strip().partition("=")
            if equal:
                found[key] = value
    return found


def stamp(text: str) -> str | None:
    """Return a description's time as the API writes it."""
    try:
        return datetime.strptime(text.strip(), _STAMP).astimezone(UTC).isoformat()
    except ValueError:
        return None


def age(text: str) -> timedelta:
    """Return how long ago `2m3s` is."""
    match = _AGE.fullmatch(text.strip())
    days, hours, minutes, seconds = (
        (int(part or 0) for part in match.groups()) if match else (0,) * 4
    )
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def events(text: str, at: datetime) -> Iterator[Event]:
    """Yield the events at a description's end."""
    _, found, table = text.partition("\nEvents:")
    for line in table.splitlines()[1:] if found else ():
        parts = re.split(r"\s{2,}", line.strip(), maxsplit=4)
        if len(parts) == 5 and parts[0] in {"Normal", "Warning"}:
            told = re.fullmatch(r"(\S+)(?: \(x(\d+) over (\S+)\))?", parts[2])
            if told:
                last = at - age(told[1])
                first = at - age(told[3]) if told[3] else last
                yield Event(parts[0], parts[1], min(first, last), last, int(told[2] or 1), parts[4])


def pod_status(text: str) -> Json:
    """Return the status of a described pod, and where it was placed as `nodeName`."""
    told = fields(text)
    status: Json = {"phase": one(told, "Status") or "Unknown", "conditions": _conditions(told)}
    if started := stamp(one(told, "Start Time")):
        status["startTime"] = started
    if reason := one(told, "Reason"):
        status["reason"] = reason
    if message := one(told, "Message"):
        status["message"] = message
    for group, key in (
        ("Init Containers", "initContainerStatuses"),
        ("Containers", "containerStatuses"),
    ):
        status[key] = [_container(name, lines) for name, lines in _sections(told.get(group) or [])]
    node = one(told, "Node").split("/")[0]
    return {"status": status, "nodeName": node}


def _conditions(told: dict[str, list[str]]) -> list[Json]:
    found = []
    for line in told.get("Conditions") or []:
        parts = line.split()
        if len(parts) == 2 and parts[1] in {"True", "False", "Unknown"}:
            found.append({"type": parts[0], "status": parts[1]})
    return found


def _sections(lines: list[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        name = re.fullmatch(r"  ([a-z0-9][a-z0-9.-]*):\s*", line)
        if name:
            found.append((name[1], []))
        elif found:
            found[-1][1].append(line)
    return found


def _container(name: str, lines: list[str]) -> Json:
    told = fields("\n".join(lines), indent=4)
    last = _state(told, "Last State")
    return {
        "name": name,
        "ready": one(told, "Ready") == "True",
        "restartCount": int(one(told, "Restart Count") or 0),
        "state": _state(told, "State"),
        "lastState": last,
        "image": one(told, "Image"),
    }


def _state(told: dict[str, list[str]], name: str) -> Json:
    lines = told.get(name) or []
    if not lines:
        return {}
    inside = fields("\n".join(lines[1:]), indent=6)
    kind = lines[0].strip().lower()
    detail: Json = {}
    for key, field in (("reason", "Reason"), ("message", "Message")):
        if text := one(inside, field):
            detail[key] = text
    if code := one(inside, "Exit Code"):
        detail["exitCode"] = int(code)
    for key, field in (("startedAt", "Started"), ("finishedAt", "Finished")):
        if at := stamp(one(inside, field)):
            detail[key] = at
    return {kind: detail} if kind in {"waiting", "running", "terminated"} else {}


def node(text: str) -> Json:
    """Return a described node."""
    told = fields(text)
    taints = []
    for line in told.get("Taints") or []:
        match = re.fullmatch(r"([^=:\s]+)(?:=([^:]*))?:(\w+)", line.strip())
        if match:
            taints.append({"key": match[1], "value": match[2] or "", "effect": match[3]})
    conditions = []
    for line in told.get("Conditions") or []:
        parts = re.split(r"\s{2,}", line.strip(), maxsplit=5)
        if len(parts) >= 5 and parts[1] in {"True", "False", "Unknown"}:
            conditions.append({
                "type": parts[0], "status": parts[1], "lastTransitionTime": stamp(parts[3]),
                "reason": parts[4], "message": parts[5] if len(parts) > 5 else "",
            })  # fmt: skip
    room = {
        key.strip(): value.strip()
        for line in told.get("Allocatable") or []
        for key, _, value in [line.partition(":")]
        if value
    }
    return {
        "metadata": {"name": one(told, "Name"), "labels": pairs(told, "Labels")},
        "spec": {"taints": taints, "unschedulable": one(told, "Unschedulable") == "true"},
        "status": {"conditions": conditions, "allocatable": room},
    }


def service(text: str) -> Json:
    """Return a described Service."""
    told = fields(text)
    ports: list[Json] = []
    targets = [line.strip() for line in told.get("TargetPort") or []]
    for place, line in enumerate(told.get("Port") or []):
        match = re.search(r"(?:(\S+)\s+)?(\d+)/(TCP|UDP|SCTP)", line.strip())
        if match:
            target = targets[place].split("/")[0] if place < len(targets) else match[2]
            ports.append({
                "name": "" if match[1] in {None, "<unset>"} else match[1], "port": int(match[2]),
                "protocol": match[3], "targetPort": int(target) if target.isdigit() else target,
            })  # fmt: skip
    return {
        "metadata": {
            "name": one(told, "Name"), "namespace": one(told, "Namespace"),
            "labels": pairs(told, "Labels"),
        },
        "spec": {
            "selector": pairs(told, "Selector"), "type": one(told, "Type"), "ports": ports,
            "clusterIP": one(told, "IP"),
        },
    }  # fmt: skip


def claim(text: str) -> Json:
    """Return what a described claim says; its wishes stand in its manifest alone."""
    told = fields(text)
    return {
        "metadata": {"name": one(told, "Name"), "namespace": one(told, "Namespace")},
        "spec": {"storageClassName": one(told, "StorageClass"), "volumeName": one(told, "Volume")},
        "status": {"phase": one(told, "Status")},
    }


def volume(text: str) -> Json:
    """Return a described volume."""
    told = fields(text)
    spec: Json = {
        "storageClassName": one(told, "StorageClass"),
        "accessModes": [
            _MODES.get(m.strip(), m.strip()) for m in one(told, "Access Modes").split(",")
        ],
        "capacity": {"storage": one(told, "Capacity")},
    }
    if held := one(told, "Claim"):
        place, _, name = held.partition("/")
        spec["claimRef"] = {"namespace": place, "name": name}
    labels = pairs(told, "Labels")
    return {
        "metadata": {"name": one(told, "Name"), "labels": labels},
        "spec": spec,
        "status": {"phase": one(told, "Status")},
    }


def storage_class(text: str) -> Json:
    """Return a described class."""
    told = fields(text)
    return {"metadata": {"name": one(told, "Name")}, "provisioner": one(told, "Provisioner")}


def quota(text: str) -> Json:
    """Return a described quota."""
    told = fields(text)
    used, hard = {}, {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 3 and not line.startswith(("Resource", "--")) and ":" not in line:
            used[parts[0]], hard[parts[0]] = parts[1], parts[2]
    return {
        "metadata": {"name": one(told, "Name"), "namespace": one(told, "Namespace")},
        "status": {"used": used, "hard": hard},
    }


def rows(text: str) -> list[dict[str, str]]:
    """Return a `kubectl get` table's rows by column name."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not lines[0].isupper():
        return []
    starts = [match.start() for match in re.finditer(r"(?:(?<=\s\s)|^)\S", lines[0])]
    names = [lines[0][a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    found = []
    for line in lines[1:]:
        cells = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        found.append(dict(zip(names, cells, strict=True)))
    return found
