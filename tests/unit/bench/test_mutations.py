"""Mutants are small, apply one at a time, and keep their names wherever their function stands."""

from __future__ import annotations

import ast

import pytest

from bench.mutations import mutants, of_files

SOURCE = '''
"""A text: 1 < 2."""

LIMIT = 3


class Gate:
    def opens(self, count: int, name: str) -> bool:
        """Say whether 1 < 2 and not 3."""
        if count < LIMIT and not name:
            raise ValueError(f"no {name!r} of 7")
        log.info("gate.opened", count=4)
        self.open = True
        self.tell(name)
        return count == 0
'''


def kinds(source: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in mutants(source):
        found.setdefault(each.id.split(" ~ ")[1], []).append(each.instead)
    return found


def test_what_decides_is_changed_and_texts_are_left_alone() -> None:
    found = {kind: len(texts) for kind, texts in kinds(SOURCE).items()}
    assert found == {
        "NumberReplacer": 4,  # one more and one less than 3 and than 0
        "ReplaceAndWithOr": 1,
        "AddNot": 1,
        "ReplaceUnaryOperator_Delete_Not": 1,
        "ReplaceComparisonOperator_Lt_GtE": 1,
        "ReplaceComparisonOperator_Lt_LtE": 1,
        "ReplaceComparisonOperator_Eq_NotEq": 1,
        "ReplaceTrueWithFalse": 1,
        "no raise": 1,
        "no assignment": 1,
        "no call": 1,
        "no return": 1,
    }


def test_what_only_types_readers_and_people_see_is_left_alone() -> None:
    source = """
@cached(size=3)
def told(count: int | None, *names: str | int) -> Literal[3] | None:
    log.info("told", count=4 + 5)
    if TYPE_CHECKING:
        count = 7
    raise KeyError(f"{count + 1} of 9", 8)
"""
    assert kinds(source) == {"no raise": ["pass"]}


def test_each_is_one_change_of_a_program_that_still_parses() -> None:
    trees = {ast.dump(ast.parse(each.applied(SOURCE))) for each in mutants(SOURCE)}
    assert len(trees) == len(mutants(SOURCE))
    assert ast.dump(ast.parse(SOURCE)) not in trees


def test_a_function_that_moved_keeps_its_mutants() -> None:
    moved = "import os\n\n\ndef first() -> int:\n    return os.getpid()\n" + SOURCE
    names = {each.id for each in mutants(SOURCE)}
    assert names < {each.id for each in mutants(moved)}


def test_what_two_files_share_is_numbered() -> None:
    both = [mutant.id for _, mutant in of_files({"a.py": SOURCE, "b.py": SOURCE})]
    assert len(set(both)) == len(both) == 2 * len(mutants(SOURCE))


def test_what_would_be_no_python_is_none() -> None:
    assert kinds("def f(a, *, b):\n    pass\n") == {}
    assert (
        kinds("class A:\n    def f(self, *, b):\n        while row := b():\n            pass\n")
        == {}
    )


@pytest.mark.parametrize("source", ["x: int = 3\n", "def 求和(a):\n    return a > 1  # 大于一\n"])
def test_spans_are_counted_in_bytes(source: str) -> None:
    for each in mutants(source):
        ast.parse(each.applied(source))
