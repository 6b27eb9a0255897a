"""Alerts told by a webhook are taken in, and ended when nobody says any more that they fire.

    delivery ──each alert: subject, severity, which spell?──> rows ──`Telling`──> finding, thread
    every minute ──not heard for long, or gone from Alertmanager──> over
                 └─a heartbeat is silent──> an alert of our own

All of one delivery is one transaction. What it says is data: words of others, cut of secrets.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog

from bot.core.detection.alert_events import event_of
from bot.core.detection.alert_labels import LONGEST_LABEL, clean_labels
from bot.core.detection.alert_severity import SeverityTable
from bot.core.detection.alert_subject import Naming, naming_of, service_of
from bot.core.detection.heartbeats import Heartbeats
from bot.core.ports import Clock, Store, Transaction
from bot.domain.alert import Alert, ended_unheard, hear_again, hear_resolved
from bot.domain.audit import BOT, Event
from bot.domain.ids import AlertId, mint
from bot.domain.secrets.redaction import Redactor
from foundation.shortened import shortened
from foundation.together import all_or_none
from tools.world import Catalogue, WorkloadRef, labels_of

log = structlog.get_logger(__name__)
LONGEST_WORDS = 4_000  # characters of one annotation that are kept

Owners = Mapping[WorkloadRef, Sequence[WorkloadRef]]
OwnersOf = Callable[[WorkloadRef], Coroutine[Any, Any, Sequence[WorkloadRef]]]


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """One alert as a delivery tells it. Times are the sender's."""

    name: str
    firing: bool
    labels: Mapping[str, str]
    starts_at: datetime | None = None  # None: not said, so from now on
    ends_at: datetime | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    generator_url: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one call of the webhook told."""

    alerts: Sequence[ToldAlert]
    group_key: str = ""
    left_out: int = 0  # Alertmanager's `truncatedAlerts`, and what we did not take
    refused: Mapping[int, str] = field(default_factory=dict)  # place in the delivery, why


@dataclass(frozen=True, slots=True)
class AlertReceipt:
    """What became of a delivery. `unchanged` counts repetitions and what came too late."""

    opened: tuple[AlertId, ...]
    resolved: tuple[AlertId, ...]
    unchanged: int
    heartbeats: int = 0


async def no_owners(_ref: WorkloadRef) -> Sequence[WorkloadRef]:
    """Serve where no cluster is configured."""
    return ()


@dataclass(frozen=True, slots=True)
class _Read:
    """One alert of a delivery: its labels without their secrets, and what they name."""

    told: ToldAlert
    labels: Mapping[str, str]
    cluster: str
    naming: Naming


@dataclass(slots=True)
class _Sorted:
    """What became of the alerts of one delivery. Mutable on purpose: it lives inside one call."""

    opened: list[AlertId] = field(default_factory=list)
    resolved: list[AlertId] = field(default_factory=list)
    heartbeats: int = 0


class AlertDesk:
    """Takes deliveries in."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        catalogue: Callable[[], Catalogue],
        redactor: Redactor,
        severity: SeverityTable,
        heartbeats: Heartbeats,
        owners_of: OwnersOf = no_owners,
    ) -> None:
        """`owners_of` names who stands above an object, nearest first; it never raises."""
        self._store, self._clock, self._catalogue = store, clock, catalogue
        self._redactor, self._severity = redactor, severity
        self._heartbeats, self._owners_of = heartbeats, owners_of

    async def receive(self, delivery: Delivery) -> AlertReceipt:
        """Take one delivery in; what cannot be taken is told and holds up nothing else."""
        read = [self._read(each) for each in delivery.alerts]
        owners = await self._owners(read)
        told = [(each.told, self._as_alert(each, owners, delivery)) for each in read]
        done = _Sorted()
        async with self._store.begin() as tx:
            for each, alert in told:
                if self._heartbeats.is_one(each.name):
                    await self._heartbeats.hear(tx, alert, firing=each.firing)
                    done.heartbeats += 1
                else:
                    await self._take(tx, each, alert, done)
            for index, why in delivery.refused.items():
                await self._refuse(tx, index, why)
        changed = len(done.opened) + len(done.resolved) + done.heartbeats
        return AlertReceipt(
            tuple(done.opened), tuple(done.resolved), len(told) - changed, done.heartbeats
        )

    async def _take(self, tx: Transaction, told: ToldAlert, alert: Alert, done: _Sorted) -> None:
        known = await tx.alerts.latest(alert.fingerprint)
        if not told.firing:
            ended = min(told.ends_at or self._clock.now(), self._clock.now())
            if told.starts_at is not None and told.starts_at <= ended:
                unheard = ended_unheard(known, alert, ended)
                if unheard is not None:
                    await tx.alerts.save(unheard)
                    await tx.audit.append(event_of("alert.resolved", unheard, self._clock.now()))
                    return
            if known is None:
                return
            if told.starts_at is None:  # then it began by our clock, maybe ahead of theirs
                ended = max(ended, known.started_at)
            changed = hear_resolved(known, ended)
            if changed is not known:
                await tx.alerts.save(changed)
                await tx.audit.append(event_of("alert.resolved", changed, self._clock.now()))
                done.resolved.append(changed.id)
            return
        heard = hear_again(known, alert) if known is not None else None
        if heard is None or (known is not None and heard.active and not known.active):
            fresh = alert if heard is None else heard
            await tx.alerts.save(fresh)
            await tx.audit.append(event_of("alert.opened", fresh, self._clock.now()))
            done.opened.append(fresh.id)
        elif heard is not known:
            await tx.alerts.save(heard)

    async def _refuse(self, tx: Transaction, index: int, why: str) -> None:
        said = self._redactor.text(why)[:500]
        log.warning("alert.refused", index=index, why=said)
        await tx.audit.append(
            Event(
                kind="alert.refused",
                at=self._clock.now(),
                actor=BOT,
                subject=f"alerts.{index}",
                why=said,
            )
        )

    def _read(self, told: ToldAlert) -> _Read:
        clean = clean_labels(self._redactor, told.labels)
        labels = {k: v for k, v in clean.items() if k != "alertname"}
        cluster = labels.get("cluster", "")
        return _Read(told, labels, cluster, naming_of(labels, cluster))

    async def _owners(self, read: Sequence[_Read]) -> Owners:
        """Ask who owns what fires, all objects together and each once: the sender waits."""
        named = (each.naming.workload for each in read if each.told.firing)
        refs = list(dict.fromkeys(ref for ref in named if ref is not None))
        found = await all_or_none(*(self._owners_of(ref) for ref in refs))
        return dict(zip(refs, found, strict=True))

    def _as_alert(self, read: _Read, owners: Owners, delivery: Delivery) -> Alert:
        told, labels, naming = read.told, read.labels, read.naming
        above = owners.get(naming.workload, ()) if naming.workload is not None else ()
        severity, word = self._severity.of(labels)
        now = self._clock.now()
        subject = naming.workload or naming.place
        return Alert(
            id=AlertId(mint("ALR")),
            name=shortened(self._redactor.text(told.name), LONGEST_LABEL),
            service=service_of(naming, above, self._catalogue(), read.cluster),
            subject=str(subject) if subject is not None else "",
            severity=severity,
            severity_word=word,
            labels=labels_of(labels),
            annotations=labels_of(
                {k: self._redactor.text(v)[:LONGEST_WORDS] for k, v in told.annotations.items()}
            ),
            started_at=min(told.starts_at or now, now),
            heard_at=now,
            generator_url=self._redactor.text(told.generator_url)[:LONGEST_WORDS],
            group_key=self._redactor.text(delivery.group_key)[:LONGEST_WORDS],
            left_out=delivery.left_out,
        )
