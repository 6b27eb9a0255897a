"""What people say about anomalies and alerts: seen, mute, false alarm; and declaring an incident.

    finding ──acknowledge / false_alarm──> its active signals ──┐
    anomaly ──acknowledge_anomaly────────────────────────────────┴─> row, timeline, post, audit

Whichever door it comes through, one transaction keeps all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.core.ports import Clock, Mute, Store, Transaction
from bot.core.shared import incident_book
from bot.core.shared.incident_book import OnCall, nobody_on_call
from bot.domain import incident as life
from bot.domain.alert import Alert, acknowledge_alert, mark_false_alert
from bot.domain.anomaly import Anomaly, acknowledge, mark_false_alarm
from bot.domain.audit import Event
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, ChannelId, FindingId, IncidentId, UserId
from bot.domain.incident import PartKind, Priority, TimelineEntry
from bot.domain.place import Place
from bot.domain.signal import Signal
from foundation.nearest import nearest
from tools.errors import BadArgumentError
from tools.world import Catalogue, ServiceName

LONGEST_MUTE = timedelta(days=7)


def nowhere(_: ServiceName) -> ChannelId:
    """Return no channel."""
    return ChannelId("")


def _named(mute: Mute) -> str:
    return f"{mute.service} {mute.metric}".strip()


@dataclass(frozen=True, slots=True)
class Triage:
    """Keeps what people say about anomalies. Raises NotFoundError for what does not exist."""

    store: Store
    clock: Clock
    on_call: OnCall = nobody_on_call  # of a service, for what is serious
    channel_of: Callable[[ServiceName], ChannelId] = nowhere  # where a service's findings are told

    async def acknowledge(self, finding_id: FindingId, user: UserId) -> int:
        """Note that a person has seen a finding; returns how many signals that changed."""
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            seen = await self._acknowledge(tx, finding, await _signals(tx, finding), user)
        return len(seen)

    async def acknowledge_anomaly(self, anomaly_id: AnomalyId, user: UserId) -> Anomaly:
        """Note that a person has seen one anomaly; returns it as it is now. Twice is once."""
        async with self.store.begin() as tx:
            anomaly = await tx.anomalies.get(anomaly_id)
            told = [f for f in await tx.findings.open() if anomaly_id in f.anomalies]
            finding = told[0] if told else None  # a lesser anomaly is kept and never told
            await self._acknowledge(tx, finding, [anomaly], user)
            return await tx.anomalies.get(anomaly_id)

    async def _acknowledge(
        self, tx: Transaction, finding: Finding | None, signals: list[Signal], user: UserId
    ) -> list[Signal]:
        now = self.clock.now()
        changed = [
            moved
            for signal in signals
            if signal.active and (moved := _seen(signal, user, now)) != signal
        ]
        await self._keep(tx, finding, changed, "acknowledged", user, "acknowledged")
        return changed

    async def false_alarm(self, finding_id: FindingId, user: UserId) -> int:
        """Close a finding's signals as none; returns how many that were."""
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            now = self.clock.now()
            signals = await _signals(tx, finding)
            changed = [_denied(each, user, now) for each in signals if each.active]
            await self._keep(tx, finding, changed, "false_alarm", user, "false alarm")
        return len(changed)

    async def _keep(
        self,
        tx: Transaction,
        finding: Finding | None,
        changed: list[Signal],
        what: str,
        user: UserId,
        word: str,
    ) -> None:
        now = self.clock.now()
        facts = {"finding": finding.id} if finding is not None else {}
        for signal in changed:
            if isinstance(signal, Alert):
                await tx.alerts.save(signal)
            else:
                await tx.anomalies.save(signal)
            noun = "alert" if isinstance(signal, Alert) else "anomaly"
            await tx.audit.append(Event(f"{noun}.{what}", now, user, signal.id, facts=facts))
        if finding is None:
            return
        if changed and finding.incident is not None:
            entry = TimelineEntry(now, word, "person", user, finding.id)
            await tx.incidents.note(finding.incident, entry)
            if what == "acknowledged":
                await _taken(tx, finding.incident, user, now)
            await incident_book.redraw(tx, finding.incident)
        await tx.outbox.refresh("finding", finding.id)

    async def mute(
        self,
        service: str,
        duration: timedelta,
        user: UserId,
        catalogue: Catalogue,
        metric: str = "",
    ) -> Mute:
        """Silence a service, or one metric of it. Raises BadArgumentError."""
        if service not in catalogue.services:
            raise BadArgumentError(
                f"there is no service {service!r}.{nearest(service, catalogue.services)}"
            )
        if metric and metric not in catalogue.metrics:
            raise BadArgumentError(
                f"there is no metric {metric!r}.{nearest(metric, catalogue.metrics)}"
            )
        if not timedelta(0) < duration <= LONGEST_MUTE:
            raise BadArgumentError(f"a mute lasts up to 7 days, got {duration}")
        now = self.clock.now()
        mute = Mute(ServiceName(service), metric, now + duration, user)
        async with self.store.begin() as tx:
            await tx.mutes.add(mute)
            facts = {"service": service, "metric": metric, "until": mute.until.isoformat()}
            await tx.audit.append(Event("mute.set", now, user, service, facts=facts))
            told = {"service": _named(mute), "by": user, "until": mute.until.isoformat()}
            await self._announce(tx, mute, "mute.told", told)
        return mute

    async def unmute(self, service: str, user: UserId, metric: str = "") -> None:
        """End a mute before its time. Raises BadArgumentError where there is none."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            active = await tx.mutes.active(now)
            mute = next((m for m in active if (m.service, m.metric) == (service, metric)), None)
            if mute is None:
                known = ", ".join(_named(m) for m in active) or "nothing"
                raise BadArgumentError(f"{service!r} is not muted; muted now: {known}")
            await tx.mutes.add(replace(mute, until=now, by=user))
            facts = {"service": service, "metric": metric, "was_until": mute.until.isoformat()}
            await tx.audit.append(Event("mute.ended", now, user, service, facts=facts))
            told = {"service": _named(mute), "by": user}
            await self._announce(tx, replace(mute, until=now), "mute.ended_told", told)

    async def mutes(self) -> list[Mute]:
        """Return the mutes in force."""
        async with self.store.begin() as tx:
            return await tx.mutes.active(self.clock.now())

    async def _announce(
        self, tx: Transaction, mute: Mute, key: str, fields: dict[str, str]
    ) -> None:
        """Say in the channel of a service who silenced it and until when: silence is no secret."""
        channel = self.channel_of(mute.service)
        if channel:
            name = f"{key}:{mute.service}:{mute.metric}:{self.clock.now().isoformat()}"
            body = {"key": key, "fields": fields}
            await tx.outbox.post(name, "notice", mute.service, Place(channel), body)

    async def declare(
        self, finding_id: FindingId, user: UserId, catalogue: Catalogue
    ) -> IncidentId:
        """Declare an incident for a finding; the one it has already stays the one."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            if finding.incident is not None:
                return finding.incident
            incident = await incident_book.of_service(tx, finding.service)
            if incident is None:
                incident = life.declare(
                    await tx.incidents.next_id(now.year),
                    finding.lines[0] if finding.lines else finding.service,
                    Priority.of(finding.severity, catalogue.tier_of(finding.service)),
                    finding.service,
                    Place(finding.place.channel if finding.place else ChannelId("")),
                    at=now,
                    wall=self.clock.wall(),
                    by=user,
                    started_at=finding.opened_at,
                )
                incident = await incident_book.declare(tx, incident, self.on_call)
                await tx.audit.append(incident_book.declared(incident, {"finding": finding.id}))
            await incident_book.attach(tx, incident.id, PartKind.FINDING, finding.id, now)
            await tx.findings.save(replace(finding, incident=incident.id))
            await tx.outbox.refresh("finding", finding.id)
        return incident.id


async def _taken(tx: Transaction, incident_id: IncidentId, user: UserId, at: datetime) -> None:
    """Who acknowledges what was found has the incident, unless another has it."""
    incident = await tx.incidents.held(incident_id)
    if incident.open:
        await tx.incidents.save(life.take(incident, user, at))


async def _signals(tx: Transaction, finding: Finding) -> list[Signal]:
    anomalies = [await tx.anomalies.get(each) for each in finding.anomalies]
    return [*anomalies, *[await tx.alerts.get(each) for each in finding.alerts]]


def _seen(signal: Signal, user: UserId, at: datetime) -> Signal:
    if isinstance(signal, Alert):
        return acknowledge_alert(signal, user, at)
    return acknowledge(signal, user, at)


def _denied(signal: Signal, user: UserId, at: datetime) -> Signal:
    if isinstance(signal, Alert):
        return mark_false_alert(signal, user, at)
    return mark_false_alarm(signal, user, at)
