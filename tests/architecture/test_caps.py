"""docs/security.md tells the cap of every door; the code keeps that very cap."""

from __future__ import annotations

import dataclasses
import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([\w ,]+) \| ([\d,.]+) \| .+ \| `([\w/]+)\.py` `([\w.]+)` \|$", re.MULTILINE)
TITLE = "## What may come in, and how much"
DOORS = {  # through which foreign bytes come in
    "Slack text", "Slack envelope", "API body", "alert webhook", "Prometheus", "Loki",
    "Tempo, Jaeger", "Kubernetes", "HTTP targets", "model answer", "tools", "YAML files",
    "playbooks", "knowledge documents", "environment", "command line",
}  # fmt: skip


def table() -> list[tuple[str, str, str, str]]:
    """Return (door, figure, module, name) of each row of the table."""
    section = PAGE.partition(TITLE)[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    found = ROW.findall(section)
    assert len(found) == len(rows), "a row of the table cannot be read"
    return found


def kept(module: str, name: str) -> float:
    """Return what the code says: a constant, or the default of a field."""
    value: Any = importlib.import_module(module.replace("/", "."))
    for part in name.split("."):
        if isinstance(value, type) and dataclasses.is_dataclass(value):
            value = {each.name: each.default for each in dataclasses.fields(value)}[part]
        else:
            value = getattr(value, part)
    return value.total_seconds() if isinstance(value, timedelta) else float(value)


@pytest.mark.parametrize(("door", "figure", "module", "name"), table(), ids=lambda each: each[-40:])
def test_a_cap_that_is_told_is_the_cap_that_is_kept(
    door: str, figure: str, module: str, name: str
) -> None:
    assert kept(module, name) == float(figure.replace(",", "")), door


def test_every_door_has_a_cap() -> None:
    assert {door for door, *_ in table()} == DOORS
