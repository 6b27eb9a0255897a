"""What a query reads: its selectors, each with the metrics and the matchers it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser


@dataclass(frozen=True, slots=True)
class Selector:
    """One selector of a query."""

    metric: str  # a name, or the pattern of one
    matchers: tuple[tuple[str, str, str], ...]  # label, operator, value


def selectors(query: str) -> list[Selector]:
    """Return the selectors of a query; none of one that does not parse."""
    try:
        return list(_below(promql_parser.parse(query)))
    except ValueError:
        return []


def is_quotient(query: str) -> bool:
    """Say whether a query divides or multiplies somewhere: then its unit is not its metric's."""
    try:
        return any(_scales(each) for each in _walk(promql_parser.parse(query)))
    except ValueError:
        return False


def _below(tree: Any) -> Iterator[Selector]:
    for node in _walk(tree):
        if type(node).__name__ != "VectorSelector":
            continue
        told = [
            (m.name, _SIGNS[str(m.op).rpartition(".")[2]], m.value) for m in node.matchers.matchers
        ]
        named = node.name or next((value for label, _, value in told if label == "__name__"), "")
        yield Selector(named, tuple(each for each in told if each[0] != "__name__"))


_SIGNS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_INSIDE = ("lhs", "rhs", "expr", "vector_selector", "param")


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for name in _INSIDE:
        if (inner := getattr(node, name, None)) is not None:
            yield from _walk(inner)
    for each in getattr(node, "args", None) or ():
        yield from _walk(each)


def _scales(node: Any) -> bool:
    return type(node).__name__ == "BinaryExpr" and str(node.op) in ("/", "*")
