"""How alerts are taken in, and when they end."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.core.detection.alert_expiry import ExpiryConfig
from bot.core.detection.alert_severity import SeverityTable
from bot.core.detection.heartbeats import HeartbeatConfig


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """What a platform may say of its alerts."""

    severity: SeverityTable = field(default_factory=SeverityTable)
    expiry: ExpiryConfig = field(default_factory=ExpiryConfig)
    heartbeats: HeartbeatConfig = field(default_factory=HeartbeatConfig)
