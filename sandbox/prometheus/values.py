"""What an expression evaluates to, over all steps of a query at once.

Vector    rows of labels x steps; `present` tells a missing sample from a NaN one
Scalar    one number per step
Text      a string literal
Ranges    series with a window per step, what `x[5m]` means
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sandbox.prometheus.errors import ExecutionError
from sandbox.prometheus.samples import NAME, Floats, Labels, Mask, Series, Times


@dataclass(frozen=True, eq=False)
class Vector:
    """An instant vector at every step."""

    labels: list[Labels]
    values: Floats  # shape (series, steps)
    present: Mask  # same shape

    @classmethod
    def empty(cls, steps: int) -> "Vector":
        """Return a vector without series."""
        return cls([], np.zeros((0, steps)), np.zeros((0, steps), dtype=bool))

    @classmethod
    def of_rows(cls, rows: list[tuple[Labels, Floats, Mask]], steps: int) -> "Vector":
        """Stack rows, dropping those without any sample."""
        kept = [row for row in rows if row[2].any()]
        if not kept:
            return cls.empty(steps)
        return cls(
            [row[0] for row in kept],
            np.stack([row[1] for row in kept]),
            np.stack([row[2] for row in kept]),
        )

    def mapped(self, function: Callable[[Floats], Floats]) -> "Vector":
        """Apply an element-wise function; the metric name no longer fits and is dropped."""
        with np.errstate(all="ignore"):
            values = function(self.values)
        return distinct(Vector([without_name(row) for row in self.labels], values, self.present))


@dataclass(frozen=True, eq=False)
class Scalar:
    """One number per step."""

    values: Floats


@dataclass(frozen=True)
class Text:
    """A string literal."""

    value: str


@dataclass(frozen=True, eq=False)
class Ranges:
    """Series and, per step, the closed window [end - width, end] of samples to look at."""

    series: list[Series]
    ends: Times  # milliseconds, one per step, offset applied
    steps: Times  # milliseconds, the evaluation times
    width_ms: int


Value = Vector | Scalar | Text | Ranges


def without_name(labels: Labels) -> Labels:
    """Return the labels without the metric name."""
    return tuple(pair for pair in labels if pair[0] != NAME)


def keep(labels: Labels, names: Iterable[str]) -> Labels:
    """Return only the labels called `names`."""
    wanted = set(names)
    return tuple(pair for pair in labels if pair[0] in wanted)


def drop(labels: Labels, names: Iterable[str]) -> Labels:
    """Return the labels except those called `names`."""
    unwanted = set(names)
    return tuple(pair for pair in labels if pair[0] not in unwanted)


def distinct(vector: Vector) -> Vector:
    """Merge rows with equal labels; two samples at one step are the error Prometheus gives."""
    if len(set(vector.labels)) == len(vector.labels):
        return vector
    rows: dict[Labels, tuple[Floats, Mask]] = {}
    for labels, values, present in zip(vector.labels, vector.values, vector.present, strict=True):
        if labels not in rows:
            rows[labels] = (values, present)
            continue
        other, seen = rows[labels]
        if (seen & present).any():
            msg = "vector cannot contain metrics with the same labelset"
            raise ExecutionError(msg)
        rows[labels] = (np.where(present, values, other), seen | present)
    steps = vector.values.shape[1]
    return Vector.of_rows([(labels, *row) for labels, row in rows.items()], steps)
