"""The detection cycle: every minute, what is abnormal, told once.

    catalogue ─fetch─> series ─score (worker)─> verdicts ─> anomalies open, renew, resolve
        ─group─> finding: forecast, causes, similar cases ─> posted at once ─> agent run queued

A metric that cannot be read is named and changes nothing: absent data neither opens nor resolves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from bot.core.detection import grouping
from bot.core.detection.enrichment import Enricher
from bot.core.detection.findings import FindingDesk
from bot.core.ports import Clock, Store, Transaction
from bot.domain.anomaly import Anomaly, Resolved, fingerprint_of, observe, open_anomaly
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, mint
from tools.analysis.detect import DetectorSettings, score_service
from tools.background import in_background
from tools.errors import BackendError
from tools.fleet import ask_each
from tools.ports import Baselines, Metrics, Workers
from tools.world import Baseline, Catalogue, MetricSpec, Series, ServiceName, Verdict, Window

log = structlog.get_logger(__name__)

LOOKBACK = timedelta(hours=4)  # what the local noise is measured on
STEP = timedelta(seconds=60)

Observed = tuple[Series, Baseline | None, MetricSpec]


@dataclass(frozen=True, slots=True)
class CycleConfig:
    """When a cycle begins."""

    every: timedelta = timedelta(seconds=60)  # world time


@dataclass(frozen=True, slots=True)
class CycleReport:
    """What one cycle did. `failed` maps a metric, or an instance, to why it could not be read."""

    checked: int = 0
    active: int = 0
    opened: int = 0
    resolved: int = 0
    told: tuple[Finding, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


def score_groups(groups: Sequence[Sequence[Observed]], settings: DetectorSettings) -> list[Verdict]:
    """Judge every service's metrics together. Runs in a worker process."""
    return [v for group in groups for v in score_service(group, settings)]


class DetectionCycle:
    """Runs cycles."""

    def __init__(  # noqa: PLR0913 - everything a cycle reads and writes
        self,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        baselines: Baselines,
        workers: Workers,
        catalogue: Callable[[], Catalogue],
        enricher: Enricher,
        desk: FindingDesk,
        settings: DetectorSettings,
        on_cleared: Callable[[Finding], Awaitable[None]],
    ) -> None:
        """`on_cleared` is told after a finding's anomalies are all gone."""
        self._store, self._clock, self._metrics = store, clock, metrics
        self._baselines, self._workers, self._catalogue = baselines, workers, catalogue
        self._enricher, self._desk, self._settings = enricher, desk, settings
        self._on_cleared = on_cleared

    async def run(self) -> CycleReport:
        """Run one cycle."""
        started = self._clock.monotonic()
        catalogue = self._catalogue()
        observed, failed = await self._fetch(catalogue)
        verdicts = await self._workers.run(score_groups, _by_service(observed), self._settings)
        report = await self._renew(catalogue, verdicts)
        told, cleared = await self._tell(catalogue, {_key(s): s for s, _, _ in observed})
        for finding in cleared:
            await self._on_cleared(finding)
        report = replace(
            report, told=told, failed=failed, seconds=self._clock.monotonic() - started
        )
        log.info(
            "detection.cycle_finished",
            checked=report.checked,
            active=report.active,
            opened=report.opened,
            resolved=report.resolved,
            told=[f.id for f in told],
            failed=dict(failed),
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
                if isinstance(answer, BackendError):
                    failed[f"{instance}/{spec.name}" if instance else spec.name] = str(answer)
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                for series in answer:
                    named = replace(series, metric=spec.name, unit=spec.unit)
                    observed.append((named, learned.get((spec.name, named.labels)), spec))
        return observed, failed

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

    async def _tell(
        self, catalogue: Catalogue, series: Mapping[tuple[str, object], Series]
    ) -> tuple[tuple[Finding, ...], list[Finding]]:
        """Bring findings in step with the anomalies; return new and cleared ones."""
        now = self._clock.now()
        async with self._store.begin() as tx:
            active = await tx.anomalies.active()
            findings = await tx.findings.open()
            mutes = await tx.mutes.active(now)
        muted = {(m.service, m.metric) for m in mutes}
        in_finding = {a for f in findings for a in f.anomalies}
        loose = [
            a
            for a in active
            if a.id not in in_finding
            and (a.service, "") not in muted
            and (a.service, a.metric) not in muted
        ]
        services_of: dict[AnomalyId, ServiceName] = {a.id: a.service for a in active}
        joined, rest = grouping.join(loose, findings, services_of, catalogue, now)
        joined_ids = {j.finding.id for j in joined}
        for each in joined:
            await self._desk.extend(each.finding, each.anomalies)
        cleared = await self._desk.clear(
            [f for f in findings if f.id not in joined_ids], {a.id for a in active}
        )
        told = []
        for group in grouping.groups(rest, catalogue):
            if grouping.worth_telling(group):
                extra = await self._enricher.enrich(group, catalogue, series)
                told.append(await self._desk.open(group, extra, catalogue))
        return tuple(told), cleared


def _by_service(observed: Sequence[Observed]) -> list[list[Observed]]:
    services: dict[str, list[Observed]] = {}
    for each in observed:
        series, _, spec = each
        services.setdefault(series.label(spec.group_by), []).append(each)
    return list(services.values())


def _key(series: Series) -> tuple[str, object]:
    return series.metric, series.labels
