"""The heartbeat that goes out, so that others notice when it no longer does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tools.backends.webhook import WebhookConfig


@dataclass(frozen=True, slots=True)
class HeartbeatOut:
    """Where it goes and how often (wall time)."""

    webhook: WebhookConfig
    every: timedelta = timedelta(minutes=1)
