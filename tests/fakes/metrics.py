"""Metrics from memory; as strict as the adapter about what it cannot answer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import re2

from tools.errors import BackendError, BackendRefusedError
from tools.ports import Health, MetricAbout
from tools.world import Labels, Series, Window, labels_of

LISTING = re.compile(r"(?:(count by \(__name__\) )|topk\(100, )\(?(.+)\)")
SELECTOR = re.compile(r"\{((?:[^\"{}]|\"(?:[^\"\\]|\\.)*\")*)\}")
MATCHER = re.compile(r'(\w+)(=~|=)("(?:[^"\\]|\\.)*")')


def _matches(series: Series, matchers: Sequence[tuple[str, str, str]]) -> bool:
    own = {"__name__": series.metric, **dict(series.labels)}
    for name, operator, written in matchers:
        value, said = json.loads(written), own.get(name, "")
        if not (value == said if operator == "=" else re2.fullmatch(value, said)):
            return False
    return bool(matchers)


class FakeMetrics:
    """Answers queries it was told of; every other query is refused like a typo.

    While `may_answer` is cleared, answers wait; `given_up` tells that somebody waited in vain.
    """

    def __init__(self, series: Mapping[str, Sequence[Series]] | None = None) -> None:
        self.series: dict[str, list[Series]] = {k: list(v) for k, v in (series or {}).items()}
        self.asked: list[str] = []
        self.broken: BackendError | None = None
        self.is_asked, self.may_answer, self.given_up = (asyncio.Event() for _ in range(3))
        self.may_answer.set()

    def put(
        self, query: str, labels: Mapping[str, str], times: Sequence[float], values: Sequence[float]
    ) -> None:
        """Remember samples (times on a regular grid) as one answer of a query."""
        step = times[1] - times[0] if len(times) > 1 else 60.0
        series = Series(query, labels_of(labels), np.array(times), np.array(values), step)
        self.series.setdefault(query, []).append(series)

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        await self._its_turn()
        return [self._on_grid(each, window, step) for each in self._find(promql)]

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        await self._its_turn()
        if promql not in self.series and (asked := LISTING.fullmatch(promql)):
            return self._list(asked[1], asked[2])
        if promql.startswith("count(") and promql not in self.series:
            return self._count(promql)
        found = []
        for each in self._find(promql):
            known = (each.times <= at.timestamp()) & ~np.isnan(each.values)
            if known.any():
                found.append((each.labels, float(each.values[known][-1])))
        return found

    async def metric_names(self) -> list[str]:
        if self.broken is not None:
            raise self.broken
        return sorted({each.metric for found in self.series.values() for each in found})

    async def about(self, metric: str) -> MetricAbout | None:
        return MetricAbout(metric) if metric in await self.metric_names() else None

    def link(self, promql: str, window: Window) -> str:
        return ""

    async def health(self) -> Health:
        return Health("prometheus", up=self.broken is None, detail=str(self.broken or ""))

    async def _its_turn(self) -> None:
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.given_up.set()
            raise

    def _list(self, counts: str, selectors: str) -> list[tuple[Labels, float]]:
        """Count the series that selectors match by their names, or return some of them."""
        self.asked.append(selectors)
        if self.broken is not None:
            raise self.broken
        wanted = [MATCHER.findall(each) for each in SELECTOR.findall(selectors)]
        series = [each for told in self.series.values() for each in told]
        found = [
            {"__name__": each.metric, **dict(each.labels)}
            for each in series
            if any(_matches(each, matchers) for matchers in wanted)
        ]
        if not counts:
            return [(labels_of(each), 1.0) for each in found[:100]]
        names = [each["__name__"] for each in found]
        return [((("__name__", name),), float(names.count(name))) for name in sorted({*names})]

    def _count(self, promql: str) -> list[tuple[Labels, float]]:
        """Count the series of the told queries that name the selector's metric."""
        if self.broken is not None:
            raise self.broken
        name = promql.removeprefix("count(").partition("{")[0]
        told = sum(len(found) for query, found in self.series.items() if name in query)
        return [((), float(told))] if told else []

    def _find(self, promql: str) -> list[Series]:
        self.asked.append(promql)
        if self.broken is not None:
            raise self.broken
        if promql not in self.series:
            raise BackendRefusedError("prometheus", f"bad_data: no series told for {promql!r}")
        return self.series[promql]

    def _on_grid(self, series: Series, window: Window, step: timedelta | None) -> Series:
        width = step.total_seconds() if step else series.step_seconds
        end = window.end.timestamp()
        count = int((end - window.start.timestamp()) // width) + 1
        times = end - width * np.arange(count - 1, -1, -1, dtype=float)
        index = np.searchsorted(series.times, times, side="right") - 1
        inside = (index >= 0) & (times - series.times[np.maximum(index, 0)] < max(width, 60.0))
        values = np.where(inside, series.values[np.maximum(index, 0)], np.nan)
        return Series(series.metric, series.labels, times, values, width, series.unit)
