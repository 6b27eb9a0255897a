"""A share of one counter is 0 where nothing of its kind was counted, and not absent.

    sum by (s) (rate(requests_total{code=~"5.."}[5m])) / sum by (s) (rate(requests_total[5m]))

Without a single 5xx there is no series above the line, so that the whole has none: nobody can tell
"no errors" from "no data" (Prometheus' documentation of vector matching). Where both sides count
the same metric, and the part is chosen by matchers alone, what stands below the line says that
there was traffic; then the part is 0.
"""

from __future__ import annotations

from typing import Any

_RATES = frozenset({"rate", "irate", "increase"})


def whole_share(promql: str) -> str:
    """Return an expression that is 0 where its part is absent and its whole is not.

    What is no share of one counter, or does not parse, comes back as it is.
    """
    import promql_parser

    try:
        tree = promql_parser.parse(promql)
    except ValueError:
        return promql
    share, factor = _inside(tree), ""
    if _is(share, "BinaryExpr") and str(share.op) == "*":  # in percent
        for one, other in ((share.lhs, share.rhs), (share.rhs, share.lhs)):
            if _is(one, "NumberLiteral"):
                share, factor = _inside(other), f" * {one}"
    if not (_is(share, "BinaryExpr") and str(share.op) == "/"):
        return promql
    if share.modifier is not None:
        return promql
    part, whole = _counted(share.lhs), _counted(share.rhs)
    if part is None or whole is None or part != whole:
        return promql
    above, below = str(share.lhs), str(share.rhs)
    return f"({above}) / ({below}){factor} or ({below}) * 0"


def _counted(node: Any) -> tuple[str, str] | None:
    """Return the metric that is counted and how its series are put together."""
    node = _inside(node)
    grouping = ""
    if _is(node, "AggregateExpr"):
        if str(node.op) != "sum":
            return None
        grouping = str(node.modifier.labels) + str(node.modifier.type) if node.modifier else "all"
        node = _inside(node.expr)
    if not (_is(node, "Call") and node.func.name in _RATES and _is(node.args[0], "MatrixSelector")):
        return None
    selector = node.args[0].vector_selector
    if not selector.name or not grouping:  # unsummed, labels of the part and the whole differ
        return None
    return str(selector.name), grouping


def _inside(node: Any) -> Any:
    while _is(node, "ParenExpr"):
        node = node.expr
    return node


def _is(node: Any, kind: str) -> bool:
    return type(node).__name__ == kind
