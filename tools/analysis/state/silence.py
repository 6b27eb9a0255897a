"""A series that says nothing, where the catalogue calls that an anomaly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tools.world import MetricSpec, Series, Verdict, Vote
from tools.world.conclusions import SILENT

SILENT_SIGMA = 4.0  # HIGH: it is told, and grows no graver by lasting


def silent_verdict(series: Series, spec: MetricSpec, last_seen: float, now: datetime) -> Verdict:
    """Return the verdict of a series whose newest sample is too old.

    `observed` and `expected` are its last known value: nothing is claimed of what it is now.
    """
    known = np.flatnonzero(~np.isnan(series.values))
    last = float(series.values[known[-1]]) if known.size else 0.0
    limit = spec.silent_after or timedelta(0)
    silent_for = now.timestamp() - last_seen
    return Verdict(
        metric=spec.name,
        labels=series.labels,
        service=spec.service_of(series.labels),
        at=now,
        observed=last,
        expected=last,
        deviation_sigma=-SILENT_SIGMA,
        votes=(Vote("silence", silent_for / 60.0, limit.total_seconds() / 60.0, anomalous=True),),
        anomalous=True,
        started_at=datetime.fromtimestamp(last_seen + series.step_seconds, tz=UTC),
        method=SILENT,
        unit=spec.unit or series.unit,
        missing_ratio=series.missing_ratio,
    )
