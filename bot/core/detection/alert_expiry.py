"""Ends alerts that nobody ends: a resolve may never come, or get lost on its way.

    every minute ──not heard of for longer than senders repeat──> over (expired)
                 └─Alertmanager, where one is configured, is asked: still there ──> heard again
                                              twice in a row not there ──> over (gone)

An Alertmanager that does not answer proves nothing. What this bot raised itself is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.core.detection.alert_events import event_of
from bot.core.detection.alert_labels import clean_labels
from bot.core.ports import Clock, Store
from bot.domain.alert import Alert, AlertEnding, end_unheard, fingerprint_of_alert
from bot.domain.secrets.redaction import Redactor
from tools.errors import BackendError
from tools.ports import AlertSource
from tools.world import Labels

SETTLING = timedelta(minutes=5)  # a pair of Alertmanagers takes a while to know the same
LOOKS = 2  # that must miss an alert


@dataclass(frozen=True, slots=True)
class ExpiryConfig:
    """When an alert ends that nobody resolves."""

    after: timedelta = timedelta(hours=25)  # world time: kube-prometheus repeats every 12 h


@dataclass(slots=True)
class AlertExpiry:
    """Ends alerts; one leader calls `tick`."""

    store: Store
    clock: Clock
    redactor: Redactor
    config: ExpiryConfig
    source: AlertSource | None = None
    _missed: dict[str, int] = field(default_factory=dict)  # looks that did not see it, by its id

    async def tick(self) -> int:
        """End what is over; returns how many alerts. Raises BackendError after that."""
        error: BackendError | None = None
        seen: frozenset[str] | None = None
        if self.source is not None:
            try:
                seen = frozenset(map(self._fingerprint, await self.source.firing()))
            except BackendError as found:
                error = found
        ended = await self._end(seen)
        if error is not None:
            raise error
        return ended

    async def _end(self, seen: frozenset[str] | None) -> int:
        now, count = self.clock.now(), 0
        async with self.store.begin() as tx:
            silences = {b.alert for b in await tx.alerts.heartbeats()}
            told = [a for a in await tx.alerts.active() if a.id not in silences]
            for alert in told:
                changed = self._judged(alert, seen)
                if changed is alert:
                    continue
                await tx.alerts.save(changed)
                if not changed.active:
                    await tx.audit.append(event_of("alert.resolved", changed, now))
                    count += 1
        active = {a.id for a in told}
        self._missed = {k: n for k, n in self._missed.items() if k in active}
        return count

    def _judged(self, alert: Alert, seen: frozenset[str] | None) -> Alert:
        now = self.clock.now()
        if seen is not None and alert.fingerprint in seen:
            self._missed.pop(alert.id, None)
            return replace(alert, heard_at=now)
        if seen is not None and now - alert.heard_at >= SETTLING:
            self._missed[alert.id] = self._missed.get(alert.id, 0) + 1
            if self._missed[alert.id] >= LOOKS:
                return end_unheard(alert, now, AlertEnding.GONE)
        if now - alert.heard_at >= self.config.after:
            return end_unheard(alert, now, AlertEnding.EXPIRED)
        return alert

    def _fingerprint(self, labels: Labels) -> str:
        """Return an alert's key as it was taken in: its labels without their secrets."""
        told = clean_labels(self.redactor, dict(labels))
        return fingerprint_of_alert(told.get("alertname", ""), told)
