"""What is said beside the bare numbers of a new finding: forecast, causes, similar cases, chart.

    changes ─┐
    events ──┼─> causes ─┬─> similar cases        each part that fails is a gap of the finding:
    logs ────┘           └─> chart, forecasts     what could not be looked at, and why

Everything here is best effort: a dead backend or worker costs its part, never the finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.core.ports import Clock
from bot.core.shared.charts import ChartDesk
from bot.core.shared.isolation import isolated
from bot.domain.anomaly import Anomaly
from bot.domain.finding import BreachForecast
from bot.domain.secrets.redaction import Redactor
from bot.domain.signal import Signal, alerts_in, anomalies_in
from bot.locale import Texts
from tools.analysis.facts import service as subject_of
from tools.analysis.forecast import find_breach, forecast
from tools.analysis.patterns import burst
from tools.analysis.rca.chains import Concern
from tools.analysis.rca.explain import explain
from tools.analysis.symptoms import Rule, SeenChange, SeenEvent, SeenPattern, SeenVerdict, Symptoms
from tools.fleet import Fleet, members_of, pick
from tools.ports import Changes, Cluster, History, Logs, Metrics, Workers
from tools.workload_parts import Told, events_about
from tools.world import (
    Catalogue,
    Cause,
    Change,
    LogLine,
    MetricSpec,
    Series,
    ServiceName,
    SimilarCase,
    Window,
)

CHANGES_BEFORE = timedelta(hours=3)
LOGS_AFTER, LOGS_BEFORE = timedelta(minutes=15), timedelta(minutes=60)
FORECAST_HISTORY = timedelta(days=2)
MOST_FORECASTS = 2
MOST_SERVICES = 3


@dataclass(frozen=True, slots=True)
class Extra:
    """What enrichment found. `gaps` maps what could not be looked at to why."""

    causes: tuple[Cause, ...] = ()
    breaches: tuple[BreachForecast, ...] = ()
    similar: tuple[SimilarCase, ...] = ()
    changes: tuple[Change, ...] = ()
    chart: str = ""
    gaps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """What is asked; None is not configured."""

    metrics: Metrics | None
    workers: Workers
    logs: Logs | None = None
    cluster: Cluster | None = None
    changes: Changes | None = None
    history: History | None = None
    charts: ChartDesk | None = None


class Enricher:
    """Enriches groups of signals."""

    def __init__(
        self,
        clock: Clock,
        sources: Sources,
        rules: Callable[[], Sequence[Rule]],
        texts: Texts,
        timezone: str,
        redactor: Redactor,
    ) -> None:
        """`texts` and `timezone` are those of the incidents channel, for the chart.

        `redactor` knows our own secrets besides the usual shapes.
        """
        self._clock, self._sources, self._rules = clock, sources, rules
        self._texts, self._timezone = texts, timezone
        self._redactor = redactor

    async def enrich(
        self,
        group: Sequence[Signal],
        catalogue: Catalogue,
        series: Mapping[tuple[str, object], Series],
        gaps: Mapping[str, str],
    ) -> Extra:
        """Look around a group; the worst signal comes first in it.

        `gaps` is what the cycle itself could not look at.
        """
        missing = dict(gaps)
        looked = self._look(group, catalogue, series, missing)
        extra = await isolated("enrichment", looked, missing, Extra())
        told = {name: self._redactor.text(why) for name, why in missing.items()}
        return replace(extra, gaps=told)

    async def _look(
        self,
        group: Sequence[Signal],
        catalogue: Catalogue,
        series: Mapping[tuple[str, object], Series],
        gaps: dict[str, str],
    ) -> Extra:
        changes = await isolated("changes", self._changes(group), gaps, [])
        ranked = self._causes(group, catalogue, changes, gaps)
        causes = await isolated("causes", ranked, gaps, [])
        chart = await isolated("chart", self._chart(group, series, changes), gaps, "")
        breaches = await self._breaches(group, catalogue, gaps)
        similar = await isolated("knowledge", self._similar(group, causes), gaps, [])
        return Extra(tuple(causes), tuple(breaches), tuple(similar), tuple(changes), chart)

    async def _changes(self, group: Sequence[Signal]) -> list[Change]:
        if self._sources.changes is None:
            return []
        window = Window(_onset(group) - CHANGES_BEFORE, self._clock.now())
        seen = await self._sources.changes.recent(window)
        return [self._redactor.change(each) for each in seen]

    async def _causes(
        self,
        group: Sequence[Signal],
        catalogue: Catalogue,
        changes: Sequence[Change],
        gaps: dict[str, str],
    ) -> list[Cause]:
        services = list(dict.fromkeys(a.service for a in group))[:MOST_SERVICES]
        window = Window(_onset(group) - LOGS_BEFORE, self._clock.now())
        explained = explain(
            Symptoms(
                verdicts=[_seen(a, catalogue) for a in anomalies_in(group)],
                changes=[SeenChange(c) for c in changes],
                events=await self._events(services, catalogue, window, gaps),
                patterns=await isolated("loki", self._patterns(services, gaps), gaps, []),
                dependencies=catalogue.topology(),
                rules=self._rules(),
            ),
            Concern(tuple(subject_of(each) for each in services)),
            self._clock.now(),
            complete=not gaps,
        )
        return [self._redactor.cause(each) for each in explained.causes]

    async def _chart(
        self,
        group: Sequence[Signal],
        series: Mapping[tuple[str, object], Series],
        changes: list[Change],
    ) -> str:
        measured = anomalies_in(group)
        worst = series.get((measured[0].metric, measured[0].worst.labels)) if measured else None
        if self._sources.charts is None or worst is None:
            return ""
        spec = await self._sources.charts.spec(
            worst, [a.latest for a in measured], changes, self._timezone, self._texts
        )
        return await self._sources.charts.keep(spec, worst, self._texts)

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
                asked = events_about(place, [ref], window)
                told = await isolated("kubernetes", asked, gaps, Told(()))
                _note_silent("kubernetes", place, gaps)
                if told.gaps:
                    gaps.setdefault("kubernetes", "; ".join(told.gaps))
                found += [SeenEvent(e, service) for e in told.events]
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
                    asked = logs.search(window, service=service, level=level, limit=500)
                    page = await isolated("loki", asked, gaps, None)
                    _note_silent("loki", logs, gaps)
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
                    since=b.pattern.first_seen,
                )
                for b in bursts[:5]
            ]
        return found

    async def _breaches(
        self, group: Sequence[Signal], catalogue: Catalogue, gaps: dict[str, str]
    ) -> list[BreachForecast]:
        limited = [
            (a, spec)
            for a in anomalies_in(group)
            if (spec := catalogue.metrics.get(a.metric)) is not None and spec.threshold is not None
        ]
        found = [
            await isolated("forecast", self._breach(anomaly, spec), gaps, None)
            for anomaly, spec in limited[:MOST_FORECASTS]
        ]
        return [breach for breach in found if breach is not None]

    async def _breach(self, anomaly: Anomaly, spec: MetricSpec) -> BreachForecast | None:
        window = Window.ending(self._clock.now(), FORECAST_HISTORY)
        if self._sources.metrics is None:
            return None
        own_store = dict(anomaly.worst.labels).get("prometheus", "")
        store = members_of(self._sources.metrics).get(own_store, self._sources.metrics)
        answers = await store.query_range(spec.query, window, timedelta(minutes=5))
        own = next((s for s in answers if s.labels == anomaly.worst.labels), None)
        if own is None or spec.threshold is None:
            return None
        predicted = await self._sources.workers.run(forecast, own, 6)
        if predicted is None:
            return None
        breach = find_breach(predicted, own, spec.threshold, spec.bad_direction)
        if breach is None:
            return None
        return BreachForecast(
            metric=spec.name,
            at=breach.at,
            value=breach.value,
            threshold=breach.threshold,
            unit=spec.unit,
            method=predicted.method,
        )

    async def _similar(self, group: Sequence[Signal], causes: Sequence[Cause]) -> list[SimilarCase]:
        if self._sources.history is None:
            return []
        words = [a.metric.replace("_", " ") for a in anomalies_in(group)[:3]]
        words += [f"{a.name} {a.summary}" for a in alerts_in(group)[:3]]
        words += [group[0].service, *(c.cause for c in causes[:1])]
        cases = await self._sources.history.similar(" ".join(words), 3)
        return [self._redactor.case(each) for each in cases]


def _onset(group: Sequence[Signal]) -> datetime:
    return min(a.started_at for a in group)


def _seen(anomaly: Anomaly, catalogue: Catalogue) -> SeenVerdict:
    return SeenVerdict(anomaly.latest, spec=catalogue.metrics.get(anomaly.metric))


def _note_silent(part: str, port: object, gaps: dict[str, str]) -> None:
    """Name the instances that left their part out of a joined answer."""
    if isinstance(port, Fleet) and port.silent:
        gaps.setdefault(part, "; ".join(f"{name}: {why}" for name, why in port.silent.items()))
