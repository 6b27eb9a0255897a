"""What the bot tells of itself: logs and self metrics.

    core ──Event──> on_event ──> counters           structlog ──redact──> JSON lines or console
    store, backends ──collect──> gauges ──> /metrics

Logs and metrics share the words of the audit: dotted past-tense events, ids as fields.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from bot.core.ports import Clock, Store
from bot.domain.audit import Event
from bot.domain.plans.plan import PlanStatus
from bot.domain.secrets.redaction import Redactor
from foundation.hidden import readable
from tools.ports import Health
from tools.world import Severity

_DAY_SECONDS = 86_400
_CYCLE_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
_LAG_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 3, 15)  # from 3 on the watchdog looks at it
LAG_EVERY_SECONDS = 0.5
_LOUD = (
    "aiosqlite",
    "apscheduler",
    "httpx",
    "httpcore",
    "slack_bolt",
    "slack_sdk",
    "alembic",
    "uvicorn.access",
)

# The events that end one action of a plan; the counter's `outcome` is the last word.
OUTCOMES = ("step.succeeded", "step.stopped", "step.failed", "step.unknown")


# --- logs ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How logs are written. `json` None: JSON unless a person watches a terminal."""

    level: str = "INFO"
    json: bool | None = None


def redacting(redactor: Redactor) -> Callable[[Any, str, MutableMapping[str, Any]], Any]:
    """Return the processor that cuts secrets out of every field, stack traces included."""

    def cut(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        cleaned: Mapping[str, Any] = redactor.json(
            {key: _plain(value) for key, value in event.items()}
        )
        return cleaned

    return cut


def _plain(value: Any) -> Any:
    """Return what the redactor can look into; unknown objects as the text they would print."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, bytes):
        return [_plain(v) for v in value]
    return str(value)


def _for_a_terminal(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take out what would colour, hide or overwrite other lines; JSON writes it as escapes."""
    return {k: readable(v) if isinstance(v, str) else v for k, v in event.items()}


def configure_logging(config: LogConfig, redactor: Redactor, stream: TextIO | None = None) -> None:
    """Set up structlog, and the standard library's loggers through it, on standard error."""
    target = stream or sys.stderr
    as_json = not target.isatty() if config.json is None else config.json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redacting(redactor),
    ]
    renderers: list[Any] = (
        [structlog.processors.JSONRenderer(ensure_ascii=False)]
        if as_json
        else [_for_a_terminal, structlog.dev.ConsoleRenderer(colors=target.isatty())]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.level)
    for name in _LOUD:
        logging.getLogger(name).setLevel(logging.WARNING)


# --- self metrics --------------------------------------------------------------------------


class SelfMetrics:
    """The bot's own metrics in a registry of their own."""

    def __init__(self, version: str = "") -> None:
        """Create every metric at once, so that none is absent before its first event."""
        self.registry = registry = CollectorRegistry()
        self.detection = Histogram(
            "sre_agent_detection_duration_seconds", "Duration of one detection cycle",
            buckets=_CYCLE_BUCKETS, registry=registry,
        )  # fmt: skip
        self.anomalies = Gauge(
            "sre_agent_anomalies_active", "Active anomalies", ["severity"], registry=registry
        )
        self.alerts = Gauge(
            "sre_agent_alerts_firing", "Alerts that fire", ["severity"], registry=registry
        )
        self.remediation = Counter(
            "sre_agent_remediation", "Actions of plans that ended", ["action", "outcome"],
            registry=registry,
        )  # fmt: skip
        self.plans = Gauge("sre_agent_plans", "Plans by status", ["status"], registry=registry)
        self.events = Counter(
            "sre_agent_events", "What happened, by kind", ["kind"], registry=registry
        )
        self.job_failures = Counter(
            "sre_agent_job_failures", "Scheduled jobs that failed", ["job"], registry=registry
        )
        self.inbox = Gauge(
            "sre_agent_inbox_backlog", "Acknowledged Slack envelopes that wait", registry=registry
        )
        self.outbox = Gauge(
            "sre_agent_outbox_backlog", "Slack messages that wait to be shown", registry=registry
        )
        self.lag = Histogram(
            "sre_agent_event_loop_lag_seconds", "How late the event loop turned to what was due",
            buckets=_LAG_BUCKETS, registry=registry,
        )  # fmt: skip
        self.usd = Gauge(
            "sre_agent_llm_usd_last_day", "Spent on the model in 24 hours, US dollars",
            registry=registry,
        )  # fmt: skip
        self.tokens = Gauge(
            "sre_agent_llm_tokens_last_day", "Tokens of the model in 24 hours", ["direction"],
            registry=registry,
        )  # fmt: skip
        self.backends = Gauge(
            "sre_agent_backend_up", "1 when a configured backend answers", ["name"],
            registry=registry,
        )  # fmt: skip
        self.degraded = Gauge(
            "sre_agent_backend_degraded", "1 when some of its last calls failed", ["name"],
            registry=registry,
        )  # fmt: skip
        Gauge(
            "sre_agent_build_info", "Always 1; the version is a label", ["version"],
            registry=registry,
        ).labels(version).set(1)  # fmt: skip

    def cycle_finished(self, seconds: float) -> None:
        """Note one detection cycle."""
        self.detection.observe(seconds)

    def job_failed(self, name: str, _error: Exception) -> None:
        """Note a failed scheduled job (`Scheduler.on_failure`)."""
        self.job_failures.labels(name).inc()

    def on_event(self, event: Event) -> None:
        """Count one committed event."""
        self.events.labels(event.kind).inc()
        if event.kind in OUTCOMES:
            action = str(event.facts.get("action", "")) or "unknown"
            outcome = event.kind.partition(".")[2]
            if event.facts.get("undo"):
                outcome = f"undo_{outcome}"
            self.remediation.labels(action, outcome).inc()

    async def collect(self, store: Store, clock: Clock, backends: Sequence[Health]) -> None:
        """Bring the gauges in step with the store and the backends, right before a scrape."""
        from datetime import timedelta

        async with store.begin() as tx:
            active = await tx.anomalies.active()
            firing = await tx.alerts.active()
            plans = await tx.plans.list(tuple(s for s in PlanStatus if not s.ended), limit=1000)
            self.inbox.set(await tx.inbox.backlog())
            self.outbox.set(await tx.outbox.backlog())
            spent = await tx.usage.spent(clock.now() - timedelta(seconds=_DAY_SECONDS))
        for severity in Severity:
            count = sum(a.severity is severity for a in active)
            self.anomalies.labels(severity.value).set(count)
            count = sum(a.severity is severity for a in firing)
            self.alerts.labels(severity.value).set(count)
        for status in (s for s in PlanStatus if not s.ended):
            self.plans.labels(status.value).set(sum(p.status is status for p in plans))
        self.usd.set(spent.usd_micros / 1e6)
        self.tokens.labels("input").set(spent.input_tokens)
        self.tokens.labels("output").set(spent.output_tokens)
        self.backends.clear()  # what was in trouble and is none any more is not named either
        self.degraded.clear()
        for health in backends:
            if health.configured:
                self.backends.labels(health.name).set(1 if health.up else 0)
                self.degraded.labels(health.name).set(1 if health.degraded else 0)


class LoopLag:
    """Tells how late the event loop is: it asks to be called, and notes when it really was."""

    def __init__(self, loop: asyncio.AbstractEventLoop, observe: Callable[[float], None]) -> None:
        """`observe` is told seconds, twice a second."""
        self._loop, self._observe = loop, observe
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look."""
        due = self._loop.time() + LAG_EVERY_SECONDS
        self._next = self._loop.call_at(due, self._called, due)

    def stop(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()

    def _called(self, due: float) -> None:
        self._observe(max(0.0, self._loop.time() - due))
        self.start()
