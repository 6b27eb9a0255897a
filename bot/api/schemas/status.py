"""How the bot is doing, and the metrics it knows."""

from __future__ import annotations

from datetime import datetime

from bot.api.schemas.common import Out
from bot.api.schemas.health import Dependency
from tools.world import MetricSpec


class StatusOut(Out):
    """How the bot is doing."""

    running: bool
    version: str
    mode: str
    leading: bool
    active_anomalies: int
    firing_alerts: int
    open_findings: int
    plans_waiting: int
    baselines_loaded: int
    last_baseline_update: datetime | None
    last_cycle_at: datetime | None
    metrics_collector_connected: bool
    logs_collector_connected: bool
    cluster_connected: bool
    inbox_backlog: int
    outbox_backlog: int
    halted: str
    halted_by: str
    halted_since: datetime | None
    frozen: str
    not_configured: list[str]
    failing_jobs: dict[str, str]
    backends: list[Dependency]
    now: datetime


class MetricOut(Out):
    """One metric of the catalogue."""

    name: str
    category: str
    query: str
    unit: str
    description: str
    bad_direction: str
    threshold: float | None

    @classmethod
    def of(cls, spec: MetricSpec) -> MetricOut:
        """Tell a metric."""
        return cls(
            name=spec.name,
            category=spec.category,
            query=spec.query,
            unit=spec.unit,
            description=spec.description,
            bad_direction=spec.bad_direction.value,
            threshold=spec.threshold,
        )
