"""An incident as somebody writes it down in a file: evidence as systems emit it, and the truth.

    incident.yaml ──read_stories──> Story (what stores hold, truth, herring)

Times are relative to `at`: `-20m`, `-1h30m`, `now`. docs/write-an-incident.md tells the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import re2

from foundation.nearest import nearest
from foundation.yaml_file import read_yaml
from tools.world import (
    Call,
    Catalogue,
    Direction,
    MetricName,
    MetricRole,
    MetricSpec,
    ServiceName,
    ServiceSpec,
    WorkloadRef,
)

NOON = datetime(2026, 11, 20, 14, tzinfo=UTC)
SPACE = "shop"
KEYS = frozenset({
    "title", "kind", "at", "question", "truth", "herring", "services", "metrics", "series", "logs",
    "objects", "events", "changes", "alerts", "calls", "traces", "unavailable", "absent",
})  # fmt: skip
_SPAN = re2.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_BAD = {"up": Direction.UP, "down": Direction.DOWN, "both": Direction.BOTH}


class StoryError(ValueError):
    """A file does not say what an incident must say; the message names file and key."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is right to answer."""

    verdicts: frozenset[str]
    where: frozenset[str]  # services or objects, any of which is the right place
    what: tuple[str, ...]  # patterns, one of which the first cause must say; empty: anything
    innocent: frozenset[str]  # never to be told as first cause

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is wrong now."""
        return self.verdicts <= {"healthy", "recovered"}


@dataclass(frozen=True, slots=True)
class Story:
    """One incident."""

    name: str
    kind: str
    question: str
    at: datetime
    truth: Truth
    told: Mapping[str, Any]  # the file

    def when(self, text: object) -> datetime:
        """Return a time of the file."""
        word = str(text)
        if word == "now":
            return self.at
        if not word.startswith("-"):
            raise StoryError(f"{self.name}: a time is `now` or like `-20m`, got {word!r}")
        return self.at - span(word[1:], self.name)

    def part(self, key: str) -> list[Any]:
        """Return the entries under a key, none when it is left out."""
        found = self.told.get(key) or []
        return list(found)

    def catalogue(self) -> Catalogue:
        """Return the catalogue that the team declared."""
        services = {}
        for name, given in (self.told.get("services") or {}).items():
            entry = given or {}
            kind, _, workload = str(entry.get("workload", f"deployment/{name}")).partition("/")
            space = entry.get("namespace", SPACE)
            refs = (
                ()
                if kind == "none"
                else (WorkloadRef("", space, _KINDS.get(kind, kind), workload or name),)
            )
            services[ServiceName(name)] = ServiceSpec(
                ServiceName(name),
                space,
                refs,
                tier=int(entry.get("tier", 2)),
                dependencies=tuple(ServiceName(each) for each in entry.get("calls", ())),
                aliases=tuple(entry.get("aliases", ())),
            )
        metrics = {
            MetricName(name): _metric(name, given or {})
            for name, given in (self.told.get("metrics") or {}).items()
        }
        calls = tuple(
            Call(
                ServiceName(each["from"]), ServiceName(each["to"]),
                float(each.get("per_second", 1.0)), float(each.get("failed", 0.0)), "traces",
            )
            for each in self.part("calls")
        )  # fmt: skip
        return Catalogue(metrics, services, calls)


_KINDS = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "cronjob": "CronJob",
    "job": "Job",
}


def _metric(name: str, given: Mapping[str, Any]) -> MetricSpec:
    role = given.get("role")
    return MetricSpec(
        name=MetricName(name),
        category="incident",
        query=str(given.get("query", name)),
        unit=str(given.get("unit", "")),
        description=str(given.get("about", name)),
        bad_direction=_BAD[str(given.get("bad", "up"))],
        threshold=float(given["limit"]) if "limit" in given else None,
        group_by=str(given.get("by", "service")),
        role=MetricRole(role) if role else None,
        resource=str(given.get("resource", "")),
    )


def span(text: str, where: str = "") -> timedelta:
    """Return a duration like `1h30m`, `45s`."""
    match = _SPAN.fullmatch(text)
    if match is None or not text:
        raise StoryError(f"{where}: a duration is like 30s, 5m, 1h30m, 2d, got {text!r}")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def read_story(path: Path) -> Story:
    """Read one incident. Raises StoryError."""
    told = read_yaml(path).value
    if not isinstance(told, dict):
        raise StoryError(f"{path.name}: expected a mapping with `question` and `truth`")
    for key in told:
        if key not in KEYS:
            raise StoryError(f"{path.name}: unknown key {key!r}.{nearest(str(key), KEYS)}")
    truth = told.get("truth") or {}
    verdicts = truth.get("verdict") or []
    listed = [verdicts] if isinstance(verdicts, str) else list(verdicts)
    if not listed or "question" not in told:
        raise StoryError(f"{path.name}: `question` and `truth: {{verdict: [...]}}` are needed")
    at = told.get("at")
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at)) if at else NOON
    return Story(
        name=path.stem,
        kind=str(told.get("kind", path.stem)),
        question=str(told["question"]),
        at=moment.replace(tzinfo=moment.tzinfo or UTC),
        truth=Truth(
            frozenset(map(str, listed)),
            frozenset(map(str, truth.get("where") or ())),
            tuple(map(str, truth.get("what") or ())),
            frozenset(map(str, truth.get("innocent") or ())),
        ),
        told=told,
    )


def read_stories(folder: Path) -> list[Story]:
    """Read every incident of a folder, in order of their names."""
    return [read_story(each) for each in sorted(folder.glob("*.yaml"))]
