"""Whether the series of an expression still say whose they are.

A series is somebody's when its label `service` came from the samples it was made of. Some words of
PromQL put a label where it was not, or carry one service's value to another's label:
`label_replace(secret_gauge, "service", "my-api", "", "")`, `up * scalar(secret_gauge)`. So an
expression counts as mixing unless it is made of functions that are known not to.
"""

from __future__ import annotations

import re2

from foundation.encodings import writable

_CALLED = re2.compile(r"(?i)\b([a-z_]\w*)\s*\(")
_MIXING = re2.compile(
    r"(?i)#|\b(?:label_\w+|count_values|scalar|vector|absent\w*|info|on|ignoring|group_left|group_right"
    r"|quantiles|topk_\w+|bottomk_\w+|with|alias|union)\b"
)
PLAIN = frozenset(
    {
        "by", "without", "and", "or", "unless", "sum", "avg", "min", "max", "count", "stddev",
        "stdvar", "topk", "bottomk", "quantile", "group", "rate", "irate", "increase", "delta",
        "idelta", "deriv", "predict_linear", "changes", "resets", "avg_over_time", "min_over_time",
        "max_over_time", "sum_over_time", "count_over_time", "quantile_over_time",
        "stddev_over_time", "stdvar_over_time", "last_over_time", "histogram_quantile", "abs",
        "ceil", "floor", "round", "clamp", "clamp_min", "clamp_max", "sqrt", "exp", "ln", "log2",
        "log10", "sort", "sort_desc", "timestamp",
    }
)  # fmt: skip


def mixes_series(expression: str) -> bool:
    """Say whether the labels of an expression's series may not be theirs."""
    expression = writable(expression)
    called = {name.lower() for name in _CALLED.findall(expression)}
    return bool(called - PLAIN) or _MIXING.search(expression) is not None
