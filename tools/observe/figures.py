"""Figures of a series: what stands in a summary and, to the digit, in its payload."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tools.observe.asking import stamp
from tools.world import Series

MAX_SKETCH = 40  # points
KEPT_POINTS = 100_000  # samples of one answer in the evidence: about 3.5 MB of JSON
SECONDS = {"seconds", "second", "s"}
RATIOS = {"ratio"}
PERCENTS = {"percent", "%"}
BYTES = {"bytes", "byte"}
_STEPS = ("B", "KiB", "MiB", "GiB", "TiB")


def show(value: float | None, unit: str) -> str:
    """Return a value as a person reads it: 240 ms, 3.1 %, 1.5 GiB, 120 requests/s."""
    if value is None or not math.isfinite(value):
        return "no data"
    if unit in SECONDS:
        return f"{value * 1000:.4g} ms" if abs(value) < 1 else f"{value:.4g} s"
    if unit in RATIOS:
        return f"{value * 100:.4g} %"
    if unit in PERCENTS:
        return f"{value:.4g} %"
    if unit in BYTES:
        power = 0
        while abs(value) >= 1024 and power < len(_STEPS) - 1:
            value, power = value / 1024, power + 1
        return f"{value:.4g} {_STEPS[power]}"
    return f"{value:.5g} {unit}".rstrip()


def change(now: float, before: float) -> str:
    """Return a relative change: +35 %, −12 %, or a factor when it more than doubled."""
    if not (math.isfinite(now) and math.isfinite(before)) or before == 0:
        return "no comparison"
    factor = now / before
    if factor >= 2:
        return f"×{factor:.2g}"
    return f"{(factor - 1) * 100:+.3g} %".replace("-", "−")


@dataclass(frozen=True, slots=True)
class Figures:
    """Statistics of one series over one window; NaN where there is no data."""

    latest: float
    mean: float
    median: float
    low: float
    low_at: str
    high: float
    high_at: str
    missing_ratio: float
    samples: int

    @classmethod
    def of(cls, series: Series) -> Figures:
        """Return the statistics of the known samples."""
        known = np.flatnonzero(~np.isnan(series.values))
        if known.size == 0:
            nothing = math.nan
            return cls(nothing, nothing, nothing, nothing, "", nothing, "", 1.0, 0)
        values = series.values[known]
        lowest, highest = int(known[values.argmin()]), int(known[values.argmax()])
        return cls(
            latest=float(values[-1]),
            mean=float(values.mean()),
            median=float(np.median(values)),
            low=float(values.min()),
            low_at=stamp(series.at(lowest)),
            high=float(values.max()),
            high_at=stamp(series.at(highest)),
            missing_ratio=series.missing_ratio,
            samples=int(known.size),
        )

    def reaching(self, low: tuple[float, str] | None, high: tuple[float, str] | None) -> Figures:
        """Return the same figures with what lies further out between the samples, and when."""
        found = self
        if low is not None and (not found.samples or low[0] < found.low):
            found = replace(found, low=low[0], low_at=low[1])
        if high is not None and (not found.samples or high[0] > found.high):
            found = replace(found, high=high[0], high_at=high[1])
        return found

    @property
    def moves(self) -> bool:
        """Whether any two samples differ."""
        return self.samples > 0 and self.low != self.high

    def sentence(self, unit: str) -> str:
        """Return the statistics in one line."""
        if not self.samples:
            return "no data in the window"
        gaps = f", {self.missing_ratio * 100:.3g} % missing" if self.missing_ratio > 0.02 else ""
        if not self.moves:
            return f"{show(self.latest, unit)} throughout{gaps}"
        return (
            f"latest {show(self.latest, unit)}; median {show(self.median, unit)}; "
            f"min {show(self.low, unit)} at {self.low_at}; "
            f"max {show(self.high, unit)} at {self.high_at}{gaps}"
        )

    def payload(self, unit: str) -> dict[str, Any]:
        """Return the same figures as JSON, raw and as shown."""
        raw = {"latest": self.latest, "mean": self.mean, "median": self.median}
        raw |= {"min": self.low, "max": self.high}
        return {
            **{name: number(value) for name, value in raw.items()},
            "min_at": self.low_at,
            "max_at": self.high_at,
            "missing_ratio": round(self.missing_ratio, 4),
            "missing_percent": f"{self.missing_ratio * 100:.3g}",
            "samples": self.samples,
            "shown": {name: show(value, unit) for name, value in raw.items()},
        }


def number(value: float) -> float | None:
    """Return a float JSON can hold; NaN and infinity become null."""
    return value if math.isfinite(value) else None


def sketch(series: Series, points: int = MAX_SKETCH) -> list[tuple[str, float | None]]:
    """Return at most `points` (time, mean of the piece) pairs, oldest first."""
    if series.values.size == 0:
        return []
    result: list[tuple[str, float | None]] = []
    for piece in np.array_split(np.arange(series.values.size), min(points, series.values.size)):
        values = series.values[piece]
        known = values[~np.isnan(values)]
        mean = float(f"{known.mean():.4g}") if known.size else None
        result.append((stamp(series.at(int(piece[-1]))), mean))
    return result


def sketch_line(pairs: list[tuple[str, float | None]]) -> str:
    """Return a sketch as one line: the first and last time, and the values between."""
    if not pairs:
        return ""
    values = " ".join("-" if value is None else f"{value:g}" for _, value in pairs)
    return f"{pairs[0][0]} … {pairs[-1][0]}: {values}"


def points(series: Series, every: int = 1) -> list[list[float | None]]:
    """Return every sample, or every n-th, as [epoch seconds, value or null]."""
    return [
        [float(at), number(float(value))]
        for at, value in zip(series.times[::every], series.values[::every], strict=True)
    ]


def thinned(found: Iterable[Series]) -> tuple[int, str]:
    """Return which n-th sample evidence keeps of an answer, and how a summary says so."""
    total = sum(each.values.size for each in found)
    every = max(1, math.ceil(total / KEPT_POINTS))
    if every == 1:
        return 1, ""
    return every, (
        f"{total:,} samples: the statistics use all, the evidence keeps one of {every}; a shorter "
        "window or one service shows each"
    )


def cut(series: Series, start: float, end: float) -> Series:
    """Return the samples with start ≤ time ≤ end."""
    keep = (series.times >= start) & (series.times <= end)
    return Series(
        series.metric,
        series.labels,
        series.times[keep],
        series.values[keep],
        series.step_seconds,
        series.unit,
    )


def named(series: Series) -> str:
    """Return the labels of a series for a person."""
    return ", ".join(f"{name}={value}" for name, value in series.labels) or "(no labels)"
