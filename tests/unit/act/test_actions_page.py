"""docs/actions.md tells of every action what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from tools.act.actions import ACTIONS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "actions.md"


def test_the_page_names_every_action_with_its_kinds_floor_and_parameters() -> None:
    told = {}
    for line in PAGE.read_text("utf-8").splitlines():
        if line.startswith("| `"):
            name, kinds, floor, parameters, _ = (cell.strip() for cell in line.split("|")[1:-1])
            own = tuple(re.findall(r"`(\w+)`", parameters))
            told[name.strip("`")] = (tuple(kinds.split(", ")), float(floor), own)
    assert told == {
        name: (tuple(action.kinds), action.floor, tuple(action.parameters.model_fields))
        for name, action in ACTIONS.items()
    }
