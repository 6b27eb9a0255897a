"""The detection cycle: every minute, what is abnormal, told once.

    catalogue ─fetch─> series ─score (worker)─> verdicts ─> anomalies open, renew, resolve
        ─`Telling`─> findings: forecast, causes, similar cases ─> posted at once ─> agent run queued

A metric that cannot be read is named and changes nothing: absent data neither opens nor resolves.
A service that cannot be judged, or a finding that cannot be told, is named and holds up no other:
its anomalies stay, and the next cycle tries again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from bot.core.detection.telling import Seen, Telling
from bot.core.ports import Clock, Store, Transaction
from bot.core.shared.isolation import isolated, unexpected
from bot.domain.anomaly import Anomaly, Resolved, fingerprint_of, observe, open_anomaly
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, mint
from tools.analysis.detect import DetectorSettings, score_service
from tools.background import in_background
from tools.errors import BackendError, ToolError
from tools.fleet import ask_each
from tools.ports import Baselines, Metrics, Workers
from tools.world import Baseline, Catalogue, MetricSpec, Series, Verdict, Window

log = structlog.get_logger(__name__)

LOOKBACK = timedelta(hours=4)  # what the local noise is measured on
STEP = timedelta(seconds=60)
MOST_DEATHS = 3  # services over which workers died, one by one; then the pool itself is ill

Observed = tuple[Series, Baseline | None, MetricSpec]


@dataclass(frozen=True, slots=True)
class CycleConfig:
    """When a cycle begins."""

    every: timedelta = timedelta(seconds=60)  # world time


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle did.

    `failed` maps a metric, or an instance, to why it could not be read; `crashed` maps what could
    not be judged, told or ended to why.
    """

    checked: int = 0
    active: int = 0
    opened: int = 0
    resolved: int = 0
    told: tuple[Finding, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    crashed: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


Services = Mapping[str, Sequence[Observed]]  # the metrics of each service, judged together


@dataclass(frozen=True, slots=True)
class Scored:
    """Verdicts, and why some services have none."""

    verdicts: list[Verdict]
    failed: dict[str, str]


def score_groups(services: Services, settings: DetectorSettings) -> Scored:
    """Judge every service's metrics together. Runs in a worker process."""
    scored = Scored([], {})
    for name, group in services.items():
        try:
            scored.verdicts.extend(score_service(group, settings))
        except Exception as error:  # noqa: BLE001 - one service's boundary: named in the report
            scored.failed[name] = unexpected(error)
    return scored


class DetectionCycle:
    """Runs cycles."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        baselines: Baselines,
        workers: Workers,
        catalogue: Callable[[], Catalogue],
        telling: Telling,
        settings: DetectorSettings,
    ) -> None:
        """Join what a cycle needs; `telling` brings the findings in step afterwards."""
        self._store, self._clock, self._metrics = store, clock, metrics
        self._baselines, self._workers, self._catalogue = baselines, workers, catalogue
        self._telling, self._settings = telling, settings

    async def run(self) -> CycleReport:
        """Run one cycle."""
        started = self._clock.monotonic()
        catalogue = self._catalogue()
        observed, failed = await self._fetch(catalogue)
        crashed: dict[str, str] = {}
        verdicts = await self._judge(_by_service(observed), crashed)
        report = await self._renew(catalogue, verdicts)
        told = await self._telling.signals(Seen({_key(s): s for s, _, _ in observed}, failed))
        report = replace(
            report,
            told=told.opened,
            failed=failed,
            crashed=crashed | told.crashed,
            seconds=self._clock.monotonic() - started,
        )
        log.info(
            "detection.cycle_finished",
            checked=report.checked,
            active=report.active,
            opened=report.opened,
            resolved=report.resolved,
            told=[f.id for f in report.told],
            failed=dict(failed),
            crashed=dict(report.crashed),
            seconds=round(report.seconds, 2),
        )
        return report

    async def _fetch(self, catalogue: Catalogue) -> tuple[list[Observed], dict[str, str]]:
        """Read every metric of every instance; an instance that hangs holds up no other."""
        window = Window.ending(self._clock.now(), LOOKBACK)
        specs = list(catalogue.metrics.values())

        async def read(metrics: Metrics) -> list[list[Series] | BaseException]:
            asked = (metrics.query_range(s.query, window, STEP) for s in specs)
            with in_background():  # a person's question goes first
                answers = await asyncio.gather(*asked, return_exceptions=True)
            errors = [each for each in answers if isinstance(each, BackendError)]
            if errors and len(errors) == len(answers):
                raise errors[0]  # nothing was read: not an answer that others have to keep up with
            return answers

        gathered = await ask_each(self._metrics, read)
        learned = {(b.metric, b.labels): b for b in await self._baselines.all()}
        observed: list[Observed] = []
        failed: dict[str, str] = {}
        for instance, error in gathered.failed.items():  # of several its name says it all
            failed |= dict.fromkeys([instance] if instance else [s.name for s in specs], str(error))
        for instance, answers in gathered.answers.items():
            for spec, answer in zip(specs, answers, strict=True):
                if isinstance(answer, Exception):
                    name = f"{instance}/{spec.name}" if instance else spec.name
                    failed[name] = _why(name, answer)
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                for series in answer:
                    named = replace(series, metric=spec.name, unit=spec.unit)
                    observed.append((named, learned.get((spec.name, named.labels)), spec))
        return observed, failed

    async def _judge(self, services: Services, crashed: dict[str, str]) -> list[Verdict]:
        """Score all services at once; where that fails, each for itself: one may be the cause."""
        dead: dict[str, str] = {}
        scored = await isolated("judging", self._score(services), dead, None)
        if scored is not None:
            parts = [scored]
        elif len(services) > 1:
            parts = await self._judge_apart(services)
        else:
            parts = [Scored([], dict.fromkeys(services, dead["judging"]))]
        for part in parts:
            crashed |= {f"judging {name}": why for name, why in part.failed.items()}
        return [verdict for part in parts for verdict in part.verdicts]

    async def _judge_apart(self, services: Services) -> list[Scored]:
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
        return await self._workers.run(score_groups, services, self._settings)

    async def _renew(self, catalogue: Catalogue, verdicts: Sequence[Verdict]) -> CycleReport:
        """Open, renew and resolve anomalies, each with its audit row."""
        opened = resolved = 0
        async with self._store.begin() as tx:
            active = {a.fingerprint: a for a in await tx.anomalies.active()}
            for verdict in verdicts:
                known = active.get(fingerprint_of(verdict.metric, verdict.labels))
                if known is None:
                    if verdict.anomalous:
                        await self._open(tx, catalogue, verdict)
                        opened += 1
                    continue
                changed = observe(known, verdict)
                if changed is not known:
                    await tx.anomalies.save(changed)
                if changed.severity.rank > known.severity.rank:  # a plan's risk counts by it
                    await tx.audit.append(self._event("anomaly.worsened", changed))
                if isinstance(changed.state, Resolved):
                    resolved += 1
                    await tx.audit.append(self._event("anomaly.resolved", changed))
            count = len(await tx.anomalies.active())
        return CycleReport(checked=len(verdicts), active=count, opened=opened, resolved=resolved)

    async def _open(self, tx: Transaction, catalogue: Catalogue, verdict: Verdict) -> None:
        spec = catalogue.metrics.get(verdict.metric)
        anomaly = open_anomaly(AnomalyId(mint("ANO")), spec.category if spec else "", verdict)
        await tx.anomalies.save(anomaly)
        await tx.audit.append(self._event("anomaly.opened", anomaly))

    def _event(self, kind: str, anomaly: Anomaly) -> Event:
        verdict = anomaly.latest
        return Event(
            kind=kind,
            at=self._clock.now(),
            actor=BOT,
            subject=anomaly.id,
            facts={
                "metric": verdict.metric,
                "service": verdict.service,
                "severity": anomaly.severity.value,
                "sigma": round(verdict.deviation_sigma, 2),
                "observed": verdict.observed,
                "expected": verdict.expected,
            },
        )


def _why(metric: str, error: Exception) -> str:
    """Return why a metric was not read; what nobody expected is reported as well."""
    if isinstance(error, ToolError):
        return str(error)
    log.error("detection.reading_crashed", metric=metric, exc_info=error)
    return unexpected(error)


def _by_service(observed: Sequence[Observed]) -> Services:
    services: dict[str, list[Observed]] = {}
    for each in observed:
        series, _, spec = each
        services.setdefault(spec.service_of(series.labels), []).append(each)
    return services


def _key(series: Series) -> tuple[str, object]:
    return series.metric, series.labels
