"""What people say about anomalies: seen, mute, false alarm; and declaring an incident.

    finding ──acknowledge / false_alarm──> its active anomalies ──┐
    anomaly ──acknowledge_anomaly──────────────────────────────────┴─> row, timeline, post, audit

Whichever door it comes through, one transaction keeps all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.core.ports import Clock, Mute, Store, Transaction
from bot.domain.anomaly import Anomaly, acknowledge, mark_false_alarm
from bot.domain.audit import Event
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, ChannelId, FindingId, IncidentId, UserId
from bot.domain.incident import Incident, Priority, TimelineEntry
from bot.domain.place import Place
from foundation.nearest import nearest
from tools.errors import BadArgumentError
from tools.world import Catalogue, ServiceName

LONGEST_MUTE = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Triage:
    """Keeps what people say about anomalies. Raises NotFoundError for what does not exist."""

    store: Store
    clock: Clock

    async def acknowledge(self, finding_id: FindingId, user: UserId) -> int:
        """Note that a person has seen a finding; returns how many anomalies that changed."""
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            seen = await self._acknowledge(tx, finding, await _anomalies(tx, finding), user)
        return len(seen)

    async def acknowledge_anomaly(self, anomaly_id: AnomalyId, user: UserId) -> Anomaly:
        """Note that a person has seen one anomaly; returns it as it is now. Twice is once."""
        async with self.store.begin() as tx:
            anomaly = await tx.anomalies.get(anomaly_id)
            told = [f for f in await tx.findings.open() if anomaly_id in f.anomalies]
            finding = told[0] if told else None  # a lesser anomaly is kept and never told
            seen = await self._acknowledge(tx, finding, [anomaly], user)
        return seen[0] if seen else anomaly

    async def _acknowledge(
        self, tx: Transaction, finding: Finding | None, anomalies: list[Anomaly], user: UserId
    ) -> list[Anomaly]:
        now = self.clock.now()
        changed = [
            moved
            for anomaly in anomalies
            if anomaly.active and (moved := acknowledge(anomaly, user, now)) != anomaly
        ]
        await self._keep(tx, finding, changed, "anomaly.acknowledged", user, "acknowledged")
        return changed

    async def false_alarm(self, finding_id: FindingId, user: UserId) -> int:
        """Close a finding's anomalies as none; returns how many that were."""
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            now = self.clock.now()
            changed = [
                mark_false_alarm(anomaly, user, now)
                for anomaly in await _anomalies(tx, finding)
                if anomaly.active
            ]
            await self._keep(tx, finding, changed, "anomaly.false_alarm", user, "false alarm")
        return len(changed)

    async def _keep(
        self,
        tx: Transaction,
        finding: Finding | None,
        changed: list[Anomaly],
        kind: str,
        user: UserId,
        word: str,
    ) -> None:
        now = self.clock.now()
        facts = {"finding": finding.id} if finding is not None else {}
        for anomaly in changed:
            await tx.anomalies.save(anomaly)
            await tx.audit.append(Event(kind, now, user, anomaly.id, facts=facts))
        if finding is None:
            return
        if changed and finding.incident is not None:
            entry = TimelineEntry(now, word, "person", user, finding.id)
            await tx.incidents.note(finding.incident, entry)
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
        return mute

    async def declare(self, finding_id: FindingId, user: UserId, tier: int = 2) -> IncidentId:
        """Declare an incident for a finding; the one it has already stays the one."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            if finding.incident is not None:
                return finding.incident
            incident = Incident(
                id=await tx.incidents.next_id(now.year),
                title=finding.lines[0] if finding.lines else finding.service,
                priority=Priority.of(finding.severity, tier),
                service=finding.service,
                declared_at=now,
                declared_by=user,
                place=finding.place or Place(ChannelId("")),
                started_at=finding.opened_at,
            )
            await tx.incidents.save(incident)
            await tx.findings.save(replace(finding, incident=incident.id))
            await tx.outbox.refresh("finding", finding.id)
            facts = {"finding": finding.id, "priority": incident.priority.value}
            await tx.audit.append(Event("incident.declared", now, user, incident.id, facts=facts))
        return incident.id


async def _anomalies(tx: Transaction, finding: Finding) -> list[Anomaly]:
    return [await tx.anomalies.get(each) for each in finding.anomalies]
