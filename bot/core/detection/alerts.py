"""Alerts told by Alertmanager: each becomes an anomaly, and is told as any other.

    firing ──> anomaly open (category "alert") ──detection cycle──> finding, updates, thread
    resolved ─> anomaly resolved ───────────────────^

The fingerprint is the alert's own labels, so that a repeated delivery changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.core.ports import Clock, Store, Transaction
from bot.domain.anomaly import Anomaly, Resolved, fingerprint_of, open_anomaly
from bot.domain.audit import BOT, Event
from bot.domain.ids import AnomalyId, mint
from bot.domain.redaction import Redactor
from tools.world import Catalogue, MetricName, ServiceName, Verdict, Vote, labels_of

CATEGORY = "alert"
SERVICE_LABELS = ("service", "app", "job", "deployment")
# An alert has no deviation; its severity label stands for one (see Severity.of_deviation).
SIGMA = {
    "critical": 5.0, "page": 5.0, "p0": 5.0, "p1": 5.0,
    "high": 4.0, "error": 4.0, "p2": 4.0,
    "warning": 3.0, "medium": 3.0, "p3": 3.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as it was told."""

    name: str
    firing: bool
    labels: Mapping[str, str]
    starts_at: datetime
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlertReceipt:
    """What became of a delivery. `unchanged` counts repetitions."""

    opened: tuple[AnomalyId, ...]
    resolved: tuple[AnomalyId, ...]
    unchanged: int


class AlertDesk:
    """Takes alerts in."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        catalogue: Callable[[], Catalogue],
        redactor: Redactor,
        actor: str = BOT,
    ) -> None:
        """Join what taking in needs."""
        self._store, self._clock, self._catalogue = store, clock, catalogue
        self._redactor, self._actor = redactor, actor

    async def receive(self, alerts: Sequence[Alert]) -> AlertReceipt:
        """Open and resolve anomalies; all of one delivery in one transaction."""
        opened: list[AnomalyId] = []
        resolved: list[AnomalyId] = []
        async with self._store.begin() as tx:
            active = {a.fingerprint: a for a in await tx.anomalies.active()}
            for alert in alerts:
                verdict = self._verdict(alert)
                key = fingerprint_of(verdict.metric, verdict.labels)
                known = active.get(key)
                if alert.firing and known is None:
                    fresh = open_anomaly(AnomalyId(mint("ANO")), CATEGORY, verdict)
                    await self._save(tx, fresh, "anomaly.opened", alert)
                    active[key] = fresh
                    opened.append(fresh.id)
                elif not alert.firing and known is not None:
                    done = replace(known, state=Resolved(self._clock.now()))
                    await self._save(tx, done, "anomaly.resolved", alert)
                    del active[key]
                    resolved.append(known.id)
        unchanged = len(alerts) - len(opened) - len(resolved)
        return AlertReceipt(tuple(opened), tuple(resolved), unchanged)

    async def _save(self, tx: Transaction, anomaly: Anomaly, kind: str, alert: Alert) -> None:
        await tx.anomalies.save(anomaly)
        told = alert.annotations.get("summary") or alert.annotations.get("description") or ""
        await tx.audit.append(
            Event(
                kind=kind,
                at=self._clock.now(),
                actor=self._actor,
                subject=anomaly.id,
                why=self._redactor.text(told)[:500],
                facts={
                    "metric": anomaly.metric,
                    "service": anomaly.service,
                    "severity": anomaly.severity.value,
                    "source": "alertmanager",
                },
            )
        )

    def _verdict(self, alert: Alert) -> Verdict:
        labels = {k: self._redactor.text(v) for k, v in alert.labels.items() if k != "alertname"}
        sigma = SIGMA.get(labels.get("severity", "").lower(), 3.0)
        now = self._clock.now()
        return Verdict(
            metric=MetricName(alert.name),
            labels=labels_of(labels),
            service=self._service(labels),
            at=now,
            observed=float("nan"),
            expected=float("nan"),
            deviation_sigma=sigma,
            votes=(Vote("alertmanager", sigma, 0.0, anomalous=True),),
            anomalous=True,
            started_at=min(alert.starts_at, now),
            method="alert",
        )

    def _service(self, labels: Mapping[str, str]) -> ServiceName:
        """Return the catalogued service the labels name, else what they say."""
        services = self._catalogue().services
        named = [labels[key] for key in SERVICE_LABELS if labels.get(key)]
        known = next((name for name in named if name in services), None)
        return ServiceName(known or (named[0] if named else "unknown"))
