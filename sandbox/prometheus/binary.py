"""Binary operators: arithmetic, comparisons and sets, with label matching."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sandbox.prometheus.errors import ExecutionError
from sandbox.prometheus.samples import NAME, Floats, Labels, Mask, labels_of
from sandbox.prometheus.values import Scalar, Vector, distinct, drop, keep, without_name

Arithmetic = Callable[[Floats, Floats], Floats]
ARITHMETIC: dict[str, Arithmetic] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
DROPS_NAME = frozenset(ARITHMETIC) - {"atan2"}  # as Prometheus 2.42 has it
COMPARISON: dict[str, Callable[[Floats, Floats], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS = ("and", "or", "unless")
Row = tuple[Labels, Floats, Mask]


@dataclass(frozen=True)
class Matching:
    """How the two sides of an operator find each other."""

    on: bool = False  # only `names` count; else all labels but `names`
    names: tuple[str, ...] = ()
    many: str = ""  # "left" for group_left, "right" for group_right
    include: tuple[str, ...] = ()  # labels copied from the "one" side
    bool_modifier: bool = False

    def signature(self, labels: Labels) -> Labels:
        """Return the labels that must agree."""
        return keep(labels, self.names) if self.on else drop(labels, [*self.names, NAME])


def scalars(op: str, left: Scalar, right: Scalar) -> Scalar:
    """Combine two scalars; comparisons give 0 or 1."""
    with np.errstate(all="ignore"):
        if op in COMPARISON:
            return Scalar(COMPARISON[op](left.values, right.values).astype(np.float64))
        return Scalar(ARITHMETIC[op](left.values, right.values))


def vector_scalar(
    op: str, vector: Vector, scalar: Scalar, *, swapped: bool, bool_modifier: bool
) -> Vector:
    """Combine each series with a scalar; `swapped`: the scalar stood on the left."""
    left, right = (scalar.values, vector.values) if swapped else (vector.values, scalar.values)
    with np.errstate(all="ignore"):
        if op in ARITHMETIC:
            values = ARITHMETIC[op](left, right)
            if op not in DROPS_NAME:
                return Vector(vector.labels, values, vector.present)
            return vector.mapped(lambda _: values)
        held = COMPARISON[op](left, right)
    if bool_modifier:
        return vector.mapped(lambda _: held.astype(np.float64))
    rows = zip(vector.labels, vector.values, vector.present & held, strict=True)
    return Vector.of_rows(list(rows), vector.values.shape[1])


def sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Intersect, unite or subtract by label signature."""
    steps = left.values.shape[1]
    other, mine = (left, right) if op == "or" else (right, left)
    seen: dict[Labels, Mask] = {}
    for labels, present in zip(other.labels, other.present, strict=True):
        key = matching.signature(labels)
        seen[key] = present | seen.get(key, np.zeros(steps, dtype=bool))
    rows: list[Row] = []
    if op == "or":
        rows.extend(zip(left.labels, left.values, left.present, strict=True))
    for labels, values, present in zip(mine.labels, mine.values, mine.present, strict=True):
        met = seen.get(matching.signature(labels), np.zeros(steps, dtype=bool))
        rows.append((labels, values, present & (met if op == "and" else ~met)))
    return distinct(Vector.of_rows(rows, steps))


def vectors(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """Combine two vectors pair by pair, one-to-one or many-to-one."""
    steps = left.values.shape[1]
    if not left.labels or not right.labels:
        return Vector.empty(steps)
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    lookup = _one_side(one, matching, side="left" if swapped else "right")
    taken: dict[Labels, Mask] = {}
    rows: list[Row] = []
    for labels, values, present in zip(many.labels, many.values, many.present, strict=True):
        key = matching.signature(labels)
        for other in lookup.get(key, ()):
            both = present & one.present[other]
            if not both.any():
                continue
            if not matching.many:
                _claim(taken, key, both)
            pair = (one.values[other], values) if swapped else (values, one.values[other])
            result, held = _combine(op, *pair, bool_modifier=matching.bool_modifier)
            name = _result_labels(op, labels, one.labels[other], matching)
            rows.append((name, result, both & held))
    try:
        return distinct(Vector.of_rows(rows, steps))
    except ExecutionError:
        msg = "multiple matches for labels: grouping labels must ensure unique matches"
        raise ExecutionError(msg) from None


def _combine(op: str, left: Floats, right: Floats, *, bool_modifier: bool) -> tuple[Floats, Mask]:
    with np.errstate(all="ignore"):
        if op in ARITHMETIC:
            return ARITHMETIC[op](left, right), np.ones(left.shape, dtype=bool)
        held = COMPARISON[op](left, right)
    if bool_modifier:
        return held.astype(np.float64), np.ones(left.shape, dtype=bool)
    return left, held


def _one_side(one: Vector, matching: Matching, *, side: str) -> dict[Labels, list[int]]:
    lookup: dict[Labels, list[int]] = {}
    seen: dict[Labels, Mask] = {}
    for row, labels in enumerate(one.labels):
        key = matching.signature(labels)
        if key in seen and (seen[key] & one.present[row]).any():
            msg = (
                f"found duplicate series for the match group {shown(key)} on the {side} hand-side "
                f"of the operation: [{shown(labels)}, {shown(one.labels[lookup[key][0]])}];"
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
            raise ExecutionError(msg)
        seen[key] = one.present[row] | seen.get(key, False)
        lookup.setdefault(key, []).append(row)
    return lookup


def _claim(taken: dict[Labels, Mask], key: Labels, both: Mask) -> None:
    if key in taken and (taken[key] & both).any():
        msg = (
            "multiple matches for labels: many-to-one matching must be explicit "
            "(group_left/group_right)"
        )
        raise ExecutionError(msg)
    taken[key] = both | taken.get(key, False)


def _result_labels(op: str, many: Labels, one: Labels, matching: Matching) -> Labels:
    labels = without_name(many) if op in DROPS_NAME or matching.bool_modifier else many
    if not matching.many:
        return keep(labels, matching.names) if matching.on else drop(labels, matching.names)
    if not matching.include:
        return labels
    copied = keep(one, matching.include)
    return labels_of([*drop(labels, matching.include), *copied])


def shown(labels: Labels) -> str:
    """Write labels the way error messages do."""
    inner = ", ".join(f'{name}="{value}"' for name, value in labels if name != NAME)
    return f"{dict(labels).get(NAME, '')}{{{inner}}}"
