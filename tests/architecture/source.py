"""Our own source as the architecture tests read it: files, trees, where something is said."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("bot", "tools", "knowledge", "playbooks", "prompts", "foundation")
PACKAGES = (*OURS, "sandbox")


@dataclass(frozen=True, eq=False)
class Source:
    """One Python file. `path` is relative to the repository, with forward slashes."""

    path: str
    text: str
    nodes: tuple[ast.AST, ...]  # of the whole tree: walking it anew for every law takes minutes

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.text.count("\n")

    def comment_of(self, line: int) -> str:
        """Return what stands behind `#` on a line (from 1), or an empty string."""
        _, _, comment = self.text.splitlines()[line - 1].partition("#")
        return comment.strip()


def read(file: Path) -> Source:
    """Read one file."""
    text = file.read_text(encoding="utf-8")
    nodes = tuple(ast.walk(ast.parse(text)))
    return Source(file.relative_to(ROOT).as_posix(), text, nodes)


@cache
def _folder(folder: str) -> tuple[Source, ...]:
    return tuple(read(file) for file in sorted((ROOT / folder).rglob("*.py")))


def sources(*folders: str) -> tuple[Source, ...]:
    """Read every Python file below the folders, in order of their paths."""
    return tuple(source for folder in folders for source in _folder(folder))


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` of a name or attribute, or an empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def imported_names(source: Source) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of everything a file imports."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def uses(source: Source, names: frozenset[str]) -> Iterator[tuple[int, str]]:
    """Yield where a file says one of the dotted names, by attribute or by `from … import`."""
    modules = {name.rpartition(".")[0] for name in names}
    for line, name in imported_names(source):
        if name in names:
            yield line, name
    for node in source.nodes:
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            tail = ".".join(name.split(".")[-2:])
            if tail in names or (name in names and name.rpartition(".")[0] in modules):
                yield node.lineno, name


def functions(source: Source) -> Iterator[tuple[str, int, int]]:
    """Yield name, first line and number of lines of every function and method."""
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1
