"""Secrets are cut at listed doors: docs/redaction.md and the code name the same ones."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.architecture.source import OURS, ROOT, Source, dotted, sources

PAGE = ROOT / "docs" / "redaction.md"
ROW = re.compile(r"^\| `(?P<path>[\w/]+\.py)` \| `(?P<door>[\w.]+)` \| (?P<why>.{12,}) \|$")
CUTS = frozenset({"text", "json", "cause", "change", "case"})  # what a Redactor offers
HOLDERS = frozenset({"redactor", "_redactor"})  # what one is called, wherever it is kept
MODULE = "bot/domain/secrets/redaction.py"
MAKERS = ("bot/settings",)  # who knows our own secrets: nobody else makes a Redactor

Door = tuple[str, str]  # file and qualified name of the function that cuts


def walk(node: ast.AST, name: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield every node below with the qualified name of what it stands in."""
    for child in ast.iter_child_nodes(node):
        inner = name
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inner = f"{name}.{child.name}" if name else child.name
        yield inner, child
        yield from walk(child, inner)


def is_cut(node: ast.AST) -> bool:
    """Say whether a node cuts: by a Redactor, or by the function that the tools are given."""
    if isinstance(node, ast.Attribute) and node.attr in CUTS:
        return dotted(node.value).rpartition(".")[2] in HOLDERS
    return isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == "redact"


def ours() -> list[Source]:
    return [source for source in sources(*OURS) if source.path != MODULE]


def doors_of_the_code() -> set[Door]:
    return {
        (source.path, name)
        for source in ours()
        for name, node in walk(source.nodes[0])
        if is_cut(node)
    }


def rows() -> list[re.Match[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [row for line in lines if (row := ROW.fullmatch(line)) is not None]


def test_every_door_that_cuts_is_listed_and_every_listed_one_cuts() -> None:
    listed = [(row["path"], row["door"]) for row in rows()]
    assert len(listed) == len(set(listed))
    cutting = doors_of_the_code()
    assert {"unlisted": cutting - set(listed), "gone": set(listed) - cutting} == {
        "unlisted": set(),
        "gone": set(),
    }


def test_every_table_row_of_the_page_is_read_as_a_door() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert len(rows()) == sum(line.startswith("| `") for line in lines)


def annotated(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield name and type of a parameter or field."""
    if isinstance(node, ast.arg) and node.annotation is not None:
        yield node.arg, ast.unparse(node.annotation)
    elif isinstance(node, ast.AnnAssign):
        yield dotted(node.target).rpartition(".")[2], ast.unparse(node.annotation)


def test_a_redactor_is_called_one_so_that_its_doors_are_found() -> None:
    strange = [
        f"{source.path}: {name}"
        for source in ours()
        for node in source.nodes
        for name, kind in annotated(node)
        if re.search(r"\bRedactor\b", kind) and name not in HOLDERS
    ]
    assert strange == []


def test_only_who_knows_our_secrets_makes_a_redactor() -> None:
    made = [
        f"{source.path}:{node.lineno}"
        for source in ours()
        for node in source.nodes
        if isinstance(node, ast.Name)
        and node.id == "Redactor"
        and isinstance(node.ctx, ast.Load)
        and not source.path.startswith(MAKERS)
        and not _is_annotation(source, node)
    ]
    assert made == []


def _is_annotation(source: Source, name: ast.Name) -> bool:
    """Say whether a name only says what something is."""
    for node in source.nodes:
        kind = None
        if isinstance(node, ast.arg | ast.AnnAssign):
            kind = node.annotation
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            kind = node.returns
        if kind is not None and any(part is name for part in ast.walk(kind)):
            return True
    return False


PATTERN_WORDS = re.compile(r"\[redacted: ")


def test_no_other_module_writes_the_mark_of_a_cut() -> None:
    known = {MODULE, "bot/core/remediation/binding.py"}  # which recognises and hides by the mark
    found = {source.path for source in ours() if PATTERN_WORDS.search(source.text)}
    assert found <= known
