"""How strictly, how often and from how much history is judged, and what is made of alerts."""

from __future__ import annotations

from bot.core.detection.alert_config import AlertConfig
from bot.core.detection.alert_expiry import ExpiryConfig
from bot.core.detection.alert_severity import SeverityTable
from bot.core.detection.cycle import CycleConfig
from bot.core.detection.heartbeats import HeartbeatConfig
from bot.core.detection.learning import LearningConfig
from bot.settings.arguments import configured, converted, hours, minutes, seconds
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from tools.analysis.detect import DetectorSettings
from tools.errors import BadArgumentError


def detector_settings(document: ConfigDocument) -> DetectorSettings:
    """Return how strict the detector is. Raises ConfigError for an unknown algorithm."""
    section = document.anomaly_detection
    try:
        return DetectorSettings(
            **configured(
                zscore_threshold=section.zscore_threshold,
                mad_threshold=section.mad_threshold,
                ensemble_min_votes=section.ensemble_min_votes,
                algorithms=section.algorithms,
            )
        )
    except BadArgumentError as error:
        raise ConfigError(f"anomaly_detection: {error}") from error


def cycle_config(document: ConfigDocument) -> CycleConfig:
    """Return when a detection cycle begins."""
    section = document.anomaly_detection
    return CycleConfig(**configured(every=converted(seconds, section.check_interval_seconds)))


def learning_config(document: ConfigDocument) -> LearningConfig:
    """Return from how much history baselines are learned, and how often."""
    section = document.baseline
    return LearningConfig(
        **configured(
            min_history_days=section.min_history_days,
            optimal_history_days=section.optimal_history_days,
            every=converted(hours, section.learning_interval_hours),
            holidays=section.holidays,
        )
    )


def alert_config(document: ConfigDocument) -> AlertConfig:
    """Return how alerts are taken in, and when they end."""
    section = document.alerts
    words = {word.strip().lower(): severity for word, severity in (section.severity or {}).items()}
    return AlertConfig(
        severity=SeverityTable(**configured(words=words or None, unknown=section.unknown_severity)),
        expiry=ExpiryConfig(**configured(after=converted(hours, section.expire_after_hours))),
        heartbeats=HeartbeatConfig(
            **configured(
                names=section.heartbeats,
                silent_after=converted(minutes, section.heartbeat_silent_minutes),
            )
        ),
    )
