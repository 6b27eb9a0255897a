"""How strictly, how often and from how much history is judged."""

from __future__ import annotations

from bot.core.detection.cycle import CycleConfig
from bot.core.detection.learning import LearningConfig
from bot.settings.arguments import configured, converted, hours, seconds
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
        )
    )
