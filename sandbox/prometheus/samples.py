"""Samples and where they come from.

    Matcher   one condition of a selector, e.g. service="order-api"
    Series    one labelled list of samples; times are milliseconds since 1970 UTC
    Source    anything that finds series: the simulated world, or recorded samples in a test

A stale marker is the NaN with the bit pattern Prometheus uses; it ends a series at once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sandbox.prometheus.regex import compile_regex

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Mask = NDArray[np.bool_]
Labels = tuple[tuple[str, str], ...]  # sorted by name; the metric's name is __name__

NAME = "__name__"
_STALE_BITS = 0x7FF0000000000002
STALE: Floats = np.array([_STALE_BITS], dtype=np.uint64).view(np.float64)


def labels_of(pairs: Iterable[tuple[str, str]]) -> Labels:
    """Return canonical labels: sorted, without empty values."""
    return tuple(sorted((name, value) for name, value in pairs if value))


def is_stale(values: Floats) -> Mask:
    """Return which values are stale markers."""
    stale: Mask = np.ascontiguousarray(values).view(np.uint64) == _STALE_BITS
    return stale


@dataclass(frozen=True)
class Matcher:
    """One label condition; `op` is = != =~ or !~ and regular expressions match whole values."""

    name: str
    op: str
    value: str
    _pattern: re.Pattern[str] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compile the pattern once."""
        if self.op in {"=~", "!~"}:
            object.__setattr__(self, "_pattern", compile_regex(self.value))

    def accepts(self, value: str) -> bool:
        """Whether a label of this value (empty: absent) satisfies the condition."""
        if self._pattern is None:
            return (value == self.value) == (self.op == "=")
        return (self._pattern.fullmatch(value) is not None) == (self.op == "=~")


@dataclass(frozen=True, eq=False)
class Series:
    """One series: times rising strictly, one value each."""

    labels: Labels
    times: Times
    values: Floats


class Source(Protocol):
    """Where an evaluation finds its samples."""

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """Return every matching series with its samples from `start_ms` to `end_ms` inclusive."""
        ...


class Catalogued(Source, Protocol):
    """A source that also lists its series without reading samples."""

    def labels(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Return the label sets of the matching series that live in the window."""
        ...


class RecordedSource:
    """A source over series held in memory."""

    def __init__(self, series: Sequence[Series]) -> None:
        """Serve exactly these series."""
        self._series = list(series)

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """Return the matching series that have samples in the window."""
        found = []
        cuts: dict[tuple[int, int, int], Times] = {}  # series on one grid stay on one grid
        for series in self._series:
            values = dict(series.labels)
            if not all(matcher.accepts(values.get(matcher.name, "")) for matcher in matchers):
                continue
            first = int(np.searchsorted(series.times, start_ms, side="left"))
            last = int(np.searchsorted(series.times, end_ms, side="right"))
            if last > first:
                grid = (id(series.times), first, last)
                times = cuts.setdefault(grid, series.times[first:last])
                found.append(Series(series.labels, times, series.values[first:last]))
        return found

    def labels(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Return the label sets of the matching series that live in the window."""
        return [series.labels for series in self.select(matchers, start_ms, end_ms)]
