"""The detection cycle: every minute, what is abnormal, told once.

    what is new ─Intake─> table ─Judging─> verdicts ─> anomalies open, renew, resolve
        ─`Telling`─> findings: forecast, causes, similar cases ─> posted at once ─> agent run queued

A metric that cannot be read is named and changes nothing: absent data neither opens nor resolves.
A service that cannot be judged, or a finding that cannot be told, is named and holds up no other:
its anomalies stay, and the next cycle tries again. Only one cycle runs at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog

from bot.core.detection.intake import STEP, Intake, Read
from bot.core.detection.judging import Judging
from bot.core.detection.remembering import Remembering
from bot.core.detection.telling import Seen, Telling
from bot.core.ports import Clock, Snapshots, Store, Transaction
from bot.domain.anomaly import Anomaly, Resolved, fingerprint_of, gone, observe, open_anomaly
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, mint
from tools.analysis.state.recent import KEPT
from tools.analysis.state.table import Key
from tools.ports import Baselines, Metrics
from tools.world import Catalogue, Verdict

log = structlog.get_logger(__name__)

LOOKBACK = STEP * (KEPT - 1)  # what is kept of a series, and what the local noise is measured on


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
    series: int = 0  # that are watched
    new: int = 0  # of them, first seen in this cycle
    missing: int = 0  # of them, without a sample in the newest minute
    vanished: int = 0  # forgotten in this cycle: four hours without a sample
    late: int = 0  # samples that came after their minute had been read
    queries: int = 0  # questions to the metrics stores
    waited: bool = False  # another cycle was at work: nothing was done


class DetectionCycle:
    """Runs cycles."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        baselines: Baselines,
        judging: Judging,
        catalogue: Callable[[], Catalogue],
        telling: Telling,
        snapshots: Snapshots | None = None,
    ) -> None:
        """Join what a cycle needs; `telling` brings the findings in step afterwards.

        Without `snapshots` every start reads four hours of every series again.
        """
        self._store, self._clock, self._catalogue = store, clock, catalogue
        self._telling = telling
        self._intake = Intake(metrics, clock, baselines, Remembering(clock, snapshots))
        self._judging = judging
        self._at_work = asyncio.Lock()

    async def run(self) -> CycleReport:
        """Run one cycle."""
        if self._at_work.locked():
            return CycleReport(waited=True)
        async with self._at_work:
            return await self._run()

    async def close(self) -> None:
        """Save what is known of the series; a cycle at work is waited for."""
        async with self._at_work:
            await self._intake.remember(at_once=True)

    async def _run(self) -> CycleReport:
        started = self._clock.monotonic()
        catalogue = self._catalogue()
        read = await self._intake.read(catalogue)
        async with self._store.begin() as tx:
            active: dict[Key, Anomaly] = {
                (a.metric, a.first.labels): a for a in await tx.anomalies.active()
            }
        judged = await self._judging.judge(self._intake.table, active)
        vanished = self._vanished(active, catalogue, read)
        report = await self._renew(catalogue, judged.verdicts, vanished)
        told = await self._telling.signals(Seen(judged.series, read.failed))
        await self._intake.remember()
        report = replace(
            report,
            checked=judged.checked,
            told=told.opened,
            failed=read.failed,
            crashed=read.crashed | judged.crashed | told.crashed,
            seconds=self._clock.monotonic() - started,
            series=len(self._intake.table.rows),
            new=read.counts.new,
            missing=read.counts.missing,
            vanished=read.counts.gone,
            late=read.counts.late + read.counts.corrected,
            queries=read.queries,
        )
        log.info(
            "detection.cycle_finished",
            checked=report.checked,
            active=report.active,
            opened=report.opened,
            resolved=report.resolved,
            told=[f.id for f in report.told],
            failed=dict(read.failed),
            crashed=dict(report.crashed),
            seconds=round(report.seconds, 2),
            series=report.series,
            new=report.new,
            missing=report.missing,
            vanished=report.vanished,
            late=report.late,
            queries=report.queries,
        )
        return report

    def _vanished(
        self, active: Mapping[Key, Anomaly], catalogue: Catalogue, read: Read
    ) -> list[Anomaly]:
        """Return anomalies of series that are gone: four hours without one, though it was read."""
        now, known = self._clock.now(), self._intake.table.rows
        return [
            anomaly
            for (metric, labels), anomaly in active.items()
            if (metric, labels) not in known
            and metric in catalogue.metrics
            and now - anomaly.latest.at >= LOOKBACK
            and read.was_read(metric, labels)
        ]

    async def _renew(
        self, catalogue: Catalogue, verdicts: Sequence[Verdict], vanished: Sequence[Anomaly]
    ) -> CycleReport:
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
            for anomaly in vanished:
                if (known := active.get(anomaly.fingerprint)) is not None:
                    ended = gone(known, self._clock.now())
                    await tx.anomalies.save(ended)
                    resolved += 1
                    await tx.audit.append(self._event("anomaly.resolved", ended, why="vanished"))
            count = len(await tx.anomalies.active())
        return CycleReport(active=count, opened=opened, resolved=resolved)

    async def _open(self, tx: Transaction, catalogue: Catalogue, verdict: Verdict) -> None:
        spec = catalogue.metrics.get(verdict.metric)
        anomaly = open_anomaly(AnomalyId(mint("ANO")), spec.category if spec else "", verdict)
        await tx.anomalies.save(anomaly)
        await tx.audit.append(self._event("anomaly.opened", anomaly))

    def _event(self, kind: str, anomaly: Anomaly, **more: str) -> Event:
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
                **more,
            },
        )
