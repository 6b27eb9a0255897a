"""How bad the trouble is that a plan answers, whatever somebody writes into the database.

    rows of anomalies and findings, each under a seal ─┐
    what the audit told of the same anomalies          ┴──> the worse of both, or the worst there is

A plan's risk falls with what its anomalies lack, so a row that nothing proves, or that is gone,
counts as the worst trouble; an earlier row of an anomaly that was put back is outdone by the audit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, Store, Transaction
from bot.domain.anomaly import Anomaly
from bot.domain.ids import AnomalyId, FindingId
from bot.domain.risk import LONG, Trend
from tools.world import ServiceName, Severity

OPENED, ENDED = "anomaly.opened", ("anomaly.resolved", "anomaly.false_alarm")
TELLING = ("finding.opened", "finding.extended")
REMEMBERED = timedelta(days=7)  # world: an anomaly is looked for in the audit as long as this


@dataclass(frozen=True, slots=True)
class ProvedTrouble:
    """What the risk of a plan takes from the anomalies it answers."""

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
            found: list[Anomaly] = []
            for each in ids:
                if await tx.anomalies.is_genuine(each):
                    found.append(await tx.anomalies.get(each))
                else:
                    doubtful.append(each)
            told = [severity for each in ids for severity in await _severities(tx, each)]
        worst = max(found, key=lambda a: abs(a.worst.deviation_sigma), default=None)
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

    async def _of_finding(
        self, tx: Transaction, finding: FindingId
    ) -> tuple[list[AnomalyId], list[str]]:
        """Return a finding's anomalies, by its row and by the audit, and what nothing proves."""
        ids = list((await tx.findings.get(finding)).anomalies)
        for kind in TELLING:
            for event in await tx.audit.proved(finding, kind):
                ids += map(AnomalyId, event.facts["anomalies"])
        genuine = await tx.findings.is_genuine(finding)
        return list(dict.fromkeys(ids)), [] if genuine else [finding]

    async def _of_service(self, tx: Transaction, service: ServiceName) -> list[AnomalyId]:
        """Return a service's anomalies that last, by their rows and by the audit."""
        ids = [each.id for each in await tx.anomalies.active() if each.service == service]
        since = self.clock.now() - REMEMBERED
        over = {e.subject for kind in ENDED for e in await tx.audit.happened(kind, since)}
        ids += [
            AnomalyId(event.subject)
            for event in await tx.audit.happened(OPENED, since)
            if event.facts.get("service") == service and event.subject not in over
        ]
        return list(dict.fromkeys(ids))


async def _severities(tx: Transaction, anomaly: AnomalyId) -> Iterable[Severity]:
    """Return how severe an anomaly was by what the audit told of it."""
    told = await tx.audit.proved(anomaly)
    return [Severity(event.facts["severity"]) for event in told if "severity" in event.facts]


def _worst_there_is(known: Anomaly | None, doubtful: Sequence[str]) -> ProvedTrouble:
    names = ", ".join(sorted(set(doubtful))[:3])
    return ProvedTrouble(
        severity=Severity.CRITICAL,
        lasted=LONG,
        trend=Trend.WORSE,
        category=known.category if known is not None else "",
        doubt=f"nothing proves {names} as it stands: it counts as the worst there is",
    )


def _trend(worst: Anomaly) -> Trend:
    latest, top = abs(worst.latest.deviation_sigma), abs(worst.worst.deviation_sigma)
    if latest >= top:
        return Trend.WORSE
    return Trend.BETTER if latest < 0.8 * top else Trend.STEADY
