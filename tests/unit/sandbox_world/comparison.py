"""A real Prometheus and the sandbox, asked the same, and where their answers part.

Each question is put as a range query and as instant queries at moments of trouble: in a gap, after
a restart, where a series has just gone stale.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.prometheus import answers, evaluate
from sandbox.prometheus.errors import QueryError
from sandbox.prometheus.samples import RecordedSource
from tests.unit.sandbox_world.real_prometheus import ask, by_labels
from tests.unit.sandbox_world.recorded import START_MS

MINUTE = 60_000
RANGE = (START_MS + 20 * MINUTE, START_MS + 230 * MINUTE, 97_000)
INSTANTS = tuple(
    START_MS + offset for offset in (30 * MINUTE + 1, 81 * MINUTE, 101 * MINUTE + 30_000)
)


@dataclass
class Pair:
    """A real Prometheus and the sandbox over the same samples, asked the same."""

    url: str
    source: RecordedSource
    known: dict[str, str] = field(default_factory=dict)

    def difference(self, query: str) -> str:
        """Say where the two answers part; empty where they do not. Asked once per query."""
        if query not in self.known:
            self.known[query] = next(filter(None, self._differences(query)), "")
        return self.known[query]

    def _differences(self, query: str) -> Iterator[str]:
        yield self._apart(query, None)
        for at_ms in INSTANTS:
            yield self._apart(query, at_ms)

    def _apart(self, query: str, at_ms: int | None) -> str:
        theirs = self.real(query, at_ms)
        try:
            ours = self.sandbox(query, at_ms)
        except QueryError as error:
            return f"refused: {error}"
        if theirs[0] != 200:
            return f"Prometheus refused: {theirs[1]['error']}"
        ordered = query.startswith("sort") and at_ms is not None
        return unlike(ours, theirs[1]["data"], ordered=ordered)

    def real(self, query: str, at_ms: int | None) -> tuple[int, Any]:
        """Ask Prometheus; None: the range."""
        if at_ms is None:
            start, end, step = (f"{moment / 1000:.3f}" for moment in RANGE)
            window = [("query", query), ("start", start), ("end", end), ("step", step)]
            reply = ask(self.url, "query_range", window, post=True)
        else:
            at = f"{at_ms / 1000:.3f}"
            reply = ask(self.url, "query", [("query", query), ("time", at)], post=True)
        return reply.status, reply.body

    def sandbox(self, query: str, at_ms: int | None) -> dict[str, Any]:
        """Ask the sandbox; None: the range."""
        if at_ms is None:
            value = evaluate.over(self.source, query, *RANGE)
            return answers.of_range(value, evaluate.range_steps(*RANGE))
        return answers.of_instant(evaluate.instant(self.source, query, at_ms), at_ms)


def unlike(ours: Mapping[str, Any], theirs: Mapping[str, Any], *, ordered: bool = False) -> str:
    """Say how two answers differ; empty where they do not."""
    if ours["resultType"] != theirs["resultType"]:
        return f"{ours['resultType']} instead of {theirs['resultType']}"
    if theirs["resultType"] == "string":
        return "" if ours == theirs else f"{ours['result']} instead of {theirs['result']}"
    if theirs["resultType"] == "scalar":
        same = _equal([ours["result"]], [theirs["result"]])
        return "" if same else f"{ours['result']} instead of {theirs['result']}"
    left, right = by_labels(ours["result"]), by_labels(theirs["result"])
    if left.keys() != right.keys():
        return f"series {sorted(left.keys() ^ right.keys())} on one side only"
    if ordered and list(left) != list(right):
        return "in another order"
    for labels, row in right.items():
        mine = left[labels].get("values") or [left[labels]["value"]]
        real = row.get("values") or [row["value"]]
        if not _equal(mine, real):
            return f"{dict(labels)}: {mine[:5]} instead of {real[:5]}"
    return ""


def _equal(ours: list[list[Any]], theirs: list[list[Any]]) -> bool:
    return [at for at, _ in ours] == [at for at, _ in theirs] and all(
        _close(mine, real) for (_, mine), (_, real) in zip(ours, theirs, strict=True)
    )


def _close(mine: str, real: str) -> bool:
    left, right = float(mine), float(real)
    if math.isnan(left) or math.isnan(right):
        return math.isnan(left) and math.isnan(right)
    return math.isclose(left, right, rel_tol=1e-9, abs_tol=1e-9)
