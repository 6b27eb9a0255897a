"""Heartbeats: alerts that always fire. Their silence is an alert of our own.

heard ──> the gap since the last time is learned, a silence that was told ends
tick  ──silent for three usual gaps, or told resolved──> alert "… is silent", critical
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.core.detection.alert_events import event_of
from bot.core.ports import Clock, Store, Transaction
from bot.domain.alert import Alert, SeverityWord, hear_resolved
from bot.domain.heartbeat import Heartbeat, beat
from bot.domain.ids import AlertId, mint
from bot.locale import Texts
from tools.world import ServiceName, Severity, labels_of

SERVICE = ServiceName("monitoring")  # where a heartbeat names no service


@dataclass(frozen=True, slots=True)
class HeartbeatConfig:
    """Which alerts are heartbeats, and when their silence is told."""

    names: tuple[str, ...] = ("Watchdog", "DeadMansSwitch")
    silent_after: timedelta = timedelta(minutes=15)  # at least; world time
    unknown_after: timedelta = timedelta(hours=25)  # while nobody knows how often it is repeated


@dataclass(frozen=True, slots=True)
class Heartbeats:
    """Keeps heartbeats."""

    store: Store
    clock: Clock
    texts: Texts
    config: HeartbeatConfig

    def is_one(self, name: str) -> bool:
        """Say whether alerts of this name are heartbeats."""
        return name in self.config.names

    async def hear(self, tx: Transaction, told: Alert, *, firing: bool) -> None:
        """Take one delivery of a heartbeat."""
        now = self.clock.now()
        known = next((b for b in await tx.alerts.heartbeats() if b.key == told.fingerprint), None)
        if not firing:  # Alertmanager calls it resolved when Prometheus stopped sending it
            if known is not None and not known.stopped:
                await tx.alerts.save_heartbeat(replace(known, stopped=True))
            return
        if known is None:
            known = Heartbeat(told.fingerprint, told.name, told.labels, now)
            await tx.alerts.save_heartbeat(known)
            return
        if known.alert is not None:
            ended = hear_resolved(await tx.alerts.get(known.alert), now)
            await tx.alerts.save(ended)
            await tx.audit.append(event_of("alert.resolved", ended, now))
        await tx.alerts.save_heartbeat(beat(known, now))

    async def tick(self) -> int:
        """Tell of every heartbeat that fell silent; returns how many did so now."""
        now, fallen = self.clock.now(), 0
        async with self.store.begin() as tx:
            for known in await tx.alerts.heartbeats():
                due = known.due_at(self.config.silent_after, self.config.unknown_after)
                if known.alert is not None or now < due:
                    continue
                alert = self._silence(known)
                await tx.alerts.save(alert)
                await tx.alerts.save_heartbeat(replace(known, alert=alert.id))
                await tx.audit.append(event_of("alert.opened", alert, now))
                fallen += 1
        return fallen

    def _silence(self, known: Heartbeat) -> Alert:
        now = self.clock.now()
        minutes = round((now - known.heard_at).total_seconds() / 60)
        key = "alert.heartbeat_stopped" if known.stopped else "alert.heartbeat_silent"
        words = self.texts.say(key, name=known.name, minutes=minutes)
        return Alert(
            id=AlertId(mint("ALR")),
            name=self.texts.say("alert.heartbeat_name", name=known.name),
            service=ServiceName(dict(known.labels).get("service", "") or SERVICE),
            subject="",
            severity=Severity.CRITICAL,
            severity_word=SeverityWord("critical"),
            labels=known.labels,
            annotations=labels_of({"summary": words}),
            started_at=known.heard_at,
            heard_at=now,
        )
