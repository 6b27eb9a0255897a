"""What was removed from the suite is kept by a test that exists (decision 13)."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "decisions" / "0013-a-suite-that-runs-in-minutes.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[tuple[str, str]]:
    """Return (removed, keeper) of every row."""
    table = PAGE.read_text(encoding="utf-8").split("| test | ids gone | keeper |\n", 1)[1]
    cells = [row.split("|")[1:4] for row in table.split("\n\n", 1)[0].splitlines()[1:]]
    return [(removed, keeper) for removed, _, keeper in cells if keeper.strip()]


def test_every_keeper_of_a_removed_test_exists() -> None:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    named = {each for _, keeper in rows() for each in NAMED.findall(keeper)}
    assert len(named) > 20  # the table is read at all
    there = {
        (file, each.name)
        for file in {file for file, _ in named}
        if (ROOT / file).is_file()
        for each in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        if isinstance(each, functions)
    }
    assert named - there == set()
