"""PromQL over numpy: a parsed expression and a source of samples give values at every step.

    query --promql-parser--> tree --Evaluation--> Vector | Scalar | Text | Ranges

All steps are evaluated at once, in columns. What is not built is refused by name.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import promql_parser as promql

from sandbox.prometheus import aggregates, binary, dates, dialect, functions, windows
from sandbox.prometheus.errors import BadDataError, ExecutionError
from sandbox.prometheus.samples import (
    NAME,
    Floats,
    Labels,
    Mask,
    Matcher,
    Series,
    Source,
    Times,
    is_stale,
    labels_of,
)
from sandbox.prometheus.values import Ranges, Scalar, Text, Value, Vector, distinct, without_name

LOOKBACK_MS = 300_000  # Prometheus's default: a sample counts for five minutes
DEFAULT_RESOLUTION_MS = 60_000  # step of `x[1h:]`, the default evaluation interval
_KINDS = {Vector: "instant vector", Scalar: "scalar", Text: "string", Ranges: "range vector"}
_OPS = (  # the parser's enum is not hashable
    (promql.MatchOp.Equal, "="),
    (promql.MatchOp.NotEqual, "!="),
    (promql.MatchOp.Re, "=~"),
    (promql.MatchOp.NotRe, "!~"),
)


def parse(query: str) -> Any:  # the parser's nodes share no useful base class
    """Parse an expression; BadDataError says what is wrong with it."""
    said = dialect.translated(query)
    try:
        return promql.parse(said)
    except ValueError as error:
        raise dialect.parse_error(dialect.old_words(str(error))) from error


def matchers_of(selector: Any) -> list[Matcher]:
    """Return the conditions of a parsed selector."""
    found = [Matcher(NAME, "=", selector.name)] if selector.name else []
    for item in selector.matchers.matchers:
        op = next(word for known, word in _OPS if known == item.op)
        try:
            found.append(Matcher(item.name, op, item.value))
        except re.error as error:
            raise dialect.parse_error(str(error)) from error
    return found


def milliseconds(value: timedelta | None) -> int:
    """Return a duration in milliseconds; none is 0."""
    return 0 if value is None else round(value / timedelta(milliseconds=1))


def instant(source: Source, query: str, at_ms: int) -> Value:
    """Evaluate an expression at one moment."""
    steps = np.array([at_ms], dtype=np.int64)
    return Evaluation(source, steps, (at_ms, at_ms)).value(parse(query))


def range_steps(start_ms: int, end_ms: int, step_ms: int) -> Times:
    """Return the evaluation times of a range query."""
    return np.arange(start_ms, end_ms + 1, step_ms, dtype=np.int64)


def over(source: Source, query: str, start_ms: int, end_ms: int, step_ms: int) -> Vector | Scalar:
    """Evaluate an expression from `start_ms` to `end_ms` every `step_ms`."""
    node = parse(query)
    kinds = {"MatrixSelector": "range vector", "SubqueryExpr": "range vector"}
    kinds["StringLiteral"] = "string"
    kind = kinds.get(type(node).__name__)
    if kind is not None:
        msg = f'invalid expression type "{kind}" for range query, must be Scalar or instant Vector'
        raise BadDataError(msg)
    steps = range_steps(start_ms, end_ms, step_ms)
    value = Evaluation(source, steps, (start_ms, end_ms)).value(node)
    if not isinstance(value, Vector | Scalar):
        msg = f"expected a vector or a scalar, got {type(value).__name__.lower()}"
        raise ExecutionError(msg)
    return value


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluation over fixed steps."""

    source: Source
    steps: Times  # milliseconds
    bounds: tuple[int, int]  # the question's start and end, what @ start() and @ end() mean

    def value(self, node: Any) -> Value:
        """Evaluate any node."""
        kind = type(node).__name__
        method = getattr(self, f"_{kind.lower()}", None)
        if method is None:
            msg = f"sandbox does not evaluate expressions of type {kind!r}"
            raise ExecutionError(msg)
        result: Value = method(node)
        return result

    def vector(self, node: Any) -> Vector:
        """Evaluate a node that must be an instant vector."""
        value = self.value(node)
        if not isinstance(value, Vector):
            msg = f"expected an instant vector, got {type(value).__name__.lower()}"
            raise ExecutionError(msg)
        return value

    def scalar(self, node: Any) -> Floats:
        """Evaluate a node that must be a scalar."""
        value = self.value(node)
        if not isinstance(value, Scalar):
            msg = f"expected a scalar, got {type(value).__name__.lower()}"
            raise ExecutionError(msg)
        return value.values

    def _parenexpr(self, node: Any) -> Value:
        return self.value(node.expr)

    def _numberliteral(self, node: Any) -> Scalar:
        return Scalar(np.full(len(self.steps), float(node.val)))

    def _stringliteral(self, node: Any) -> Text:
        return Text(node.val)

    def _unaryexpr(self, node: Any) -> Value:
        value = self.value(node.expr)
        if isinstance(value, Scalar):
            return Scalar(-value.values)
        return self.vector(node.expr).mapped(np.negative)

    def _times(self, node: Any) -> Times:
        """Moments a selector or subquery looks at: the steps, or `@`, less the offset."""
        times = self.steps
        if node.at is not None:
            if node.at.type == promql.AtModifierType.Start:
                moment = self.bounds[0]
            elif node.at.type == promql.AtModifierType.End:
                moment = self.bounds[1]
            else:
                moment = round(node.at.at.timestamp() * 1000)
            times = np.full_like(self.steps, moment)
        return times - milliseconds(node.offset)

    def _vectorselector(self, node: Any) -> Vector:
        return self._latest(node, stamped=False)

    def _latest(self, node: Any, *, stamped: bool) -> Vector:
        """Return the newest sample within the lookback, or (`stamped`) its time."""
        times = self._times(node)
        found = self.source.select(
            matchers_of(node), int(times.min()) - LOOKBACK_MS, int(times.max())
        )
        rows: list[tuple[Labels, Floats, Mask]] = []
        for series in found:
            if not series.times.size:
                continue
            index = np.searchsorted(series.times, times, side="right") - 1
            safe = np.maximum(index, 0)
            values = series.values[safe]
            present = (index >= 0) & (times - series.times[safe] <= LOOKBACK_MS)
            present &= ~is_stale(values)
            rows.append(
                (series.labels, series.times[safe] / 1000.0 if stamped else values, present)
            )
        return Vector.of_rows(rows, len(self.steps))

    def _matrixselector(self, node: Any) -> Ranges:
        times, width = self._times(node.vector_selector), milliseconds(node.range)
        found = self.source.select(
            matchers_of(node.vector_selector), int(times.min()) - width, int(times.max())
        )
        return Ranges(found, times, self.steps, width)

    def _subqueryexpr(self, node: Any) -> Ranges:
        times, width = self._times(node), milliseconds(node.range)
        step = milliseconds(node.step) or DEFAULT_RESOLUTION_MS
        begin = int(times.min()) - width
        first = -(-begin // step) * step
        moments = np.arange(first, int(times.max()) + 1, step, dtype=np.int64)
        if not moments.size:
            return Ranges([], times, self.steps, width)
        inner = Evaluation(self.source, moments, self.bounds).value(node.expr)
        if not isinstance(inner, Vector):
            kind = _KINDS[type(inner)]
            reason = f"subquery is only allowed on instant vector, got {kind} instead"
            raise dialect.parse_error(reason)
        rows = zip(inner.labels, inner.values, inner.present, strict=True)
        series = [Series(labels, moments[held], values[held]) for labels, values, held in rows]
        return Ranges(series, times, self.steps, width)

    def _aggregateexpr(self, node: Any) -> Vector:
        modifier = node.modifier
        names: Sequence[str] = modifier.labels if modifier is not None else ()
        exclude = modifier is not None and modifier.type == promql.AggModifierType.Without
        parameter = None if node.param is None else self.value(node.param)
        return aggregates.aggregate(
            str(node.op), self.vector(node.expr), parameter, names, exclude=exclude
        )

    def _binaryexpr(self, node: Any) -> Value:
        op, matching = str(node.op), _matching(node.modifier)
        left, right = self.value(node.lhs), self.value(node.rhs)
        if isinstance(left, Scalar) and isinstance(right, Scalar):
            return binary.scalars(op, left, right)
        flag = matching.bool_modifier
        if isinstance(left, Vector) and isinstance(right, Scalar):
            return binary.vector_scalar(op, left, right, swapped=False, bool_modifier=flag)
        if isinstance(left, Scalar) and isinstance(right, Vector):
            return binary.vector_scalar(op, right, left, swapped=True, bool_modifier=flag)
        if not (isinstance(left, Vector) and isinstance(right, Vector)):
            msg = f"operator {op!r} is not defined between these types"
            raise ExecutionError(msg)
        if op in binary.SETS:
            return binary.sets(op, left, right, matching)
        return binary.vectors(op, left, right, matching)

    def _call(self, node: Any) -> Value:
        name, args = node.func.name, node.args
        if name in windows.FUNCTIONS and name not in windows.WITH_PARAMETERS:
            return self._windowed(name, self._ranges(args[0]))
        if name in functions.MATHS:
            return self.vector(args[0]).mapped(functions.MATHS[name])
        if name in dates.DATES:
            asked = self.vector(args[0]) if len(args) else self._everywhere(self.steps / 1000.0)
            return asked.mapped(dates.DATES[name])
        method = getattr(self, f"_fn_{name}", None)
        if method is None:
            reason = f'unknown function with name "{name}"'
            raise dialect.parse_error(reason)
        result: Value = method(args)
        return result

    def _ranges(self, node: Any) -> Ranges:
        value = self.value(node)
        if not isinstance(value, Ranges):
            msg = "expected a range vector"
            raise ExecutionError(msg)
        return value

    def _windowed(self, name: str, ranges: Ranges, *parameters: Floats) -> Vector:
        function = windows.FUNCTIONS[name]
        found: dict[int, tuple[Labels, Floats, Mask]] = {}
        with np.errstate(all="ignore"):
            for group in windows.alike(ranges.series):
                cut = windows.windows_of(ranges, group)
                if cut is None:
                    continue
                values, present = function(cut, *parameters)
                for (place, series), row in zip(group, values, strict=True):
                    named = name == "last_over_time"
                    labels = series.labels if named else without_name(series.labels)
                    found[place] = (labels, row, present)
        rows = [found[place] for place in sorted(found)]
        return distinct(Vector.of_rows(rows, len(self.steps)))

    def _fn_quantile_over_time(self, args: Any) -> Vector:
        return self._windowed("quantile_over_time", self._ranges(args[1]), self.scalar(args[0]))

    def _fn_predict_linear(self, args: Any) -> Vector:
        return self._windowed("predict_linear", self._ranges(args[0]), self.scalar(args[1]))

    def _fn_double_exponential_smoothing(self, args: Any) -> Vector:
        factors = self.scalar(args[1]), self.scalar(args[2])
        return self._windowed("holt_winters", self._ranges(args[0]), *factors)

    def _without_histograms(self, args: Any) -> Vector:
        """Native histograms do not exist here, and of other samples these functions say nothing."""
        for argument in args:
            self.value(argument)
        return Vector.empty(len(self.steps))

    _fn_histogram_count = _fn_histogram_sum = _fn_histogram_fraction = _without_histograms

    def _fn_histogram_quantile(self, args: Any) -> Vector:
        return functions.histogram_quantile(self.scalar(args[0]), self.vector(args[1]))

    def _fn_label_replace(self, args: Any) -> Vector:
        words = [self._text(arg) for arg in args[1:]]
        return functions.label_replace(self.vector(args[0]), *words)

    def _fn_label_join(self, args: Any) -> Vector:
        target, separator, *sources = [self._text(arg) for arg in args[1:]]
        return functions.label_join(self.vector(args[0]), target, separator, sources)

    def _text(self, node: Any) -> str:
        value = self.value(node)
        if not isinstance(value, Text):
            msg = "expected a string literal"
            raise ExecutionError(msg)
        return value.value

    def _fn_round(self, args: Any) -> Vector:
        unit = self.scalar(args[1]) if len(args) > 1 else np.ones(len(self.steps))
        return functions.rounded(self.vector(args[0]), unit)

    def _fn_clamp(self, args: Any) -> Vector:
        return functions.clamped(self.vector(args[0]), self.scalar(args[1]), self.scalar(args[2]))

    def _fn_clamp_min(self, args: Any) -> Vector:
        low = self.scalar(args[1])
        return self.vector(args[0]).mapped(lambda values: np.maximum(low, values))

    def _fn_clamp_max(self, args: Any) -> Vector:
        high = self.scalar(args[1])
        return self.vector(args[0]).mapped(lambda values: np.minimum(high, values))

    def _fn_sort(self, args: Any) -> Vector:
        return functions.ordered(self.vector(args[0]), descending=False)

    def _fn_sort_desc(self, args: Any) -> Vector:
        return functions.ordered(self.vector(args[0]), descending=True)

    def _fn_time(self, _: Any) -> Scalar:
        return Scalar(self.steps / 1000.0)

    def _fn_pi(self, _: Any) -> Scalar:
        return Scalar(np.full(len(self.steps), np.pi))

    def _fn_timestamp(self, args: Any) -> Vector:
        node = args[0]
        while type(node).__name__ == "ParenExpr":
            node = node.expr
        if type(node).__name__ == "VectorSelector":
            stamped = self._latest(node, stamped=True)
            return stamped.mapped(lambda values: values)
        now = self.steps / 1000.0
        return self.vector(node).mapped(lambda values: np.broadcast_to(now, values.shape))

    def _fn_vector(self, args: Any) -> Vector:
        return self._everywhere(self.scalar(args[0]))

    def _everywhere(self, values: Floats) -> Vector:
        """Return one series without labels that has a sample at every step."""
        return Vector([()], values[None, :], np.ones((1, len(self.steps)), dtype=bool))

    def _fn_scalar(self, args: Any) -> Scalar:
        vector = self.vector(args[0])
        alone = vector.present.sum(axis=0) == 1
        total = np.where(vector.present, vector.values, 0.0).sum(axis=0)
        return Scalar(np.where(alone, total, np.nan))

    def _fn_absent(self, args: Any) -> Vector:
        return self._absent(args[0], np.asarray(self.vector(args[0]).present.any(axis=0)))

    def _fn_absent_over_time(self, args: Any) -> Vector:
        found = self._windowed("present_over_time", self._ranges(args[0]))
        seen = np.asarray(found.present.any(axis=0))
        return self._absent(getattr(args[0], "vector_selector", args[0]), seen)

    def _absent(self, node: Any, seen: Mask) -> Vector:
        """Return 1 where nothing was seen, labelled by what the selector asked for exactly."""
        pairs: list[tuple[str, str]] = []
        if type(node).__name__ == "VectorSelector":
            conditions = [item for item in matchers_of(node) if item.name != NAME]
            names = [item.name for item in conditions]
            pairs = [
                (item.name, item.value)
                for item in conditions
                if item.op == "=" and names.count(item.name) == 1
            ]
        row = (labels_of(pairs), np.ones(len(self.steps)), ~seen)
        return Vector.of_rows([row], len(self.steps))


def _matching(modifier: Any) -> binary.Matching:
    if modifier is None:
        return binary.Matching()
    card, matching = modifier.card, modifier.matching
    many = ""
    if card == promql.VectorMatchCardinality.ManyToOne:
        many = "left"
    elif card == promql.VectorMatchCardinality.OneToMany:
        many = "right"
    return binary.Matching(
        on=matching is not None and matching.type == promql.LabelModifierType.Include,
        names=tuple(matching.labels) if matching is not None else (),
        many=many,
        include=tuple(modifier.group_labels or ()),
        bool_modifier=modifier.return_bool,
    )
