"""One chart as a PNG: the very series that was judged, readable on a phone.

    ChartSpec (plain, picklable) --render_chart, in a worker--> PNG, 1200 × 600

Grey band: expected. Red span: anomalous. Dashed line: threshold. Blue marker: a change.
Dotted line with a pale band: forecast. Hatched: no samples, which is not zero.
"""

from __future__ import annotations

import importlib
import io
import math
import warnings
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from bot.domain.chart import ChartSpec, Line
from tools.units import format_value
from tools.world import Floats

WIDTH_PIXELS, HEIGHT_PIXELS, DPI = 1200, 600, 100
FONTS = ["Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "DejaVu Sans"]
INK, QUIET, RULE = "#1d1c1d", "#616061", "#e4e4e6"
COLOURS = ("#1264a3", "#e8912d", "#2a9d6f", "#8b5cf6", "#c2185b", "#00838f")
BAND, BAD, CHANGE, LIMIT = "#9aa5b1", "#e01e5a", "#4a154b", "#c77700"
MAX_LABELLED = 6  # more lines than this are drawn thin and without a name
EDGE_SECONDS = 1.0
LABEL_HEIGHT = 0.068  # of the axes, one line of a name beside its line
SCALED_UNITS = frozenset(
    {"s", "seconds", "ms", "milliseconds", "ratio", "percentunit", "percent", "%", "bytes", "B"}
)


def zone_of(name: str) -> tuple[tzinfo, str]:
    """Return the time zone and the name to print; UTC for a name nobody knows."""
    try:
        return (ZoneInfo(name), name) if name and name != "UTC" else (UTC, "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC, "UTC"


def render_chart(spec: ChartSpec) -> bytes:
    """Draw the chart and return PNG bytes. Pure and picklable: made to run in a worker."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    fonts = _fonts()
    settings: Any = {
        "font.family": fonts,  # a list of names: only then does matplotlib fall back per letter
        "font.size": 17,
        "axes.unicode_minus": False,
        "hatch.linewidth": 1.0,
        "text.parse_math": False,  # a service or version may hold a dollar sign
    }
    with mpl.rc_context(settings):
        figure = Figure(
            figsize=(WIDTH_PIXELS / DPI, HEIGHT_PIXELS / DPI), dpi=DPI, facecolor="white"
        )
        FigureCanvasAgg(figure)
        top = 0.725 if len(spec.markers) > 1 else 0.765 if spec.markers else 0.8
        axes = figure.add_axes((0.095, 0.13, 0.745, top - 0.13))
        zone, zone_name = zone_of(spec.timezone)
        _titles(figure, spec)
        _draw(axes, spec, zone)
        _axes_style(axes, spec, zone, zone_name)
        buffer = io.BytesIO()
        metadata = {"Software": None, **dict(spec.extra)}
        with warnings.catch_warnings():
            # Without a Chinese font its letters become boxes; a chart with boxes beats none.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(buffer, format="png", dpi=DPI, metadata=metadata)
    return buffer.getvalue()


def _fonts() -> list[str]:
    """Return the wanted fonts that this machine has: a missing one warns for every letter."""
    from matplotlib import font_manager

    known = {entry.name for entry in font_manager.fontManager.ttflist}
    latin = ["DejaVu Sans"]  # ships with matplotlib; Latin, Greek and signs look best in it
    return latin + [name for name in FONTS if name in known and name not in latin]


def _titles(figure: Any, spec: ChartSpec) -> None:
    figure.text(
        0.03, 0.935, _cut(spec.title, 62), fontsize=24, weight="bold", color=INK, va="center"
    )
    if spec.subtitle:
        figure.text(0.03, 0.868, _cut(spec.subtitle, 95), fontsize=17, color=QUIET, va="center")


def _cut(text: str, width: int) -> str:
    """Shorten to a width in Latin letters; a Chinese sign is two wide."""
    used = 0
    for i, letter in enumerate(text):
        used += 2 if ord(letter) > 0x2E7F else 1
        if used > width:
            return f"{text[:i].rstrip()}…"
    return text


def _draw(axes: Any, spec: ChartSpec, zone: tzinfo) -> None:
    labels: list[tuple[float, str, str]] = []
    known = [line for line in spec.lines if np.isfinite(line.values).any()]
    if spec.expected is not None:
        band = spec.expected
        at = _dates(band.times, zone)
        axes.fill_between(at, band.lower, band.upper, color=BAND, alpha=0.28, lw=0, zorder=1)
        if band.center is not None:
            axes.plot(at, band.center, color=BAND, lw=1.6, zorder=2)
            middle = band.center
        else:
            middle = (band.lower + band.upper) / 2
        labels.append((_last(middle), band.label, QUIET))
    for span in spec.spans:
        start, end = span.start.astimezone(zone), span.end.astimezone(zone)
        axes.axvspan(start, end, color=BAD, alpha=0.13, lw=0, zorder=0)
    for i, line in enumerate(known):
        colour = COLOURS[i % len(COLOURS)]
        width = 2.6 if len(known) <= MAX_LABELLED else 1.2
        _hatch_gaps(axes, line, zone)
        axes.plot(
            _dates(line.times, zone),
            line.values,
            color=colour,
            lw=width,
            zorder=4,
            solid_capstyle="round",
            marker="o" if _is_sparse(line.values) else None,
            ms=4,
        )
        if len(known) <= MAX_LABELLED:
            shown = format_value(_last(line.values), spec.unit)
            name = f"{_cut(line.label, 15)}\n{shown}" if line.label else shown
            labels.append((_last(line.values), name, colour))
    if spec.forecast is not None:
        ahead = spec.forecast
        at = _dates(ahead.times, zone)
        axes.fill_between(
            at, ahead.lower, ahead.upper, color=COLOURS[3], alpha=0.16, lw=0, zorder=1
        )
        axes.plot(at, ahead.values, color=COLOURS[3], lw=2.4, ls=(0, (1, 1.2)), zorder=4)
        labels.append((_last(ahead.values), ahead.label, COLOURS[3]))
    _limits(axes, spec, known)
    if spec.threshold is not None:
        axes.axhline(spec.threshold.value, color=LIMIT, lw=2, ls=(0, (6, 3)), zorder=3)
        text = f"{spec.threshold.label} {format_value(spec.threshold.value, spec.unit)}"
        labels.append((spec.threshold.value, text.replace(" ", "\n", 1), LIMIT))
    if known:
        _mark_peak(axes, spec, known, zone)
    else:
        axes.text(
            0.5,
            0.5,
            spec.empty_label,
            transform=axes.transAxes,
            ha="center",
            color=QUIET,
            fontsize=20,
        )
    _markers(axes, spec, zone)
    _right_labels(axes, labels)


def _dates(times: Floats, zone: tzinfo) -> list[datetime]:
    return [datetime.fromtimestamp(float(t), tz=zone) for t in times]


def _last(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else float("nan")


def _is_sparse(values: Floats) -> bool:
    """Whether lone samples between gaps would vanish without a dot."""
    known = np.isfinite(values)
    return bool(known.sum() <= 3 or (known[1:-1] & ~known[:-2] & ~known[2:]).any())


def _hatch_gaps(axes: Any, line: Line, zone: tzinfo) -> None:
    missing = ~np.isfinite(line.values)
    edges = np.flatnonzero(np.diff(np.concatenate(([0], missing.view(np.int8), [0]))))
    for start, end in edges.reshape(-1, 2):
        first = line.times[max(start - 1, 0)]
        last = line.times[min(end, line.times.size - 1)]
        axes.axvspan(
            datetime.fromtimestamp(float(first), tz=zone),
            datetime.fromtimestamp(float(last), tz=zone),
            facecolor="#f4f4f5",
            edgecolor="#c5c5ca",
            hatch="///",
            lw=0,
            zorder=0.5,
        )


def _limits(axes: Any, spec: ChartSpec, known: list[Line]) -> None:
    """Fit everything drawn; a series that is never negative starts at zero when zero is near."""
    parts = [line.values for line in known]
    if spec.expected is not None:
        parts += [spec.expected.lower, spec.expected.upper]
    if spec.forecast is not None:
        parts += [spec.forecast.lower, spec.forecast.upper]
    if spec.threshold is not None:
        parts.append(np.array([spec.threshold.value]))
    values = np.concatenate(parts) if parts else np.array([0.0, 1.0])
    values = values[np.isfinite(values)]
    if values.size == 0:
        values = np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    raw = np.concatenate([line.values for line in known]) if known else values
    if np.nanmin(raw) >= 0 and low < 0.6 * high:
        low = 0.0
    span = (high - low) or abs(high) or 1.0
    axes.set_ylim(low if low == 0 else low - 0.06 * span, high + 0.2 * span)


def _mark_peak(axes: Any, spec: ChartSpec, known: list[Line], zone: tzinfo) -> None:
    """Name the value that is farthest from normal inside the anomalous span."""
    if not spec.spans:
        return
    line = known[0]
    inside = np.zeros(line.times.size, dtype=bool)
    for span in spec.spans:
        inside |= (line.times >= span.start.timestamp() - EDGE_SECONDS) & (
            line.times <= span.end.timestamp() + EDGE_SECONDS
        )
    inside &= np.isfinite(line.values)
    if not inside.any():
        return
    middle = float(np.nanmedian(line.values))
    distance = np.where(inside, np.abs(line.values - middle), -1.0)
    at = int(np.argmax(distance))
    when = datetime.fromtimestamp(float(line.times[at]), tz=zone)
    value = float(line.values[at])
    axes.plot([when], [value], "o", color=BAD, ms=11, mec="white", mew=2, zorder=6)
    share = (line.times[at] - line.times[0]) / max(line.times[-1] - line.times[0], 1.0)
    several_days = line.times[-1] - line.times[0] > 86_400
    clock = f"{when:%m-%d %H:%M}" if several_days else f"{when:%H:%M}"
    axes.annotate(
        f"{format_value(value, spec.unit)} · {clock}",
        (when, value),
        xytext=(-14 if share > 0.5 else 14, 6),
        textcoords="offset points",
        ha="right" if share > 0.5 else "left",
        va="bottom",
        fontsize=17,
        weight="bold",
        color=BAD,
        zorder=7,
        bbox={"facecolor": "white", "alpha": 0.85, "lw": 0, "pad": 2},
    )


def _markers(axes: Any, spec: ChartSpec, zone: tzinfo) -> None:
    """Draw changes as flags on top; neighbours take turns in two rows so that they can be read."""
    for i, marker in enumerate(sorted(spec.markers, key=lambda m: m.at)):
        when = marker.at.astimezone(zone)
        axes.axvline(when, color=CHANGE, lw=2, zorder=5)
        left, right = axes.get_xlim()
        share = (axes.convert_xunits(when) - left) / max(right - left, 1e-9)
        axes.annotate(
            f"▼ {_cut(marker.label, 34)}" if share <= 0.5 else f"{_cut(marker.label, 34)} ▼",
            (when, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if share <= 0.5 else 5, 6 + 20 * (i % 2)),
            textcoords="offset points",
            ha="left" if share <= 0.5 else "right",
            va="bottom",
            fontsize=15,
            color=CHANGE,
            annotation_clip=False,
        )


def _right_labels(axes: Any, labels: list[tuple[float, str, str]]) -> None:
    """Write names beside the ends of their lines, moved apart so that none covers another."""
    low, high = axes.get_ylim()
    placed = sorted((label for label in labels if math.isfinite(label[0])), key=lambda x: x[0])
    positions: list[float] = []
    for value, text, _ in placed:
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        height = LABEL_HEIGHT * (text.count("\n") + 1)
        bottom = positions[-1] if positions else -1.0
        positions.append(max(share + height / 2, bottom + height))
    overflow = (positions[-1] - 1.05) if positions else 0.0
    for (_, text, colour), top in zip(placed, positions, strict=True):
        height = LABEL_HEIGHT * (text.count("\n") + 1)
        axes.text(
            1.015,
            top - max(overflow, 0.0) - height / 2,
            text,
            transform=axes.transAxes,
            color=colour,
            fontsize=16,
            weight="bold",
            va="center",
            linespacing=1.1,
        )


def _axes_style(axes: Any, spec: ChartSpec, zone: tzinfo, zone_name: str) -> None:
    dates: Any = importlib.import_module("matplotlib.dates")  # its functions carry no types
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ticked = spec.unit if spec.unit in SCALED_UNITS else ""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, ticked)))
    if ticked != spec.unit:  # a long unit once, above the axis, instead of at every tick
        axes.text(
            -0.012, 1.03, spec.unit, transform=axes.transAxes, ha="right", fontsize=15, color=QUIET
        )
    locator = dates.AutoDateLocator(minticks=4, maxticks=9, tz=zone)  # 239 min / 30
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=zone, show_offset=False))
    times = [t for line in spec.lines if line.times.size for t in (line.times[0], line.times[-1])]
    if spec.forecast is not None and spec.forecast.times.size:
        times.append(spec.forecast.times[-1])
    if times:
        first, last = min(times), max(times)
        axes.set_xlim(*_dates(np.array([first, max(last, first + 60)]), zone))
        begin, end = _dates(np.array([first, last]), zone)
        days = f"{begin:%Y-%m-%d}" + (f" … {end:%Y-%m-%d}" if end.date() != begin.date() else "")
        axes.figure.text(0.84, 0.03, f"{days}  {zone_name}", ha="right", fontsize=14, color=QUIET)
    axes.tick_params(length=0, labelsize=16, colors=QUIET, pad=7)
    axes.grid(axis="y", color=RULE, lw=1.2)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#bbbbbf")
    if any(not np.isfinite(line.values).all() for line in spec.lines) and any(
        np.isfinite(line.values).any() for line in spec.lines
    ):
        axes.figure.text(0.03, 0.03, f"/// {spec.missing_label}", fontsize=14, color=QUIET)
