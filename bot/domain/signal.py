"""A signal: what a finding is made of, and what people acknowledge: an anomaly or an alert."""

from __future__ import annotations

from collections.abc import Iterable

from bot.domain.alert import Alert
from bot.domain.anomaly import Anomaly

Signal = Anomaly | Alert


def badness(signal: Signal) -> tuple[int, float, str]:
    """Return what signals are ordered by, the worst first.

    Nobody measured an alert's deviation: among equals it stands behind what was measured.
    """
    sigma = abs(signal.worst.deviation_sigma) if isinstance(signal, Anomaly) else 0.0
    return -signal.severity.rank, -sigma, signal.id


def anomalies_in(signals: Iterable[Signal]) -> list[Anomaly]:
    """Return the anomalies among signals, in their order."""
    return [each for each in signals if isinstance(each, Anomaly)]


def alerts_in(signals: Iterable[Signal]) -> list[Alert]:
    """Return the alerts among signals, in their order."""
    return [each for each in signals if isinstance(each, Alert)]
