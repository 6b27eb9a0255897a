"""A heartbeat: an alert that always fires, so that its silence says something is broken.

kube-prometheus calls it Watchdog. As long as it is heard, the whole way from Prometheus' rules to
us works; how often it is repeated is up to the sender and learned from what was heard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.ids import AlertId
from tools.world import Labels

KEPT_GAPS = 5  # pairs of Alertmanagers repeat twice, so one gap alone would mislead
PATIENCE = 3  # usual gaps that may pass


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One heartbeat as it was last heard. Times are world time."""

    key: str  # fingerprint of its name and labels
    name: str
    labels: Labels
    heard_at: datetime
    gaps: tuple[float, ...] = ()  # seconds between the latest deliveries, the newest last
    stopped: bool = False  # it was told resolved: its sender stopped
    alert: AlertId | None = None  # what tells people of its silence

    def due_at(self, least: timedelta, unknown: timedelta) -> datetime:
        """Return when silence begins; `unknown` serves while nobody knows how often it comes."""
        usual = timedelta(seconds=max(self.gaps)) if self.gaps else None
        if self.stopped:
            return self.heard_at
        return self.heard_at + (max(least, PATIENCE * usual) if usual is not None else unknown)


def beat(known: Heartbeat, at: datetime) -> Heartbeat:
    """Hear it again. The gap of a silence that was told is no usual one."""
    gap = (at - known.heard_at).total_seconds()
    gaps = known.gaps if known.alert is not None else (*known.gaps, gap)[-KEPT_GAPS:]
    return replace(known, heard_at=at, gaps=gaps, stopped=False, alert=None)
