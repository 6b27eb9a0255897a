"""Small wrongs in a program, one at a time: each is a mutant that some test should notice.

    source ──mutants()──> Mutant(id, span of text, what stands there instead) ──applied()──> source

What is changed: a comparison, `and`/`or`, a condition's sense, a number or a truth value; what is
left out: a raise, a returned value, a call for its effect, an assignment to an object. Left alone
are texts (of messages, logs, documentation), annotations, decorators and what only types read.

An id does not name the file, so that a function that moved is still the same one:
`Class.function ~ what changes ~ a hash of the text there ~ how often that occurred before`.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
BESIDE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
}  # fmt: skip
LOGS = frozenset({"log", "logger", "logging", "warnings", "structlog"})
UNSEEN = frozenset({"TYPE_CHECKING"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong."""

    id: str
    line: int  # where it begins, in the text as it is
    start: int  # byte offsets into the text
    end: int
    instead: str

    def applied(self, source: str) -> str:
        """Return the text with the wrong in it."""
        raw = source.encode()
        return (raw[: self.start] + self.instead.encode() + raw[self.end :]).decode()


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return finder.found


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.found: list[Mutant] = []
        self._raw = source.encode()
        self._lines = [0]
        for line in self._raw.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._names: list[str] = []
        self._seen: Counter[str] = Counter()

    # --- where we are ---------------------------------------------------------------------

    def _inside(self, name: str, nodes: list[ast.stmt]) -> None:
        self._names.append(name)
        for node in nodes:
            self.visit(node)
        self._names.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if not any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases):
            self._inside(node.name, node.body)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.visit(default)
        self._inside(node.name, node.body)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)  # type: ignore[arg-type]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._dropped(node, node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """A text is left alone."""

    # --- what is changed ------------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        for at, operator in enumerate(node.ops):
            for name, table in (("opposite", OPPOSITE), ("boundary", BESIDE)):
                if type(operator) in table:
                    ops = [*node.ops]
                    ops[at] = table[type(operator)]()
                    self._wrong(name, node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._wrong("and-or", node, ast.BoolOp(other, node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            self._wrong("not", node, node.operand)
        self.generic_visit(node)

    def _condition(self, test: ast.expr) -> None:
        if not isinstance(test, ast.Compare | ast.UnaryOp | ast.BoolOp | ast.Constant):
            self._wrong("not", test, ast.UnaryOp(ast.Not(), test))

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id in UNSEEN:
            return
        self._condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._condition(test)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._wrong("constant", node, ast.Constant(not value))
        elif isinstance(value, int | float):
            self._wrong("constant", node, ast.Constant(value + 1))

    # --- what is left out -----------------------------------------------------------------

    def visit_Raise(self, node: ast.Raise) -> None:
        self._wrong("no raise", node, ast.Pass())  # what it says is left alone

    def visit_Return(self, node: ast.Return) -> None:
        empty = isinstance(node.value, ast.Constant) and node.value.value is None
        if node.value is not None and not empty:
            self._wrong("no return", node, ast.Return(ast.Constant(None)))
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            if _root(call.func) in LOGS:
                return
            self._wrong("no call", node, ast.Pass())
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._dropped(node, node.targets[0])
        self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._wrong("no assignment", node, ast.Pass())
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if _root(node.func) not in LOGS:
            self.generic_visit(node)

    def _dropped(self, node: ast.stmt, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute | ast.Subscript):
            self._wrong("no assignment", node, ast.Pass())

    # --- a find ---------------------------------------------------------------------------

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + column

    def _wrong(self, what: str, node: ast.expr | ast.stmt, instead: ast.AST) -> None:
        start = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        text = ast.unparse(ast.fix_missing_locations(instead))
        if isinstance(node, ast.expr):
            text = f"({text})"
        digest = hashlib.sha256(f"{ast.dump(node)}{text}".encode()).hexdigest()[:8]
        key = f"{'.'.join(self._names) or '(module)'} ~ {what} ~ {digest}"
        self._seen[key] += 1
        self.found.append(Mutant(f"{key} ~ {self._seen[key]}", node.lineno, start, end, text))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node.id if isinstance(node, ast.Name) else ""


def of_files(files: dict[str, str]) -> Iterator[tuple[str, Mutant]]:
    """Yield the mutants of many files, by path and text; an id that two files share is numbered."""
    seen: Counter[str] = Counter()
    for path in sorted(files):
        for mutant in mutants(files[path]):
            seen[mutant.id] += 1
            number = seen[mutant.id]
            again = f"{mutant.id}, {number}" if number > 1 else mutant.id
            yield path, Mutant(again, mutant.line, mutant.start, mutant.end, mutant.instead)
