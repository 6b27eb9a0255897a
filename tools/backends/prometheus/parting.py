"""Splitting one question into parts by the values of a label, when its answer is too large.

    rate(x[5m])  ──count by (app) (…)──>  api: 700, login: 500, web: 300     of at most 1,000
        ──> rate(x{app=~"a.*"}[5m])
            rate(x{app=~"(?:l.*|w.*)"}[5m])
            rate(x{app!~"(?:a.*|l.*|w.*)"}[5m])     whose names begin otherwise, or that have none

Only where the parts are the whole: every series of the result must stand on series that bear its
own value of the label. `can_part` reads that from the expression's tree and refuses what it cannot
see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tools.errors import BadArgumentError

_TOKEN = re.compile(
    r"""(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
    |(?P<comment>\#[^\n]*)
    |(?P<range>\[[^\]]*\])
    |(?P<number>[0-9][0-9A-Za-z_.]*)
    |(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
    |(?P<open>\{)
    |(?P<space>\s+)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset(("and", "or", "unless", "atan2", "bool", "offset", "inf", "nan", "start", "end"))
_LOSING = frozenset({"absent", "absent_over_time", "scalar", "vector", "info"})
_RELABELLING = frozenset({"label_replace", "label_join"})
_SPARE_RATIO = 0.8  # of what one answer may hold: a part grows until it is planned anew


class NameStart(NamedTuple):
    """How values of the label begin; `whole`: it is a value, and none that goes on."""

    text: str
    whole: bool = False


Part = tuple[NameStart, ...]


def can_part(promql: str, label: str) -> bool:
    """Say whether each series of the result stands on series of its own value of the label."""
    import promql_parser

    try:
        return _keeps(promql_parser.parse(promql), label)
    except ValueError:
        return False  # another dialect: nobody here can tell


def _keeps(node: Any, label: str) -> bool:
    kind = type(node).__name__
    if kind in {"NumberLiteral", "StringLiteral", "VectorSelector", "MatrixSelector"}:
        return True
    if kind in {"ParenExpr", "UnaryExpr", "SubqueryExpr"}:
        return _keeps(node.expr, label)
    if kind == "AggregateExpr":
        grouped = node.modifier is not None and _names(node.modifier, label, "By")
        return grouped and _keeps(node.expr, label)
    if kind == "BinaryExpr":
        sides = _keeps(node.lhs, label) and _keeps(node.rhs, label)
        matching = node.modifier.matching if node.modifier is not None else None
        return sides and (matching is None or _names(matching, label, "Include"))
    if kind == "Call":
        if node.func.name in _LOSING:
            return False
        if node.func.name in _RELABELLING and node.args[1].val == label:
            return False
        return all(_keeps(each, label) for each in node.args)
    return False


def _names(modifier: Any, label: str, including: str) -> bool:
    """Say whether a modifier keeps the label: named by `by` or `on`, unnamed by the others."""
    named = label in list(modifier.labels)
    return named if str(modifier.type).endswith(including) else not named


def plan_parts(counts: Mapping[str, float], most: int) -> list[Part]:
    """Return parts of the label's values, each with as many series as an answer may well hold.

    Values are told by as little of their beginning as parts them: thousands by name would be a
    longer question than a server reads, and a new one belongs to the part that its name begins.
    """
    room = max(1.0, most * _SPARE_RATIO)
    parts: list[list[NameStart]] = []
    left = 0.0
    for beginning, count in _beginnings(sorted(counts.items()), "", room):
        if not parts or count > left:
            parts.append([])
            left = room
        parts[-1].append(beginning)
        left -= count
    return [tuple(each) for each in parts]


def _beginnings(
    values: Sequence[tuple[str, float]], begun: str, room: float
) -> Iterator[tuple[NameStart, float]]:
    """Yield beginnings with their counts for sorted values that all begin alike."""
    total = sum(count for _, count in values)
    if total <= room:
        yield NameStart(begun), total
        return
    if len(values) == 1:
        yield NameStart(values[0][0], whole=True), total
        return
    shared = _shared([values[0][0], values[-1][0]])
    groups: dict[str, list[tuple[str, float]]] = {}
    for value, count in values:
        groups.setdefault(value[: len(shared) + 1], []).append((value, count))
    for prefix, group in groups.items():
        if prefix == shared:  # the value that the others begin with
            yield NameStart(shared, whole=True), group[0][1]
        else:
            yield from _beginnings(group, prefix, room)


def of_values(promql: str, label: str, part: Part) -> str:
    """Return the expression over series whose label begins so."""
    return _matching(promql, f"{label}=~{json.dumps(_pattern(part), ensure_ascii=False)}")


def of_others(promql: str, label: str, parts: Sequence[Part]) -> str:
    """Return the expression over the series of no part."""
    every = tuple(each for part in parts for each in part)
    return _matching(promql, f"{label}!~{json.dumps(_pattern(every), ensure_ascii=False)}")


def _pattern(part: Part, skip: int = 0) -> str:
    """Write beginnings as one pattern of RE2; what several begin with is written once."""
    if len(part) == 1:
        return _escaped(part[0].text[skip:]) + ("" if part[0].whole else ".*")
    end = skip + len(_shared([each.text[skip:] for each in part]))
    groups: dict[str, list[NameStart]] = {}
    for each in part:
        groups.setdefault(each.text[end : end + 1], []).append(each)
    inner = "|".join(_pattern(tuple(group), end) for group in groups.values())
    return f"{_escaped(part[0].text[skip:end])}(?:{inner})"


def _shared(texts: Sequence[str]) -> str:
    """Return what all texts begin with."""
    low, high = min(texts), max(texts)
    length = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low[:length]


def _escaped(text: str) -> str:
    """Write a text as a pattern of RE2, where fewer characters are special than in Python."""
    return re.sub(r"([.^$*+?()\[\]{}|\\])", r"\\\1", text)


def _matching(promql: str, matcher: str) -> str:
    """Return the expression with one more matcher in every selector.

    Raises BadArgumentError where what came out does not select what was meant.
    """
    import promql_parser

    written = "".join(_written(promql, matcher))
    try:
        before = list(_selectors(promql_parser.parse(promql)))
        after = list(_selectors(promql_parser.parse(written)))
    except ValueError as error:
        raise BadArgumentError(f"{promql!r} cannot be asked in parts: {error}") from error
    own = _selector(next(_selectors(promql_parser.parse(f"x{{{matcher}}}"))))[1]
    meant = [(name, matchers | own) for name, matchers in map(_selector, before)]
    if [_selector(each) for each in after] != meant:
        raise BadArgumentError(f"{promql!r} cannot be asked in parts: its selectors are not seen")
    return written


def _written(promql: str, matcher: str) -> Iterator[str]:
    tokens = [(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(promql)]
    tokens = [token for token in tokens if token[0] != "comment"]
    in_list = False
    for place, (kind, text) in enumerate(tokens):
        following = next((t for k, t in tokens[place + 1 :] if k != "space"), "")
        if in_list:
            in_list = text != ")"
            yield text
        elif kind == "open":
            yield f"{{{matcher}{'' if following == '}' else ','}"
        elif kind == "name":
            word = text.lower()
            if word in _LISTS:
                in_list = following == "("
                yield text
            elif word in _WORDS or following in {"(", "{"} or following.lower() in _LISTS - {"on"}:
                yield text  # a keyword, a function, an aggregation before its labels
            elif _in_braces(tokens[:place]):
                yield text
            else:
                yield f"{text}{{{matcher}}}"
        else:
            yield text


def _in_braces(before: Sequence[tuple[str, str]]) -> bool:
    depth = 0
    for _, text in before:
        depth += (text == "{") - (text == "}")
    return depth > 0


def _selectors(node: Any) -> Iterator[Any]:
    kind = type(node).__name__
    if kind == "VectorSelector":
        yield node
        return
    if kind == "MatrixSelector":
        yield node.vector_selector
        return
    for name in ("lhs", "rhs", "expr", "param"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from _selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from _selectors(child)


def _selector(selector: Any) -> tuple[str, frozenset[tuple[str, str, str]]]:
    if selector.matchers.or_matchers:
        raise BadArgumentError("a selector with alternatives cannot be asked in parts")
    found = {(m.name, str(m.op), m.value) for m in selector.matchers.matchers}
    return str(selector.name or ""), frozenset(found)
