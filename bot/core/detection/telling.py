"""Findings are brought in step with what is abnormal and what fires.

    active anomalies and alerts ──muted? in a finding already?──> loose ──joins an open finding
                                                                        └─group──> new finding
    a finding none of whose signals is active ──> cleared

The detection cycle tells after it judged, and alerts are told as they come; one at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.core.detection import grouping
from bot.core.detection.enrichment import Enricher, Extra
from bot.core.detection.findings import FindingDesk
from bot.core.ports import Clock, Mute, Store
from bot.core.shared.isolation import isolated
from bot.domain.alert import Alert
from bot.domain.finding import Finding
from bot.domain.signal import Signal
from tools.world import Catalogue, Series, ServiceName

SeriesByKey = Mapping[tuple[str, object], Series]
MOST_NAMED = 3  # unread metrics that a finding names; the rest is counted


@dataclass(frozen=True, slots=True)
class Seen:
    """What the latest cycle read, for the charts and gaps of what is told until the next."""

    series: SeriesByKey = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)  # what it could not read: why


@dataclass(slots=True)
class Round:
    """What one round did. `crashed` maps what could not be told or ended to why."""

    opened: tuple[Finding, ...] = ()
    crashed: dict[str, str] = field(default_factory=dict)


class Telling:
    """Tells signals; the leader's."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        catalogue: Callable[[], Catalogue],
        enricher: Enricher,
        desk: FindingDesk,
        on_cleared: Callable[[Finding], Awaitable[None]],
    ) -> None:
        """`on_cleared` is told after a finding's signals are all gone."""
        self._store, self._clock, self._catalogue = store, clock, catalogue
        self._enricher, self._desk, self._on_cleared = enricher, desk, on_cleared
        self._seen = Seen()
        self._one_at_a_time = asyncio.Lock()

    async def alerts(self) -> Round:
        """Tell what fires and stands in no finding yet, and what no longer fires."""
        async with self._one_at_a_time, self._store.begin() as tx:
            firing = {a.id for a in await tx.alerts.active()}
            findings = await tx.findings.open()
        in_finding = {a for f in findings for a in f.alerts}
        if firing == in_finding:  # the usual case, every ten seconds
            return Round()
        return await self.signals(self._seen)

    async def signals(self, seen: Seen) -> Round:
        """Bring every finding in step."""
        self._seen = seen
        async with self._one_at_a_time:
            return await self._tell(self._catalogue(), seen)

    async def _tell(self, catalogue: Catalogue, seen: Seen) -> Round:
        now = self._clock.now()
        done = Round()
        async with self._store.begin() as tx:
            active: list[Signal] = [*await tx.anomalies.active(), *await tx.alerts.active()]
            findings = await tx.findings.open()
            mutes = await tx.mutes.active(now)
        in_finding = {each for f in findings for each in members_of(f)}
        loose = [s for s in active if s.id not in in_finding and not _muted(s, mutes)]
        services_of: dict[str, ServiceName] = {s.id: s.service for s in active}
        joined, rest = grouping.join(loose, findings, services_of, catalogue, now)
        joined_ids = {j.finding.id for j in joined}
        for each in joined:
            extended = self._desk.extend(each.finding, each.signals)
            await isolated(each.finding.id, extended, done.crashed, None)
        still = {s.id for s in active}
        cleared: list[Finding] = []
        for finding in findings:
            if finding.id not in joined_ids and still.isdisjoint(members_of(finding)):
                ended = await isolated(finding.id, self._desk.clear(finding), done.crashed, None)
                cleared += [ended] if ended is not None else []
        gaps = {"metrics": _unread(seen.failed)} if seen.failed else {}
        told: list[Finding] = []
        for group in grouping.groups(rest, catalogue):
            if grouping.worth_telling(group):
                opened = self._open(group, catalogue, seen.series, gaps)
                name = f"finding of {group[0].service}"
                found = await isolated(name, opened, done.crashed, None)
                told += [found] if found is not None else []
        for finding in cleared:
            heard = self._on_cleared(finding)
            await isolated(f"plans of {finding.id}", heard, done.crashed, None)
        done.opened = tuple(told)
        return done

    async def _open(
        self,
        group: Sequence[Signal],
        catalogue: Catalogue,
        series: SeriesByKey,
        gaps: Mapping[str, str],
    ) -> Finding:
        """Tell one group; without anything beside the bare numbers when that fails whole."""
        dead: dict[str, str] = {}
        enriched = self._enricher.enrich(group, catalogue, series, gaps)
        extra = await isolated("enrichment", enriched, dead, None)
        return await self._desk.open(group, extra or Extra(gaps=dead), catalogue)


def members_of(finding: Finding) -> tuple[str, ...]:
    """Return the ids of a finding's signals."""
    return (*finding.anomalies, *finding.alerts)


def _muted(signal: Signal, mutes: Sequence[Mute]) -> bool:
    what = signal.name if isinstance(signal, Alert) else signal.metric
    return any(m.service == signal.service and m.metric in {"", what} for m in mutes)


def _unread(failed: Mapping[str, str]) -> str:
    """Say which metrics, or instances, were not read; of many only how many there are."""
    told = [f"{name} ({why})" for name, why in list(failed.items())[:MOST_NAMED]]
    more = len(failed) - len(told)
    return ", ".join([*told, f"{more} more"] if more > 0 else told)
