"""The guard before PromQL that a model wrote: it must parse, select something, and be affordable.

    check()  ── by reading it: parses, every selector narrows, ranges and subqueries are bounded
    afford() ── by asking: count(selector) × samples each of its series would be read for

Samples per series are the points of the answer times what each selector's range holds at a
15-second scrape, times the points of every subquery around it. A selector without a name or an
effective matcher reads every series.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import re2

from foundation.encodings import writable
from foundation.nearest import nearest
from tools.analysis.normalise import counter_resets
from tools.errors import BackendError, BadArgumentError
from tools.ports import Metrics, SpeaksMetricsQL
from tools.world import Series, Window

LONGEST_RANGE = timedelta(days=7)
MAX_LOOKS = 20_000_000  # samples read per series the selectors match
MAX_SAMPLES = 50_000_000  # of all series; what Prometheus itself holds in memory at most by default
MAX_SELECTORS = 10  # each different one costs a count()
SCRAPE_SECONDS = 15.0
NEAR_NAMES = 500  # compared letter by letter with a name that does not exist
COUNTERS = ("_total", "_bucket", "_count")  # how Prometheus' conventions end a counter's name
_OF_A_DISTRIBUTION = ("_bucket", "_count", "_sum")  # what a histogram or summary is stored as
_UNSAID = frozenset({"", "unknown", "untyped"})
FEW_FALLS, MOST_FALLS = 5, 0.05  # so often, or in such a share of samples, processes begin anew
_PROBE = "zq8x"  # no label value looks like this: a pattern that matches it matches everything
LONGEST = 5_000  # characters of an expression; people and the model write a tenth
MOST_OPERATORS = 300  # the parser takes the square of their number: 2,500 cost 1.2 seconds
_STRING = re2.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`')
_QUIET = re2.Options()
_QUIET.log_errors = False
_PLAIN_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PLAIN_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_CHILDREN = ("lhs", "rhs", "expr", "vector_selector", "param")


class DialectError(BadArgumentError):
    """An expression that is no PromQL; a store may read more than that."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition of a selector."""

    name: str
    operator: str
    value: str

    @property
    def label(self) -> str:
        """The label's name as PromQL writes it."""
        return _label(self.name)

    def __str__(self) -> str:
        """Return it as PromQL writes it."""
        return f"{self.label}{self.operator}{_quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Selected:
    """One selector of an expression."""

    name: str  # of the metric; empty when only matchers choose
    text: str  # the selector alone, without range, offset and @
    samples: float  # read for each series it matches, over the whole window
    matchers: tuple[Matcher, ...] = ()  # that all hold, but for the name; `or` groups are in none

    @property
    def bare(self) -> str:
        """The metric alone."""
        return self._with(())

    def without(self, position: int) -> str:
        """Return the selector without one of its matchers."""
        return self._with(self.matchers[:position] + self.matchers[position + 1 :])

    def _with(self, matchers: Sequence[Matcher]) -> str:
        named = [] if _PLAIN_METRIC.fullmatch(self.name) else [f"__name__={_quoted(self.name)}"]
        inside = ",".join([*named, *map(str, matchers)])
        return f"{'' if named else self.name}{{{inside}}}"


def check(promql: str, window: Window, step: timedelta) -> list[Selected]:
    """Return the selectors. Raises BadArgumentError with advice unless it may be sent."""
    tree = _read(promql)
    points = math.ceil(window.duration / step) + 1
    found = []
    for kind, node, subpoints in _selectors(tree, 1.0):
        selector = node.vector_selector if kind == "MatrixSelector" else node
        _check_selector(promql, selector)
        reach = node.range if kind == "MatrixSelector" else timedelta(seconds=SCRAPE_SECONDS)
        if reach > LONGEST_RANGE:
            raise BadArgumentError(
                f"the range [{reach}] in {promql!r} is longer than 7 days; shorten it"
            )
        samples = points * subpoints * max(1.0, reach.total_seconds() / SCRAPE_SECONDS)
        found.append(_selected(selector, samples))
    looks = sum(each.samples for each in found)
    if looks > MAX_LOOKS:
        raise BadArgumentError(
            f"{promql!r} over {window.duration} would read about {looks:,.0f} samples per series "
            f"(limit {MAX_LOOKS:,}); take a shorter window or shorter ranges"
        )
    return found


def parsed(promql: str) -> Any:
    """Return the tree of an expression, None for one that is no PromQL."""
    try:
        return _read(promql)
    except BadArgumentError:
        return None


def selections(tree: Any) -> list[Selected]:
    """Return the different selectors of a tree, in their order."""
    found: dict[str, Selected] = {}
    for kind, node, _ in _selectors(tree, 1.0):
        each = _selected(node.vector_selector if kind == "MatrixSelector" else node, 0.0)
        found.setdefault(each.text, each)
    return list(found.values())


def _selected(selector: Any, samples: float) -> Selected:
    matchers = () if selector.matchers.or_matchers else tuple(selector.matchers.matchers)
    return Selected(
        _name(selector),
        _text(selector),
        samples,
        tuple(Matcher(m.name, _operator(m), m.value) for m in matchers if m.name != "__name__"),
    )


def _read(promql: str) -> Any:
    """Return the tree. Raises DialectError for what is no PromQL, BadArgumentError for too much."""
    import promql_parser

    if len(promql) > LONGEST:
        raise BadArgumentError(
            f"a PromQL expression of {len(promql):,} characters is longer than {LONGEST:,}; "
            "ask for less at once"
        )
    bare = _STRING.sub("", writable(promql))
    if (many := sum(map(bare.count, "-+*/%^"))) > MOST_OPERATORS:
        raise BadArgumentError(
            f"a PromQL expression of {many:,} operators has more than {MOST_OPERATORS:,}; "
            "ask for less at once"
        )
    try:
        return promql_parser.parse(promql)
    except ValueError as error:
        raise DialectError(f"PromQL {promql!r} does not parse: {error}") from error


async def afford(metrics: Metrics, promql: str, window: Window, step: timedelta) -> None:
    """Refuse what would read too much of the store: series that exist × samples of each.

    Raises BadArgumentError with advice; a backend's own errors pass.
    """
    try:
        selected = check(promql, window, step)
    except DialectError as error:
        if isinstance(metrics, SpeaksMetricsQL) and await metrics.speaks_metricsql():
            return  # we cannot price it; the store's own limits hold, and our cap on its answer
        raise BadArgumentError(str(error)) from error
    texts = dict.fromkeys(each.text for each in selected)
    if len(texts) > MAX_SELECTORS:
        raise BadArgumentError(
            f"{promql!r} has {len(texts)} different selectors (limit {MAX_SELECTORS}); ask in parts"
        )
    series = {}
    for text in texts:
        answer = await metrics.query(f"count({text})", window.end)
        series[text] = sum(value for _, value in answer if math.isfinite(value))
    samples = sum(series[each.text] * each.samples for each in selected)
    if samples > MAX_SAMPLES:
        worst = max(selected, key=lambda each: series[each.text] * each.samples)
        raise BadArgumentError(
            f"{promql!r} over {window.duration} would read about {samples:,.0f} samples (limit "
            f"{MAX_SAMPLES:,}); {worst.text} alone matches {series[worst.text]:,.0f} series: add "
            "matchers such as service or namespace, or take a shorter window or shorter ranges"
        )


async def unknown_names(metrics: Metrics, promql: str, window: Window, step: timedelta) -> str:
    """Say which metrics of an expression do not exist, with the nearest name; empty for none.

    A store that cannot list its names says nothing either.
    """
    try:
        wanted = {each.name for each in check(promql, window, step) if each.name}
    except DialectError:
        return ""
    try:
        known = set(await metrics.metric_names())
    except BackendError:
        return ""
    told = [
        f"no metric is called {name!r}.{nearest(name, _alike(name, known))}"
        for name in sorted(wanted - known)
    ]
    return " ".join(told)


async def raw_counters(metrics: Metrics, found: Sequence[Series]) -> list[str]:
    """Say which series are counters as they are stored; a rate or a sum has lost its name.

    What the store's metadata says goes before the name; where it says nothing, a series that
    falls again and again is no counter, however it is called.
    """
    resets: dict[str, int] = {}
    for name in dict.fromkeys(each.metric for each in found if each.metric):
        own = [each for each in found if each.metric == name]
        falls = sum(counter_resets(each.values) for each in own)
        kind = await _kind(metrics, name)
        samples = sum(int(np.isfinite(each.values).sum()) for each in own)
        guessed = name.endswith(COUNTERS) and falls <= max(FEW_FALLS, MOST_FALLS * samples)
        if kind == "counter" or (kind is None and guessed):
            resets[name] = falls
    return [
        f"{name} is a counter: it only rises, and began anew {count} times in the window; "
        f"read rate({name}[5m]) instead"
        for name, count in resets.items()
    ]


async def _kind(metrics: Metrics, name: str) -> str | None:
    """Return what the store says a metric is; None when it says nothing of it."""
    bases = [name.removesuffix(end) for end in _OF_A_DISTRIBUTION if name.endswith(end)]
    try:
        own = await metrics.about(name)
        if own is not None and own.type not in _UNSAID:
            return "counter" if own.type == "counter" else own.type
        for base in bases:
            about = await metrics.about(base)
            if about is not None and about.type in {"histogram", "summary"}:
                return "counter"
    except BackendError:
        pass
    return None


def _alike(name: str, known: set[str]) -> list[str]:
    """Return the names that share most words with `name`: a letter-wise comparison is slow."""
    words = set(name.lower().split("_"))
    ranked = sorted(known, key=lambda each: (-len(words & set(each.lower().split("_"))), each))
    return ranked[:NEAR_NAMES]


def _check_selector(promql: str, selector: Any) -> None:
    if selector.name:
        return
    for group in _groups(selector):
        if not any(_narrows(matcher) for matcher in group):
            raise BadArgumentError(
                f"{promql!r} has a selector that matches every series; name a metric, "
                'for example http_requests_total{service="my-api"} (list_metrics shows names)'
            )


def _groups(selector: Any) -> list[list[Any]]:
    """Return the matchers; VictoriaMetrics' `{a="1" or b="2"}` has several groups."""
    written = [selector.matchers.matchers, *selector.matchers.or_matchers]
    return [group for group in written if group] or [[]]


def _name(selector: Any) -> str:
    if selector.name:
        return str(selector.name)
    exact = [m for m in selector.matchers.matchers if m.name == "__name__" and _operator(m) == "="]
    return str(exact[0].value) if exact else ""


def _operator(matcher: Any) -> str:
    """Return `=`, `!=`, `=~` or `!~`."""
    words = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    said = str(matcher.op).removeprefix("MatchOp.")
    return words.get(said, said)


def _narrows(matcher: Any) -> bool:
    """Return whether a matcher leaves out most series: it says what a label is."""
    operator = _operator(matcher)
    if operator == "=":
        return bool(matcher.value)
    if operator != "=~":
        return False
    try:
        pattern = re2.compile(writable(matcher.value), _QUIET)
    except re2.error:
        return True  # the server says what is wrong with it
    return not (pattern.fullmatch("") or pattern.fullmatch(_PROBE))


def _text(selector: Any) -> str:
    """Write a selector as PromQL, without offset and @."""
    groups = [
        ",".join(f"{_label(m.name)}{_operator(m)}{_quoted(m.value)}" for m in group)
        for group in _groups(selector)
    ]
    return f"{selector.name or ''}{{{' or '.join(groups)}}}"


def _label(name: str) -> str:
    return name if _PLAIN_LABEL.fullmatch(name) else _quoted(name)


def _quoted(value: str) -> str:
    """Write a string as PromQL (Go) does; JSON's escapes are among its own."""
    return json.dumps(value, ensure_ascii=False)


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
