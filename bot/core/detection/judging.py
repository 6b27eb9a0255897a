"""All series are screened at once; who looks abnormal is judged closely, service by service.

    table ─screen (thread)─> candidates ─with their mates─> judge (workers) ─> verdicts
             silent, where the catalogue minds ─────────────────────────────> verdicts

A service over which a worker dies is named and holds up no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import structlog

from bot.core.shared.isolation import isolated, unexpected
from tools.analysis.state.detector import Detector, Observed
from tools.analysis.state.silence import silent_verdict
from tools.analysis.state.table import Key, Row, SeriesTable
from tools.ports import Workers
from tools.world import Series, Verdict

log = structlog.get_logger(__name__)

MOST_DEATHS = 3  # services over which workers died, one by one; then the pool itself is ill
AT_ONCE = 1_000  # series that one task judges: minutes of work would end in a timeout


@dataclass(frozen=True, slots=True)
class Group:
    """Series of one service: the first `asked` are judged, the others are their mates."""

    observed: Sequence[Observed]
    asked: int


Services = Mapping[str, Group]


@dataclass(frozen=True, slots=True)
class Scored:
    """Verdicts, and why some services have none."""

    verdicts: list[Verdict]
    failed: dict[str, str]


def score_groups(services: Services, detector: Detector) -> Scored:
    """Judge every service's metrics together. Runs in a worker process."""
    scored = Scored([], {})
    for name, group in services.items():
        try:
            scored.verdicts.extend(detector.judge(group.observed, group.asked))
        except Exception as error:  # noqa: BLE001 - one service's boundary: named in the report
            scored.failed[name] = unexpected(error)
    return scored


@dataclass(slots=True)
class Judged:
    """What one cycle says of all series.

    `verdicts` are those of the series that are abnormal, or of which somebody wants to know;
    `checked` counts all that were judged. `series` are the points the verdicts stand on.
    """

    verdicts: list[Verdict] = field(default_factory=list)
    checked: int = 0
    crashed: dict[str, str] = field(default_factory=dict)
    series: dict[tuple[str, object], Series] = field(default_factory=dict)


class Judging:
    """Judges a table."""

    def __init__(self, workers: Workers, detector: Detector) -> None:
        """The detector screens here and judges in the workers."""
        self._workers, self._detector = workers, detector

    async def judge(self, table: SeriesTable, wanted: Collection[Key]) -> Judged:
        """Judge what was read in this cycle; `wanted` are series that have an open anomaly."""
        judged = Judged()
        silent = table.silent()
        checked, candidates = await asyncio.to_thread(self._screen, table)
        judged.checked = checked
        rows = [table.rows[key] for key in wanted if key in table.rows]
        asked = dict.fromkeys([*candidates, *(row for row in rows if table.is_watched(row))])
        for row in silent:
            asked.pop(row, None)
        groups = self._grouped(table, list(asked), set(candidates))
        for part in _portions(groups):
            for scored in await self._scored(part):
                judged.crashed |= {f"judging {n}": why for n, why in scored.failed.items()}
                judged.checked -= sum(part[name].asked for name in scored.failed)
                judged.verdicts += scored.verdicts
        newest = _time(table.grid.time_of(table.newest))
        judged.verdicts += [
            silent_verdict(table.series(row), table.spec(row), table.last_seen(row), newest)
            for row in silent
        ]
        for row in (*asked, *silent):
            series = table.series(row)
            judged.series[series.metric, series.labels] = series
        return judged

    def _screen(self, table: SeriesTable) -> tuple[int, list[Row]]:
        checked, candidates = 0, []
        for number, block in enumerate(table.blocks):
            seen = self._detector.screen(block)
            checked += int(np.count_nonzero(seen.judged))
            found = np.flatnonzero(seen.candidate)
            candidates += (found + number * table.block_size).tolist()
        return checked, candidates

    def _grouped(self, table: SeriesTable, asked: list[Row], candidates: set[Row]) -> Services:
        """Return what is judged, by service; with its mates where a verdict may hang on them."""
        rows: dict[str, list[Row]] = {}
        for row in asked:
            rows.setdefault(table.service_of(row), []).append(row)
        groups: dict[str, Group] = {}
        for service, ours in rows.items():
            mates: list[Row] = []
            if self._detector.needs_mates:
                suspect = next((r for r in ours if r in candidates and table.is_learned(r)), None)
                mates = table.mates(suspect) if suspect is not None else []
            whole = dict.fromkeys([*ours, *mates])
            groups[service] = Group([_observed(table, row) for row in whole], len(ours))
        return groups

    async def _scored(self, services: Services) -> list[Scored]:
        """Score services at once; where that fails, each for itself: one may be the cause."""
        dead: dict[str, str] = {}
        scored = await isolated("judging", self._score(services), dead, None)
        if scored is not None:
            return [scored]
        if len(services) > 1:
            return await self._apart(services)
        return [Scored([], dict.fromkeys(services, dead["judging"]))]

    async def _apart(self, services: Services) -> list[Scored]:
        parts: list[Scored] = []
        dead: dict[str, str] = {}
        for name, group in services.items():
            if len(dead) >= MOST_DEATHS:
                dead[name] = "not tried: workers died over others before it"
                continue
            scored = await isolated(name, self._score({name: group}), dead, None)
            parts += [scored] if scored is not None else []
        return [*parts, Scored([], dead)]

    async def _score(self, services: Services) -> Scored:
        return await self._workers.run(score_groups, services, self._detector)


def _observed(table: SeriesTable, row: Row) -> Observed:
    return table.series(row), table.baseline(row), table.spec(row)


def _portions(services: Services) -> Iterator[Services]:
    """Split services into tasks of a size that ends in time."""
    part: dict[str, Group] = {}
    for name, group in services.items():
        part[name] = group
        if sum(len(each.observed) for each in part.values()) >= AT_ONCE:
            yield part
            part = {}
    if part:
        yield part


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
