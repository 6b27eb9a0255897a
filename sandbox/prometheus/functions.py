"""Functions of instant vectors: maths, labels, histograms, time."""

import re
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sandbox.prometheus.errors import ExecutionError
from sandbox.prometheus.regex import compile_regex
from sandbox.prometheus.samples import Floats, Labels, Mask, labels_of
from sandbox.prometheus.values import Vector, distinct, drop, without_name

Elementwise = Callable[[Floats], Floats]
MATHS: dict[str, Elementwise] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "floor": np.floor,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "ln": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sgn": np.sign,
    "deg": np.degrees,
    "rad": np.radians,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
}
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def rounded(vector: Vector, to_nearest: Floats) -> Vector:
    """Round half up to a multiple of `to_nearest`."""
    inverse = 1.0 / to_nearest
    return vector.mapped(lambda values: np.floor(values * inverse + 0.5) / inverse)


def clamped(vector: Vector, low: Floats, high: Floats) -> Vector:
    """Keep values between `low` and `high`; where they cross there is no sample."""
    limited = vector.mapped(lambda values: np.maximum(low, np.minimum(high, values)))
    rows = zip(limited.labels, limited.values, limited.present & ~(low > high), strict=True)
    return Vector.of_rows(list(rows), limited.values.shape[1])


def ordered(vector: Vector, *, descending: bool) -> Vector:
    """Sort series by their value at the last step (an instant query has one); NaN goes last."""
    if not vector.labels:
        return vector
    last = vector.values[:, -1]
    key = np.where(np.isnan(last), np.inf, -last if descending else last)
    order = np.argsort(key, kind="stable")
    return Vector(
        [vector.labels[row] for row in order], vector.values[order], vector.present[order]
    )


def label_replace(
    vector: Vector, target: str, replacement: str, source: str, pattern: str
) -> Vector:
    """Set `target` from `source` where the whole value matches `pattern`."""
    if not _LABEL_NAME.fullmatch(target):
        msg = f"invalid destination label name in label_replace(): {target}"
        raise ExecutionError(msg)
    try:
        compiled = compile_regex(pattern)
    except re.error:
        msg = f"invalid regular expression in label_replace(): {pattern}"
        raise ExecutionError(msg) from None
    template = _template(replacement)

    def renamed(labels: Labels) -> Labels:
        found = compiled.fullmatch(dict(labels).get(source, ""))
        if found is None:
            return labels
        value = "".join(
            part if index % 2 == 0 else _group(found, part) for index, part in enumerate(template)
        )
        return labels_of([*drop(labels, [target]), (target, value)])

    changed = [renamed(labels) for labels in vector.labels]
    return distinct(Vector(changed, vector.values, vector.present))


def _template(replacement: str) -> list[str]:
    """Split `a$1b${name}` into literal, group, literal, group, …; `$$` is a dollar sign."""
    parts = [""]
    rest = 0
    for found in re.finditer(r"\$(?:(\$)|\{(\w+)\}|(\w+))", replacement):
        parts[-1] += replacement[rest : found.start()]
        rest = found.end()
        if found[1]:
            parts[-1] += "$"
        else:
            parts += [found[2] or found[3], ""]
    parts[-1] += replacement[rest:]
    return parts


def _group(found: re.Match[str], name: str) -> str:
    try:
        return found[int(name) if name.isdigit() else name] or ""
    except IndexError:
        return ""


def label_join(vector: Vector, target: str, separator: str, sources: list[str]) -> Vector:
    """Set `target` to the values of `sources` joined by `separator`."""
    if not _LABEL_NAME.fullmatch(target):
        msg = f"invalid destination label name in label_join(): {target}"
        raise ExecutionError(msg)

    def joined(labels: Labels) -> Labels:
        held = dict(labels)
        value = separator.join(held.get(source, "") for source in sources)
        return labels_of([*drop(labels, [target]), (target, value)])

    changed = [joined(labels) for labels in vector.labels]
    return distinct(Vector(changed, vector.values, vector.present))


def histogram_quantile(q: Floats, vector: Vector) -> Vector:
    """Estimate a quantile from cumulative buckets, linear inside the bucket it falls into."""
    groups: dict[Labels, list[tuple[float, int]]] = {}
    for row, labels in enumerate(vector.labels):
        try:
            bound = float(dict(labels).get("le", ""))
        except ValueError:
            continue
        key = drop(without_name(labels), ["le"])
        groups.setdefault(key, []).append((bound, row))
    steps = vector.values.shape[1]
    rows: list[tuple[Labels, Floats, Mask]] = []
    for key, buckets in groups.items():
        buckets.sort()
        bounds = np.array([bound for bound, _ in buckets])
        members = [row for _, row in buckets]
        values, present = vector.values[members], vector.present[members]
        result = np.full(steps, np.nan)
        if present.all():
            rows.append((key, _bucket_quantile(q, bounds, values), present[0]))
            continue
        patterns, which = np.unique(present, axis=1, return_inverse=True)
        for index, pattern in enumerate(patterns.T):
            columns = np.flatnonzero(which.ravel() == index)
            block = values[np.ix_(pattern, columns)]
            result[columns] = _bucket_quantile(q[columns], bounds[pattern], block)
        rows.append((key, result, np.asarray(present.any(axis=0))))
    return Vector.of_rows(rows, steps)


def _monotonic(counts: Floats) -> Floats:
    """Raise counts that fall; a NaN is passed over, or spoils everything when it comes first."""
    raised = counts.copy()
    most = raised[0].copy()
    for row in raised[1:]:
        most = np.where(row > most, row, most)
        np.copyto(row, most, where=row < most)
    return raised


def _first_reaching(counts: Floats, rank: Floats) -> NDArray[np.int64]:
    """First bucket but the last that reaches the rank, by Go's binary search (NaN: no)."""
    low = np.zeros(len(rank), dtype=np.int64)
    high = np.full(len(rank), len(counts) - 1)
    columns = np.arange(len(rank))
    while (low < high).any():
        middle = (low + high) // 2
        reached = counts[middle, columns] >= rank
        searching = low < high
        high = np.where(searching & reached, middle, high)
        low = np.where(searching & ~reached, middle + 1, low)
    return low


def _bucket_quantile(q: Floats, bounds: Floats, counts: Floats) -> Floats:
    """Interpolate columns of `counts`, cumulative by rising `bounds`."""
    if bounds.size == 0:
        return np.full(len(q), np.nan)
    extreme = np.where(q < 0, -np.inf, np.where(q > 1, np.inf, np.nan))
    unique, first = np.unique(bounds, return_index=True)
    if unique.size < 2 or not np.isposinf(unique[-1]):
        return extreme if np.isposinf(unique[-1]) else np.where(np.isnan(q), np.nan, extreme)
    merged = np.add.reduceat(counts, first, axis=0)
    merged = _monotonic(merged)
    observations = merged[-1]
    rank = q * observations
    at = _first_reaching(merged, rank)
    columns = np.arange(len(q))
    inner = np.minimum(at, unique.size - 2)
    start = np.where(inner > 0, unique[np.maximum(inner - 1, 0)], 0.0)
    before = np.where(inner > 0, merged[np.maximum(inner - 1, 0), columns], 0.0)
    with np.errstate(all="ignore"):
        share = (rank - before) / (merged[inner, columns] - before)
        result = start + (unique[inner] - start) * share
    result = np.where((inner == 0) & (unique[0] <= 0), unique[0], result)
    result = np.where(at > unique.size - 2, unique[-2], result)
    result = np.where((observations == 0) | np.isnan(observations) | np.isnan(q), np.nan, result)
    return np.where((q < 0) | (q > 1), extreme, result)
