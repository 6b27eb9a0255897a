"""What is said beside the bare numbers of a new finding: forecast, causes, similar cases, chart.

Everything here is best effort: a dead backend costs its part, never the finding.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog

from bot.core.ports import Clock
from bot.core.shared.charts import ChartDesk
from bot.domain.anomaly import Anomaly
from bot.domain.finding import BreachForecast
from bot.domain.redaction import Cut, Redactor, clean_case, clean_cause, clean_change
from bot.locale import Texts
from tools.analysis.forecast import find_breach, forecast
from tools.analysis.patterns import burst
from tools.analysis.rca import (
    Rule,
    SeenChange,
    SeenEvent,
    SeenPattern,
    SeenVerdict,
    Symptoms,
    rank_causes,
)
from tools.errors import ToolError
from tools.fleet import members_of, pick
from tools.ports import Changes, Cluster, History, Logs, Metrics, Workers
from tools.world import (
    Catalogue,
    Cause,
    Change,
    LogLine,
    Series,
    ServiceName,
    SimilarCase,
    Window,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")

CHANGES_BEFORE = timedelta(hours=3)
LOGS_AFTER, LOGS_BEFORE = timedelta(minutes=15), timedelta(minutes=60)
FORECAST_HISTORY = timedelta(days=2)
MOST_FORECASTS = 2
MOST_SERVICES = 3


@dataclass(frozen=True, slots=True)
class Extra:
    """What enrichment found. `gaps` names what could not be looked at."""

    causes: tuple[Cause, ...] = ()
    breaches: tuple[BreachForecast, ...] = ()
    similar: tuple[SimilarCase, ...] = ()
    changes: tuple[Change, ...] = ()
    chart: str = ""
    gaps: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked; None is not configured."""

    metrics: Metrics
    workers: Workers
    logs: Logs | None = None
    cluster: Cluster | None = None
    changes: Changes | None = None
    history: History | None = None
    charts: ChartDesk | None = None


class Enricher:
    """Enriches groups of anomalies."""

    def __init__(
        self,
        clock: Clock,
        sources: Sources,
        rules: Callable[[], Sequence[Rule]],
        texts: Texts,
        timezone: str,
        cut: Cut | None = None,
    ) -> None:
        """`texts` and `timezone` are those of the incidents channel, for the chart.

        `cut` knows our own secrets besides the usual shapes.
        """
        self._clock, self._sources, self._rules = clock, sources, rules
        self._texts, self._timezone = texts, timezone
        self._cut = cut or Redactor().text

    async def enrich(
        self,
        group: Sequence[Anomaly],
        catalogue: Catalogue,
        series: Mapping[tuple[str, object], Series],
    ) -> Extra:
        """Look around a group; the worst anomaly comes first in it."""
        gaps: dict[str, str] = {}
        now = self._clock.now()
        onset = min(a.started_at for a in group)
        services = list(dict.fromkeys(a.service for a in group))[:MOST_SERVICES]
        seen = await self._changes(Window(onset - CHANGES_BEFORE, now), gaps)
        changes = [clean_change(each, self._cut) for each in seen]
        ranked = rank_causes(
            Symptoms(
                verdicts=[_seen(a, catalogue) for a in group],
                changes=[SeenChange(c) for c in changes],
                events=await self._events(
                    services, catalogue, Window(onset - LOGS_BEFORE, now), gaps
                ),
                patterns=await self._patterns(services, gaps),
                dependencies=catalogue.topology(),
                rules=self._rules(),
            )
        )
        causes = [clean_cause(each, self._cut) for each in ranked]
        worst = series.get((group[0].metric, group[0].worst.labels))
        chart = ""
        if self._sources.charts is not None and worst is not None:
            spec = await self._sources.charts.spec(
                worst, [a.latest for a in group], changes, self._timezone, self._texts
            )
            chart = await self._sources.charts.keep(spec, worst, self._texts)
        return Extra(
            causes=tuple(causes),
            breaches=await self._breaches(group, catalogue, gaps),
            similar=tuple(
                clean_case(each, self._cut) for each in await self._similar(group, causes, gaps)
            ),
            changes=tuple(changes),
            chart=chart,
            gaps={name: self._cut(why) for name, why in gaps.items()},
        )

    async def _changes(self, window: Window, gaps: dict[str, str]) -> list[Change]:
        if self._sources.changes is None:
            return []
        return await _tried(self._sources.changes.recent(window), "changes", gaps, [])

    async def _events(
        self,
        services: Sequence[ServiceName],
        catalogue: Catalogue,
        window: Window,
        gaps: dict[str, str],
    ) -> list[SeenEvent]:
        cluster = self._sources.cluster
        if cluster is None:
            return []
        found: list[SeenEvent] = []
        for service in services:
            spec = catalogue.services.get(service)
            for ref in spec.workloads if spec else ():
                place = pick(cluster, cluster=ref.cluster)
                asked = place.events(window, ref.namespace, ref.name)
                events = await _tried(asked, "kubernetes", gaps, [])
                found += [SeenEvent(e, service) for e in events]
        return found

    async def _patterns(
        self, services: Sequence[ServiceName], gaps: dict[str, str]
    ) -> list[SeenPattern]:
        logs = self._sources.logs
        if logs is None:
            return []
        now = self._clock.now()
        new, old = Window.ending(now, LOGS_AFTER), Window.ending(now - LOGS_AFTER, LOGS_BEFORE)
        found: list[SeenPattern] = []
        for service in services:
            lines: list[Sequence[LogLine]] = []
            for window in (old, new):
                for level in ("error", "warning"):
                    page = await _tried(
                        logs.search(window, service=service, level=level, limit=500),
                        "loki",
                        gaps,
                        None,
                    )
                    lines.append(page.lines if page else ())
            before, after = (*lines[0], *lines[1]), (*lines[2], *lines[3])
            bursts = burst(before, after, old_window=LOGS_BEFORE, new_window=LOGS_AFTER)
            found += [
                SeenPattern(
                    service=service,
                    template=b.pattern.template,
                    sample=b.pattern.sample,
                    count=b.pattern.count,
                    level=b.pattern.level,
                )
                for b in bursts[:5]
            ]
        return found

    async def _breaches(
        self, group: Sequence[Anomaly], catalogue: Catalogue, gaps: dict[str, str]
    ) -> tuple[BreachForecast, ...]:
        found: list[BreachForecast] = []
        limited = [
            (a, spec)
            for a in group
            if (spec := catalogue.metrics.get(a.metric)) is not None and spec.threshold is not None
        ]
        for anomaly, spec in limited[:MOST_FORECASTS]:
            window = Window.ending(self._clock.now(), FORECAST_HISTORY)
            own_store = dict(anomaly.worst.labels).get("prometheus", "")
            store = members_of(self._sources.metrics).get(own_store, self._sources.metrics)
            asked = store.query_range(spec.query, window, timedelta(minutes=5))
            answers = await _tried(asked, "prometheus", gaps, [])
            own = next((s for s in answers if s.labels == anomaly.worst.labels), None)
            if own is None or spec.threshold is None:
                continue
            predicted = await self._sources.workers.run(forecast, own, 6)
            breach = (
                find_breach(predicted, own, spec.threshold, spec.bad_direction)
                if predicted is not None
                else None
            )
            if predicted is not None and breach is not None:
                found.append(
                    BreachForecast(
                        metric=spec.name,
                        at=breach.at,
                        value=breach.value,
                        threshold=breach.threshold,
                        unit=spec.unit,
                        method=predicted.method,
                    )
                )
        return tuple(found)

    async def _similar(
        self, group: Sequence[Anomaly], causes: Sequence[Cause], gaps: dict[str, str]
    ) -> tuple[SimilarCase, ...]:
        if self._sources.history is None:
            return ()
        words = [a.metric.replace("_", " ") for a in group[:3]]
        words += [group[0].service, *(c.cause for c in causes[:1])]
        asked = self._sources.history.similar(" ".join(words), 3)
        return tuple(await _tried(asked, "knowledge", gaps, []))


def _seen(anomaly: Anomaly, catalogue: Catalogue) -> SeenVerdict:
    spec = catalogue.metrics.get(anomaly.metric)
    if spec is None:
        return SeenVerdict(anomaly.latest)
    return SeenVerdict(anomaly.latest, bad_direction=spec.bad_direction)


async def _tried(asked: Awaitable[T], name: str, gaps: dict[str, str], otherwise: T) -> T:
    """Await one backend; a failure becomes a named gap."""
    try:
        return await asked
    except ToolError as error:
        gaps[name] = str(error)
        log.warning("enrichment.part_missing", part=name, why=str(error))
        return otherwise
