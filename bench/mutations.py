"""Small wrongs in a program, one at a time: each is a mutant that some test should notice.

    source ──mutants()──> Mutant(id, line, what stands there instead) ──applied()──> source

What is changed is the library's (cosmic-ray): comparisons, `and`/`or`, conditions, arithmetic,
numbers, truth values, loops that are not run, exceptions that are not caught. What is left out is
ours, for the library leaves nothing out: a raise, a returned value, a call for its effect, an
assignment to an object. Left alone are texts (of messages, logs, documentation), annotations,
decorators and what only types read.

An id does not name the file, so that a function that moved is still the same one:
`Class.function ~ what changes ~ a hash of the text there ~ how often that occurred before`.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider

Place = tuple[int, int]  # line from 1, column from 0 in characters
# Of the library's replacements of one operator by each other one: the opposite and the neighbour.
COMPARISONS = (
    "Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is", "Lt_GtE", "Lt_LtE", "LtE_Gt", "LtE_Lt",
    "Gt_LtE", "Gt_GtE", "GtE_Lt", "GtE_Gt",
)  # fmt: skip
ARITHMETIC = (
    "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Mul", "Mod_Mul",
    "BitOr_BitAnd", "BitAnd_BitOr", "BitXor_BitAnd", "LShift_RShift", "RShift_LShift",
)  # fmt: skip
OPERATORS = (
    *(f"ReplaceComparisonOperator_{each}" for each in COMPARISONS),
    *(f"ReplaceBinaryOperator_{each}" for each in ARITHMETIC),
    "ReplaceUnaryOperator_Delete_Not", "ReplaceUnaryOperator_USub_UAdd", "AddNot",
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "ExceptionReplacer", "NumberReplacer",
    "ZeroIterationForLoop",
)  # fmt: skip
SIGNATURES = frozenset({"parameters", "typedargslist"})  # where a `*` is no product
LOGS = frozenset({"log", "logger", "logging", "warnings", "structlog"})
UNSEEN = frozenset({"TYPE_CHECKING"})


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong."""

    id: str
    line: int  # where it begins, in the text as it is
    instead: str  # what stands there, or which of the library's changes
    change: Callable[[str], str] = field(repr=False, compare=False)

    def applied(self, source: str) -> str:
        """Return the text with the wrong in it."""
        return self.change(source)


def mutants(source: str) -> list[Mutant]:
    """Return every mutant of a text."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    return [*_of_the_library(source, finder), *finder.found]


def _of_the_library(source: str, found: _Finder) -> Iterator[Mutant]:
    """Yield what the library changes, but for what is left alone."""
    tree, provider, seen = get_ast(source), OperatorProvider(), Counter[str]()
    operators = [(name, provider[name]()) for name in OPERATORS]
    occurred = Counter[str]()
    for node in ast_nodes(tree):
        for name, operator in operators:
            for index, (begin, end) in enumerate(operator.mutation_positions(node)):
                occurrence, occurred[name] = occurred[name], occurred[name] + 1
                if found.is_alone(begin, end) or node.parent.type in SIGNATURES:
                    continue
                text = f"{node.get_code(include_prefix=False)}{index}"
                key = f"{found.scope(begin)} ~ {name} ~ {_digest(text)}"
                seen[key] += 1
                change = partial(_changed, operator=operator, occurrence=occurrence)
                if name == "AddNot" and ":=" in text:  # not Python any more
                    continue
                yield Mutant(f"{key} ~ {seen[key]}", begin[0], name, change)


def _changed(source: str, *, operator: Any, occurrence: int) -> str:
    changed = mutate_code(source, operator, occurrence)
    if changed is None:
        raise ValueError(f"{type(operator).__name__} finds no place {occurrence} in this text")
    return str(changed)


def _replaced(source: str, *, start: int, end: int, instead: str) -> str:
    raw = source.encode()
    return (raw[:start] + instead.encode() + raw[end:]).decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class _Finder(ast.NodeVisitor):
    def __init__(self, source: str) -> None:
        self.found: list[Mutant] = []
        self._raw = source.encode()
        self._lines = [0]
        for line in self._raw.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._names: list[str] = []
        self._seen: Counter[str] = Counter()
        self._alone: list[tuple[Place, Place]] = []
        self._scopes: list[tuple[Place, Place, str]] = []  # an inner one after its outer one

    def is_alone(self, begin: Place, end: Place) -> bool:
        """Say whether a place is left alone."""
        return any(first <= begin and end <= last for first, last in self._alone)

    def scope(self, place: Place) -> str:
        """Return the class and function that a place is in."""
        inside = [name for first, last, name in self._scopes if first <= place < last]
        return inside[-1] if inside else "(module)"

    def _span(self, node: ast.expr | ast.stmt | ast.arg) -> tuple[Place, Place]:
        first = (node.lineno, self._column(node.lineno, node.col_offset))
        last = node.end_lineno or node.lineno
        return first, (last, self._column(last, node.end_col_offset or 0))

    def _column(self, line: int, column: int) -> int:
        """Return a column counted in characters; the parser counts bytes."""
        start = self._lines[line - 1]
        return len(self._raw[start : start + column].decode())

    def _leave_alone(self, *nodes: ast.expr | ast.stmt | None) -> None:
        self._alone += [self._span(node) for node in nodes if node is not None]

    # --- where we are ---------------------------------------------------------------------

    def _inside(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._names.append(node.name)
        self._scopes.append((*self._span(node), ".".join(self._names)))
        self._leave_alone(*node.decorator_list)
        for each in node.body:
            self.visit(each)
        self._names.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases):
            self._leave_alone(node)
        else:
            self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        given = node.args
        everyone = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        self._leave_alone(node.returns, *(each.annotation for each in everyone if each is not None))
        self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._leave_alone(node.annotation)
        self._dropped(node, node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        self._leave_alone(node)

    # --- what is changed, and the library does not know ------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        for at, operator in enumerate(node.ops):
            if isinstance(operator, ast.In | ast.NotIn):
                ops = [*node.ops]
                ops[at] = ast.NotIn() if isinstance(operator, ast.In) else ast.In()
                self._wrong("opposite", node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        if isinstance(node.test, ast.Name) and node.test.id in UNSEEN:
            self._leave_alone(node)
            return
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            if not isinstance(test, ast.Compare | ast.UnaryOp | ast.BoolOp):
                self._wrong("not", test, ast.UnaryOp(ast.Not(), test))
        self.generic_visit(node)

    # --- what is left out -----------------------------------------------------------------

    def visit_Raise(self, node: ast.Raise) -> None:
        self._wrong("no raise", node, ast.Pass())
        self._leave_alone(node.exc)  # what it says

    def visit_Return(self, node: ast.Return) -> None:
        empty = isinstance(node.value, ast.Constant) and not node.value.value  # as good as None
        if node.value is not None and not empty:
            self._wrong("no return", node, ast.Return(ast.Constant(None)))
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        call = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(call, ast.Call):
            if _root(call.func) in LOGS:
                self._leave_alone(node)
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
        if _root(node.func) in LOGS:
            self._leave_alone(node)
        else:
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
        digest = _digest(f"{ast.dump(node)}{text}")
        key = f"{'.'.join(self._names) or '(module)'} ~ {what} ~ {digest}"
        self._seen[key] += 1
        change = partial(_replaced, start=start, end=end, instead=text)
        self.found.append(Mutant(f"{key} ~ {self._seen[key]}", node.lineno, text, change))


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
            yield path, replace(mutant, id=again)
