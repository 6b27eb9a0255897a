"""The mutants' bench tells what a test notices from what none does, in a small tree."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bench import mutants

CODE = """
LIMIT = 3


def is_full(count: int) -> bool:
    return count >= LIMIT


def nobody_asks(count: int) -> int:
    return count + 1
"""
TESTS = """
from shop.stock import LIMIT, is_full


def test_it_is_full_at_the_limit() -> None:
    assert LIMIT == 3
    assert is_full(3)
    assert not is_full(2)


def test_something_else() -> None:
    assert True
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "shop").mkdir(parents=True)
    (root / "tests" / "safety").mkdir(parents=True)
    (root / "shop" / "__init__.py").touch()
    (root / "shop" / "stock.py").write_text(CODE)
    (root / "tests" / "test_stock.py").write_text(TESTS)
    return root


def test_what_a_test_notices_is_killed_and_what_none_does_is_named(
    tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "found").mkdir()
    report = mutants.run(
        tmp_path / "found", seed=1, tree=tree, paths=("shop",), tests=("tests",), jobs=1
    )
    ours, notes = report.ours, "\n".join(report.notes)
    assert ours["killed"] >= 4  # the comparison, its boundary, what is returned, the limit
    assert ours["survived"] + ours["unreached"] == notes.count("nobody says why")
    assert "nobody_asks" in notes
    assert "is_full" not in notes
    assert "LIMIT" not in notes
    assert set(report.missed) == {"mutants_survived_share", "survivors_without_argument"}


def test_a_survivor_that_is_argued_says_why(tree: Path) -> None:
    assert mutants.arguments(tree) == {}
    folder = tree / "tests" / "safety"
    for name in ("survivors.yaml", "survivors_act.yaml"):
        (folder / name).write_text(f'- id: "is_full ~ {name} ~ 1"\n  why: nobody could see it\n')
    assert list(mutants.arguments(tree).values()) == ["nobody could see it"] * 2


def test_every_argument_is_about_a_line_that_is_still_there() -> None:
    root = Path(mutants.ROOT)
    rows = [row for file in root.glob(mutants.ARGUED) for row in yaml.safe_load(file.read_text())]
    assert rows
    for row in rows:
        lines = {line.strip() for line in (root / row["file"]).read_text().splitlines()}
        assert row["line"] in lines, row
        assert row["why"]
    assert len({row["id"] for row in rows}) == len(rows)
