"""How bad the trouble is that a plan answers, whatever somebody writes into the database.

    rows of anomalies, alerts and findings, each under a seal ─┐
    what the audit told of the same signals                    ┴──> the worse, or the worst there is

A plan's risk falls with what its signals lack, so a row that nothing proves, or that is gone,
counts as the worst trouble; an earlier row of a signal that was put back is outdone by the audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, Store, Transaction
from bot.domain.alert import Alert
from bot.domain.ids import AlertId, AnomalyId, FindingId
from bot.domain.plans.risk import LONG, Trend
from bot.domain.signal import Signal, badness
from tools.world import ServiceName, Severity

OPENED = ("anomaly.opened", "alert.opened")
ENDED = ("anomaly.resolved", "anomaly.false_alarm", "alert.resolved", "alert.false_alarm")
TELLING = ("finding.opened", "finding.extended")
REMEMBERED = timedelta(days=7)  # world: a signal is looked for in the audit as long as this


@dataclass(frozen=True, slots=True)
class ProvedTrouble:
    """What the risk of a plan takes from the signals it answers."""

    severity: Severity = Severity.MEDIUM
    lasted: timedelta = timedelta(0)
    trend: Trend = Trend.UNKNOWN
    category: str = ""
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class TroubleReader:
    """Reads it for one plan."""

    store: Store
    clock: Clock

    async def read(self, service: ServiceName, finding: FindingId | None) -> ProvedTrouble:
        """Return the trouble of a finding, else that of a service now."""
        async with self.store.begin() as tx:
            if finding is not None:
                ids, doubtful = await self._of_finding(tx, finding)
            else:
                ids, doubtful = await self._of_service(tx, service), []
            found: list[Signal] = []
            for each in ids:
                signal = await _proved(tx, each)
                if signal is not None:
                    found.append(signal)
                else:
                    doubtful.append(each)
            told = [severity for each in ids for severity in await _severities(tx, each)]
        worst = min(found, key=badness, default=None)
        if doubtful:
            return _worst_there_is(worst, doubtful)
        if worst is None:
            return ProvedTrouble()
        return ProvedTrouble(
            severity=max([worst.severity, *told], key=lambda each: each.rank),
            lasted=max(timedelta(0), self.clock.now() - worst.started_at),
            trend=_trend(worst),
            category=worst.category,
        )

    async def _of_finding(self, tx: Transaction, finding: FindingId) -> tuple[list[str], list[str]]:
        """Return a finding's signals, by its row and by the audit, and what nothing proves."""
        row = await tx.findings.get(finding)
        ids: list[str] = [*row.anomalies, *row.alerts]
        for kind in TELLING:
            for event in await tx.audit.proved(finding, kind):
                ids += event.facts["anomalies"]
                ids += [each["id"] for each in event.facts.get("alerts", ())]
        genuine = await tx.findings.is_genuine(finding)
        return list(dict.fromkeys(ids)), [] if genuine else [finding]

    async def _of_service(self, tx: Transaction, service: ServiceName) -> list[str]:
        """Return a service's signals that last, by their rows and by the audit."""
        active: list[Signal] = [*await tx.anomalies.active(), *await tx.alerts.active()]
        ids: list[str] = [each.id for each in active if each.service == service]
        since = self.clock.now() - REMEMBERED
        over = {e.subject for kind in ENDED for e in await tx.audit.happened(kind, since)}
        ids += [
            event.subject
            for kind in OPENED
            for event in await tx.audit.happened(kind, since)
            if event.facts.get("service") == service and event.subject not in over
        ]
        return list(dict.fromkeys(ids))


async def _proved(tx: Transaction, signal: str) -> Signal | None:
    """Return an anomaly or an alert as we wrote it; None where nothing proves it."""
    if await tx.anomalies.is_genuine(AnomalyId(signal)):
        return await tx.anomalies.get(AnomalyId(signal))
    if await tx.alerts.is_genuine(AlertId(signal)):
        return await tx.alerts.get(AlertId(signal))
    return None


async def _severities(tx: Transaction, signal: str) -> Iterable[Severity]:
    """Return how severe a signal was by what the audit told of it."""
    told = await tx.audit.proved(signal)
    return [Severity(event.facts["severity"]) for event in told if "severity" in event.facts]


def _worst_there_is(known: Signal | None, doubtful: Sequence[str]) -> ProvedTrouble:
    names = ", ".join(sorted(set(doubtful))[:3])
    return ProvedTrouble(
        severity=Severity.CRITICAL,
        lasted=LONG,
        trend=Trend.WORSE,
        category=known.category if known is not None else "",
        doubt=f"nothing proves {names} as it stands: it counts as the worst there is",
    )


def _trend(worst: Signal) -> Trend:
    if isinstance(worst, Alert):  # nobody measures it
        return Trend.UNKNOWN
    latest, top = abs(worst.latest.deviation_sigma), abs(worst.worst.deviation_sigma)
    if latest >= top:
        return Trend.WORSE
    return Trend.BETTER if latest < 0.8 * top else Trend.STEADY
