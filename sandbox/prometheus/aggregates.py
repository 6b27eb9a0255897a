"""Aggregations across series: sum, avg, topk, quantile and the rest, step by step in columns."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from sandbox.prometheus.errors import ExecutionError
from sandbox.prometheus.numbers import text
from sandbox.prometheus.quantiles import masked_quantile
from sandbox.prometheus.samples import NAME, Floats, Labels, Mask, labels_of
from sandbox.prometheus.values import Scalar, Text, Value, Vector, drop, keep

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NAN_BITS = np.uint64(0x7FF8000000000001)
_OF_ONE = frozenset({"sum", "avg", "min", "max"})  # what leaves a series alone as it is
Reduce = Callable[[Floats, Mask], Floats]


def _sum(values: Floats, present: Mask) -> Floats:
    total: Floats = np.where(present, values, 0.0).sum(axis=0)
    return total


def _mean(values: Floats, present: Mask) -> Floats:
    mean: Floats = _sum(values, present) / present.sum(axis=0)
    return mean


def _variance(values: Floats, present: Mask) -> Floats:
    spread = _sum((values - _mean(values, present)) ** 2, present)
    variance: Floats = spread / present.sum(axis=0)
    return variance


_REDUCE: dict[str, Reduce] = {
    "sum": _sum,
    "avg": _mean,
    "min": lambda values, present: np.fmin.reduce(np.where(present, values, np.nan), axis=0),
    "max": lambda values, present: np.fmax.reduce(np.where(present, values, np.nan), axis=0),
    "count": lambda _, present: present.sum(axis=0).astype(np.float64),
    "group": lambda values, _: np.ones(values.shape[1]),
    "stddev": lambda values, present: np.sqrt(_variance(values, present)),
    "stdvar": _variance,
}


def _groups(vector: Vector, names: Sequence[str], *, exclude: bool) -> dict[Labels, list[int]]:
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        key = drop(labels, [*names, NAME]) if exclude else keep(labels, names)
        groups.setdefault(key, []).append(row)
    return groups


def aggregate(
    op: str, vector: Vector, parameter: Value | None, names: Sequence[str], *, exclude: bool
) -> Vector:
    """Aggregate by `names`, or by all labels except them."""
    groups = _groups(vector, names, exclude=exclude)
    steps = vector.values.shape[1]
    rows: list[tuple[Labels, Floats, Mask]] = []
    with np.errstate(all="ignore"):
        for key, members in groups.items():
            if len(members) == 1 and op in _OF_ONE:
                rows.append((key, vector.values[members[0]], vector.present[members[0]]))
                continue
            values, present = vector.values[members], vector.present[members]
            seen = np.asarray(present.any(axis=0))
            if op in _REDUCE:
                rows.append((key, _REDUCE[op](values, present), seen))
            elif op == "quantile":
                rows.append((key, masked_quantile(_number(op, parameter), values, present), seen))
            elif op in {"topk", "bottomk"}:
                chosen = _extreme(values, present, _number(op, parameter), largest=op == "topk")
                labelled = [vector.labels[member] for member in members]
                rows.extend(zip(labelled, values, chosen, strict=True))
            elif op == "count_values":
                rows.extend(_count_values(key, values, present, parameter))
            else:
                msg = f"sandbox does not evaluate the aggregation {op!r}"
                raise ExecutionError(msg)
    if op == "count_values":
        rows = _added(rows)
    return Vector.of_rows(rows, steps)


def _number(op: str, parameter: Value | None) -> Floats:
    if not isinstance(parameter, Scalar):
        msg = f"{op} needs a number as its first argument"
        raise ExecutionError(msg)
    return parameter.values


def _extreme(values: Floats, present: Mask, k: Floats, *, largest: bool) -> Mask:
    badness = -values if largest else values
    badness = np.where(np.isnan(values), np.inf, badness)
    order = np.lexsort((badness, ~present), axis=0)
    position = np.argsort(order, axis=0, kind="stable")
    chosen: Mask = present & (position < np.floor(k))
    return chosen


def _count_values(
    key: Labels, values: Floats, present: Mask, parameter: Value | None
) -> list[tuple[Labels, Floats, Mask]]:
    if not isinstance(parameter, Text):
        msg = "count_values needs a label name as its first argument"
        raise ExecutionError(msg)
    if not _LABEL_NAME.fullmatch(parameter.value):
        msg = f'invalid label name "{parameter.value}"'
        raise ExecutionError(msg)
    rows = []
    bits = np.ascontiguousarray(values).view(np.uint64)  # 0 and -0 are two values
    bits = np.where(np.isnan(values), _NAN_BITS, bits)
    for pattern in np.unique(bits[present]):
        count = (present & (bits == pattern)).sum(axis=0).astype(np.float64)
        value = np.array([pattern]).view(np.float64)[0]
        labels = labels_of([*drop(key, [parameter.value]), (parameter.value, text(value))])
        rows.append((labels, count, count > 0))
    return rows


def _added(rows: list[tuple[Labels, Floats, Mask]]) -> list[tuple[Labels, Floats, Mask]]:
    """Add up the counts of rows with equal labels."""
    found: dict[Labels, tuple[Floats, Mask]] = {}
    for labels, count, present in rows:
        if labels in found:
            other, seen = found[labels]
            found[labels] = (other + count, seen | present)
        else:
            found[labels] = (count, present)
    return [(labels, *row) for labels, row in found.items()]
