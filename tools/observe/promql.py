"""The guard before PromQL that a model wrote: it must parse, select something, and be affordable.

Cost is estimated: points of the answer times samples each selector's range holds
at a 15-second scrape. A selector without a name or an effective matcher reads every series.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from tools.errors import BadArgumentError
from tools.world import Window

LONGEST_RANGE = timedelta(days=7)
MAX_LOOKS = 20_000_000  # samples read per series the selectors match
SCRAPE_SECONDS = 15.0
_CHILDREN = ("lhs", "rhs", "expr", "vector_selector", "param")


def check(promql: str, window: Window, step: timedelta) -> None:
    """Raise BadArgumentError with advice unless the query may be sent."""
    import promql_parser

    try:
        tree = promql_parser.parse(promql)
    except ValueError as error:
        raise BadArgumentError(f"PromQL {promql!r} does not parse: {error}") from error
    points = math.ceil(window.duration / step) + 1
    looks = 0.0
    for kind, node, subpoints in _selectors(tree, 1.0):
        selector = node.vector_selector if kind == "MatrixSelector" else node
        _check_selector(promql, selector)
        reach = node.range if kind == "MatrixSelector" else timedelta(seconds=SCRAPE_SECONDS)
        if reach > LONGEST_RANGE:
            raise BadArgumentError(
                f"the range [{reach}] in {promql!r} is longer than 7 days; shorten it"
            )
        looks += points * subpoints * max(1.0, reach.total_seconds() / SCRAPE_SECONDS)
    if looks > MAX_LOOKS:
        raise BadArgumentError(
            f"{promql!r} over {window.duration} would read about {looks:,.0f} samples per series "
            f"(limit {MAX_LOOKS:,}); take a shorter window or shorter ranges"
        )


def _check_selector(promql: str, selector: Any) -> None:
    if selector.name:
        return
    groups = [selector.matchers.matchers, *selector.matchers.or_matchers]
    for group in groups:
        if not any(_narrows(matcher) for matcher in group):
            raise BadArgumentError(
                f"{promql!r} has a selector that matches every series; name a metric, "
                'for example http_requests_total{service="gateway"} (list_metrics shows names)'
            )


def _narrows(matcher: Any) -> bool:
    equal = str(matcher.op) in {"MatchOp.Equal", "=", "Equal"}
    regex = str(matcher.op) in {"MatchOp.Re", "=~", "Re"}
    if equal:
        return bool(matcher.value)
    return regex and matcher.value not in {"", ".*", ".+", "^.*$", "^.+$"}


def _selectors(node: Any, subpoints: float) -> Iterator[tuple[str, Any, float]]:
    kind = type(node).__name__
    if kind in {"VectorSelector", "MatrixSelector"}:
        yield kind, node, subpoints
        return
    if kind == "SubqueryExpr":
        if node.range > LONGEST_RANGE:
            raise BadArgumentError(f"the subquery range {node.range} is longer than 7 days")
        step = node.step or timedelta(minutes=1)
        subpoints *= max(1.0, node.range / step)
    for name in _CHILDREN:
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            yield from _selectors(child, subpoints)
    for child in getattr(node, "args", None) or ():
        yield from _selectors(child, subpoints)
