"""What a chart shows: plain, picklable, drawn by bot.slack.charts in a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tools.world import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One line: epoch seconds and values with NaN where nothing is known."""

    label: str
    times: Floats
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """What was expected: center with lower and upper edge."""

    times: Floats
    lower: Floats
    upper: Floats
    center: Floats | None = None
    label: str = "expected"


@dataclass(frozen=True, slots=True)
class ShadedSpan:
    """An anomalous stretch, aware UTC."""

    start: datetime
    end: datetime
    label: str = ""


@dataclass(frozen=True, slots=True)
class Marker:
    """A change at one time, aware UTC."""

    at: datetime
    label: str


@dataclass(frozen=True, slots=True)
class Threshold:
    """A static limit in the chart's unit."""

    value: float
    label: str = "threshold"


@dataclass(frozen=True, slots=True, eq=False)
class ForecastBand:
    """A forecast with its interval."""

    times: Floats
    values: Floats
    lower: Floats
    upper: Floats
    label: str = "forecast"


@dataclass(frozen=True, slots=True, eq=False)
class ChartSpec:
    """Everything a chart shows. `unit` as in the metric catalogue, such as s, ms or ratio."""

    title: str
    lines: tuple[Line, ...]
    subtitle: str = ""
    unit: str = ""
    expected: Band | None = None
    threshold: Threshold | None = None
    spans: tuple[ShadedSpan, ...] = ()
    markers: tuple[Marker, ...] = ()
    forecast: ForecastBand | None = None
    timezone: str = "UTC"  # an IANA name; an unknown one falls back to UTC and is shown as UTC
    missing_label: str = "no data"
    empty_label: str = "no samples in this window"
    extra: tuple[tuple[str, str], ...] = field(default=())  # PNG text chunks, e.g. ("query", …)
