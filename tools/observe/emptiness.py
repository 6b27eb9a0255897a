"""Why an expression has no series: which part of it is empty, and what is there instead.

    selectors ──no series in the window──> which matcher leaves none, and which values there are
              └─too few samples in its range──> how far apart they are
    both sides of an operator have series ──> a comparison that leaves none, labels that do not meet
    histogram_quantile ──> without its label `le`

Each reason is found by counting in the store, so a part that cannot be asked is left out. Nothing
found is no reason: the list is empty then.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from foundation.together import all_or_none
from tools.errors import BackendError
from tools.observe.promql import Selected, parsed, selections
from tools.ports import Metrics
from tools.world import Labels, Window

MOST_SELECTORS = 3  # that are looked into; each costs a few counts
MOST_VALUES = 8  # of a label, shown
_TWO_SAMPLES = frozenset(
    {"rate", "irate", "increase", "delta", "idelta", "deriv", "predict_linear", "resets", "changes"}
)
_COMPARING = frozenset({"==", "!=", ">", "<", ">=", "<="})
Answer = list[tuple[Labels, float]]


async def reasons(metrics: Metrics, expression: str, window: Window) -> list[str]:
    """Return why an expression that parses gave nothing over a window; empty: not known."""
    tree = parsed(expression)
    if tree is None:  # another dialect: its store reads it, we do not
        return []
    look = _Look(metrics, window)
    told: list[str] = []
    for each in selections(tree)[:MOST_SELECTORS]:
        told += await look.selector(each)
    for name, ranged in _ranged(tree):
        if not told and name in _TWO_SAMPLES:
            told += await look.too_short(ranged)
    if not told:
        told += await look.whole(tree)
    return list(dict.fromkeys(told))


class _Look:
    """One look into a store, over one window."""

    def __init__(self, metrics: Metrics, window: Window) -> None:
        self._metrics, self._window = metrics, window
        self._seconds = max(60, math.ceil(window.duration.total_seconds()))

    async def _ask(self, promql: str) -> Answer | None:
        try:
            return await self._metrics.query(promql, self._window.end)
        except BackendError:
            return None

    async def _count(self, selector: str) -> float | None:
        """Return how many series a selector has in the window; None when that is not known."""
        found = await self._ask(f"count(count_over_time({selector}[{self._seconds}s]))")
        return None if found is None else sum(value for _, value in found)

    async def selector(self, selected: Selected) -> list[str]:
        """Say which matcher leaves a selector without series, and what there is."""
        if await self._count(selected.text) != 0 or not selected.matchers:
            return []
        for position, matcher in enumerate(selected.matchers):
            rest = selected.without(position)
            if not await self._count(rest):
                continue
            asked = f"count by ({matcher.label}) (count_over_time({rest}[{self._seconds}s]))"
            found = await self._ask(asked) or []
            values = sorted({dict(labels).get(matcher.name, "") for labels, _ in found})
            return [f"{rest} has no series with {matcher}: {_values(matcher.name, values)}"]
        if len(selected.matchers) > 1 and await self._count(selected.bare):
            return [f"no series of {selected.bare} matches all of {selected.text} at once"]
        return []

    async def too_short(self, node: Any) -> list[str]:
        """Say when a range holds fewer than the two samples that a rate needs."""
        (selected,) = selections(node)
        text, seconds = selected.text, node.range.total_seconds()
        most, all_of_it = await all_or_none(
            self._ask(f"max(count_over_time({text}[{seconds:g}s]))"),
            self._ask(f"max(count_over_time({text}[{self._seconds}s]))"),
        )
        samples = all_of_it[0][1] if all_of_it else 0
        if not most or most[0][1] >= 2 or samples < 2:
            return []
        apart = self._seconds / samples
        told = f"the range [{_span(seconds)}] of {text} is shorter than two scrapes, which are "
        return [f"{told}about {_span(apart)} apart: take [{_span(4 * apart)}] or more"]

    async def whole(self, tree: Any) -> list[str]:
        """Say what becomes of parts that have series."""
        kind = type(tree).__name__
        if kind in {"ParenExpr", "UnaryExpr", "AggregateExpr"}:
            return await self.whole(tree.expr)
        if kind == "Call" and tree.func.name == "histogram_quantile":
            return await self._quantile(tree.args[1])
        if kind == "BinaryExpr":
            return await self._sides(str(tree.op), str(tree.lhs), str(tree.rhs))
        return []

    async def _quantile(self, inner: Any) -> list[str]:
        found = await self._ask(str(inner)) or []
        if found and not any(dict(labels).get("le") for labels, _ in found):
            return [f"histogram_quantile needs the label le, and {inner} has none: keep it in `by`"]
        return []

    async def _sides(self, operator: str, left: str, right: str) -> list[str]:
        one, other = await all_or_none(self._ask(left), self._ask(right))
        if one is None or other is None:
            return []
        empty = [side for side, found in ((left, one), (right, other)) if not found]
        if empty and operator not in {"or", "unless"}:
            return [f"{side} has no value at the end of the window" for side in empty]
        if operator.partition(" ")[0] in _COMPARING:
            values = [value for _, value in one if math.isfinite(value)]
            if values:
                low, high = min(values), max(values)
                return [f"the comparison leaves none: {left} lies between {low:g} and {high:g} now"]
        first, second = _names(one), _names(other)
        if one and other and first != second:
            told = f"both sides of {operator} have series, but their labels differ: the left has "
            return [f"{told}({first}), the right ({second}); use on(…) or sum by (…)"]
        return []


def _ranged(node: Any) -> Iterator[tuple[str, Any]]:
    """Return every function that is given a range of samples, with that range."""
    if type(node).__name__ == "Call":
        for each in node.args:
            if type(each).__name__ == "MatrixSelector":
                yield str(node.func.name), each
    for name in ("lhs", "rhs", "expr"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from _ranged(child)
    for child in getattr(node, "args", None) or ():
        yield from _ranged(child)


def _names(answer: Answer) -> str:
    return ", ".join(sorted({name for labels, _ in answer for name, _ in labels}))


def _values(name: str, values: list[str]) -> str:
    known = [value for value in values if value]
    if not known:
        return f"they have no label {name}"
    more = len(known) - MOST_VALUES
    shown = ", ".join(repr(value) for value in known[:MOST_VALUES])
    return f"its {name} is {shown}" + (f" and {more} more" if more > 0 else "")


def _span(seconds: float) -> str:
    whole = timedelta(seconds=round(seconds))
    if seconds >= 120 and whole.seconds % 60 == 0:
        return f"{round(seconds / 60)}m"
    return f"{round(seconds)}s"
