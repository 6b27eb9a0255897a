"""docs/security.md claims nothing without a test that exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
HOME = re.compile(r"All tests without a path stand in `([^`]+)`")
NAMED = re.compile(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)`")


def claims() -> list[tuple[str, str]]:
    """Return (file, test) of every test that the page names; a section may say where they stand."""
    found = []
    for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]:
        told = HOME.search(section)
        for path, name in NAMED.findall(section):
            found.append((path or (told[1] if told else ""), name))
    return found


@pytest.mark.parametrize(("file", "name"), claims(), ids=lambda value: str(value)[-60:])
def test_the_test_that_a_claim_names_exists(file: str, name: str) -> None:
    assert file, f"{name}: the page does not say where it stands"
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    assert name in {each.name for each in ast.walk(tree) if isinstance(each, functions)}


def test_every_row_of_a_claim_names_a_test() -> None:
    tables = re.findall(r"^\| claim \| test \|\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    assert tables
    bare = [row for table in tables for row in table.splitlines() if not NAMED.search(row)]
    assert bare == []
