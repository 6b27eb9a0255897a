"""From the chunks of an answer to series on one grid, and what has to be said with them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from tools.backends.prometheus.steps import Grid
from tools.world import Floats, Labels, Series, labels_of

Rows = list[dict[str, Any]]
QUIET_SECONDS = 300.0  # Prometheus' own look-back: a series silent for longer has no value now
QUIET_STEPS = 3


def join(promql: str, grids: Sequence[Grid], answers: Sequence[Rows]) -> list[Series]:
    """Put the chunks' samples on one grid; a sample that is absent stays NaN."""
    first, step = grids[0].start, grids[0].step
    points = sum(grid.points for grid in grids)
    times: Floats = first + np.arange(points, dtype=np.float64) * step
    values: dict[Labels, Floats] = {}
    names: dict[Labels, str] = {}
    for rows in answers:
        for row in rows:
            labels = dict(row["metric"])
            name = labels.pop("__name__", "")
            key = labels_of({**labels, "__name__": name})
            target = values.setdefault(key, np.full(points, np.nan))
            names[key] = name
            samples = row.get("values")
            if samples is not None and samples.size:
                index = np.rint((samples[:, 0] - first) / step).astype(int)
                inside = (index >= 0) & (index < points)
                target[index[inside]] = samples[inside, 1]
    return [
        Series(
            metric=names[key] or promql,
            labels=tuple(pair for pair in key if pair[0] != "__name__"),
            times=times,
            values=values[key],
            step_seconds=step,
        )
        for key in sorted(values)
    ]


def remarks(series: Sequence[Series], answers: Sequence[Rows], skew_seconds: float) -> list[str]:
    """Return what a reader of these series must know besides the values."""
    told = []
    infinite = sum(row.get("infinite", 0) for rows in answers for row in rows)
    if infinite:
        told.append(f"{infinite:,} samples were ±Inf (a division by zero?) and count as missing")
    native = sum("histograms" in row for rows in answers for row in rows)
    if native:
        told.append(
            f"{native:,} series are native histograms, which have no single value: ask for "
            "histogram_quantile(0.99, sum(rate(…[5m]))), histogram_count(…) or histogram_avg(…)"
        )
    if not series:
        return told
    known = [each.times[~np.isnan(each.values)] for each in series]
    newest = max((float(times[-1]) for times in known if times.size), default=None)
    if newest is None:
        return [*told, f"none of the {len(series):,} series has a value in the window: all are NaN"]
    end = float(series[0].times[-1])
    quiet = end - newest
    if quiet > max(QUIET_SECONDS, QUIET_STEPS * series[0].step_seconds):
        why = "the series ended, the expression left them out, or the server's clock is behind ours"
        if skew_seconds < -QUIET_SECONDS:
            why = skewed(skew_seconds)
        told.append(
            f"the newest {_span(quiet)} of the window hold no sample (the last is from "
            f"{_stamp(newest)}): {why}"
        )
    return told


def skewed(seconds: float) -> str:
    """Say how far the server's clock is from ours, and what to do."""
    way = "ahead of" if seconds > 0 else "behind"
    return (
        f"its clock is {_span(abs(seconds))} {way} ours, so the newest samples seem missing or "
        "old; synchronise both clocks (NTP)"
    )


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _stamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
