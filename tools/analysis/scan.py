"""Find anomalies in a recorded window without a baseline: self-calibrated channels.

    values --> level, change, season, novelty, shift      how unusual, each in its own unit
           --> tail score: −log10 of the share of the past at least as unusual (+ excess)
           --> L2 of the channels --> one alarm per event --> AnomalousSpan

Each channel is calibrated against its own past only, so flat, bursty and noisy series need no
tuning of units. Everything up to the tail score is causal; `expected` of a span is the median of
the normal past. When less than `WARM_UP` samples stand before the asked window, calibration uses
the whole series instead, and is then not causal (`calibrated_on` says which).
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from tools.analysis.baseline import DAY, robust_scale, scale_floor
from tools.world import Direction, Floats, Labels, MetricSpec, Series, Severity, sigma_beyond

WARM_UP = 48  # samples before anything can be called unusual
ALARM_SCORE = 5.0  # L2 of up to five tail scores; a round value chosen on recorded series (NAB)
CEILING_HALF_LIFE = 120  # samples until half of a past alarm's height is forgotten
EVENT_GAP_SECONDS = 3600.0  # alarms nearer than this are one event
EDGE_SHARE = 0.5  # a span reaches as far as its score stays above this share of the alarm


@dataclass(frozen=True, slots=True)
class AnomalousSpan:
    """One anomalous stretch of a series; figures are those of its peak."""

    metric: str
    labels: Labels
    start: datetime
    peak: datetime
    end: datetime
    observed: float
    expected: float
    deviation_sigma: float  # signed, robust σ of the normal past: (observed − expected) / spread
    score: float  # combined tail score at the peak; `ALARM_SCORE` is the alarm level
    unit: str = ""
    calibrated_on: str = "past"  # "past" | "window" | "limit": young, judged by its limit alone
    spread: float = 0.0  # one robust σ of the normal past, in the unit of the series

    @property
    def severity(self) -> Severity:
        """Severity by deviation."""
        return Severity.of_deviation(self.deviation_sigma)


def scan(
    series: Series,
    spec: MetricSpec | None = None,
    *,
    since: float | None = None,
    limit: int = 10,
) -> list[AnomalousSpan]:
    """Return the anomalous spans at or after `since` (epoch seconds), most unusual first.

    Give the series with as much history before `since` as there is; it is only calibration.
    """
    known = np.flatnonzero(~np.isnan(series.values))
    if is_young(series, since):
        return _beyond_limit(series, known, spec, since)
    times, values = series.times[known], series.values[known]
    begin = times[0] if since is None else since
    first = int(np.searchsorted(times, begin))
    causal = first >= WARM_UP or (since is None and values.size >= 4 * WARM_UP)
    scores = score_samples(values, times, causal=causal)
    direction = Direction.BOTH if spec is None else spec.bad_direction
    spans = [
        _describe(series, times, values, scores, span, causal=causal)
        for span in _events(scores, times, max(first, WARM_UP if causal else 0))
    ]
    kept = [span for span in spans if _is_bad(span.deviation_sigma, direction)]
    return sorted(kept, key=lambda span: -span.score)[:limit]


def is_young(series: Series, since: float | None = None) -> bool:
    """Say whether a series has too little history to show what is usual for it.

    A window that holds nearly all of a short history would be calibrated on its own trouble.
    """
    known = series.times[~np.isnan(series.values)]
    before = int(np.searchsorted(known, since)) if since is not None else known.size
    return known.size < WARM_UP // 2 or (before < WARM_UP and known.size < 4 * WARM_UP)


def _beyond_limit(
    series: Series, known: npt.NDArray[np.int64], spec: MetricSpec | None, since: float | None
) -> list[AnomalousSpan]:
    """Return the stretch of a young series beyond its limit, from the first sample on."""
    if spec is None or spec.threshold is None:
        return []
    asked = [i for i in known.tolist() if since is None or series.times[i] >= since]
    beyond = [i for i in asked if spec.is_beyond(float(series.values[i]))]
    if not beyond:
        return []
    peak = max(beyond, key=lambda i: spec.share_of_limit(float(series.values[i])) or 0.0)
    observed = float(series.values[peak])
    return [
        AnomalousSpan(
            metric=series.metric,
            labels=series.labels,
            start=_time(series.times[beyond[0]]),
            peak=_time(series.times[peak]),
            end=_time(series.times[beyond[-1]]),
            observed=observed,
            expected=spec.threshold,
            deviation_sigma=sigma_beyond(spec, observed),
            score=ALARM_SCORE,
            unit=series.unit,
            calibrated_on="limit",
        )
    ]


def score_samples(values: Floats, times: Floats, *, causal: bool = True) -> Floats:
    """Return the combined tail score of every sample, ≥ 0; values must be known (no NaN)."""
    step = float(np.median(np.diff(times))) if times.size > 1 else 60.0
    total = np.zeros(values.size)
    for channel in _channels(values, step):
        calibrate = _tail_scores if causal else _tail_scores_of_all
        total += calibrate(channel) ** 2
    return np.sqrt(total)


def _rolling(values: Floats, width: int) -> Floats:
    """Return windows [i − width, i) before each sample, NaN where the series had not begun."""
    padded = np.concatenate((np.full(width, np.nan), values[:-1]))
    return np.lib.stride_tricks.sliding_window_view(padded, width)[: values.size]


def _past_median(values: Floats, width: int) -> Floats:
    windows = _rolling(values, width)
    result = values.copy()
    result[width:] = np.median(windows[width:], axis=1)
    for i in range(1, min(width, values.size)):
        result[i] = np.median(values[:i])
    return result


def _channels(values: Floats, step: float) -> list[Floats]:
    """Return non-conformity per channel; NaN where a channel has nothing to say yet."""
    floor = scale_floor(values[:WARM_UP]) * 0.1  # from the beginning only: nothing looks ahead
    short = 5 if step <= 300 else 3  # half an hour at 5 min; longer windows are useless at 1 h
    day = max(round(DAY / step), 2)
    width = int(np.clip(day // 2, 24, 288))
    judged = values.copy()
    if step <= 60:
        judged[2:] = np.median(np.stack((values[2:], values[1:-1], values[:-2])), axis=0)
    center = _past_median(judged, min(width, max(values.size // 2, 2)))
    level = np.abs(judged - center)
    change = np.abs(np.diff(judged, prepend=judged[0]))
    novelty = _novelty(judged)
    recent = _past_median(np.append(judged, judged[-1]), short)[1:]
    shift = np.abs(recent - center)
    channels = [level, change, novelty, shift]
    if values.size >= 2.5 * day:
        channels.append(_analog(judged, day))
    return [np.where(np.isnan(c), np.nan, np.maximum(c - floor, 0.0)) for c in channels]


def _novelty(values: Floats) -> Floats:
    """Return how far each value lies outside everything before it."""
    high = np.maximum.accumulate(values)
    low = np.minimum.accumulate(values)
    result = np.zeros(values.size)
    result[1:] = np.maximum(values[1:] - high[:-1], 0) + np.maximum(low[:-1] - values[1:], 0)
    return result


def _analog(values: Floats, day: int) -> Floats:
    """Return the distance to the nearest of the analogs one, two, three and seven days ago."""
    best = np.full(values.size, np.nan)
    for lag in (day, 2 * day, 3 * day, 7 * day):
        for shift in (-1, 0, 1):
            back = lag + shift
            if back <= 0 or back >= values.size:
                continue
            distance = np.full(values.size, np.nan)
            distance[back:] = np.abs(values[back:] - values[:-back])
            best = np.fmin(best, distance)
    return best


def _tail_scores(channel: Floats) -> Floats:
    """Return −log10 of the share of the past at least as large, plus its excess."""
    past: list[float] = []
    result = np.zeros(channel.size)
    for i, value in enumerate(channel.tolist()):
        if value != value:  # noqa: PLR0124 - NaN
            continue
        n = len(past)
        if n >= WARM_UP and value > 0:
            above = n - bisect.bisect_left(past, value)
            result[i] = -np.log10((above + 1) / (n + 1)) + _excess(value, past[-1])
        bisect.insort(past, value)
    return result


def _tail_scores_of_all(channel: Floats) -> Floats:
    """Return the same against all other samples of the series."""
    known = np.flatnonzero(~np.isnan(channel))
    ordered = np.sort(channel[known])
    result = np.zeros(channel.size)
    if known.size < WARM_UP // 2:
        return result
    above = ordered.size - np.searchsorted(ordered, channel[known], side="left")
    typical = float(np.quantile(ordered, 0.98))
    excess = np.array([_excess(float(v), typical) for v in channel[known]])
    result[known] = np.where(channel[known] > 0, -np.log10(above / (ordered.size + 1)) + excess, 0)
    return result


def _excess(value: float, maximum: float) -> float:
    """Return what exceeding the past maximum adds: one for each doubling, at most two."""
    if value <= maximum:
        return 0.0
    return 2.0 if maximum <= 0 else float(min(np.log2(value / maximum), 2.0))


def _events(scores: Floats, times: Floats, first: int) -> list[tuple[int, int, int]]:
    """Return (start, peak, end) of the alarms: a past alarm leaves a ceiling that decays."""
    ceiling, decay = 0.0, 0.5 ** (1 / CEILING_HALF_LIFE)
    events: list[tuple[int, int, int]] = []
    for i in range(first, scores.size):
        ceiling *= decay
        if scores[i] < max(ALARM_SCORE, ceiling):
            continue
        ceiling = float(scores[i])
        if events and times[i] - times[events[-1][2]] <= EVENT_GAP_SECONDS:
            start, peak, _ = events[-1]
            events[-1] = (start, i if scores[i] > scores[peak] else peak, i)
        else:
            events.append((i, i, i))
    return [_widen(scores, event, first) for event in events]


def _widen(scores: Floats, event: tuple[int, int, int], first: int) -> tuple[int, int, int]:
    start, peak, end = event
    while start > first and scores[start - 1] >= EDGE_SHARE * ALARM_SCORE:
        start -= 1
    while end + 1 < scores.size and scores[end + 1] >= EDGE_SHARE * ALARM_SCORE:
        end += 1
    return start, peak, end


def _describe(
    series: Series,
    times: Floats,
    values: Floats,
    scores: Floats,
    span: tuple[int, int, int],
    *,
    causal: bool,
) -> AnomalousSpan:
    start, peak, end = span
    step = series.step_seconds
    before = values[:start] if causal else np.delete(values, np.arange(start, end + 1))
    day = max(round(DAY / step), 1)
    local = before[-max(WARM_UP, day // 2) :]
    around = float(np.median(local)) if local.size else float(np.median(values))
    center = _usual_at(peak, values, start, day, around)[0]
    farthest = start + int(np.argmax(np.abs(values[start : end + 1] - center)))
    center, rhythmic = _usual_at(farthest, values, start, day, around)
    if rhythmic:
        lagged = before[day:] - before[:-day] if before.size > day else before
        sigma = robust_scale(lagged) / np.sqrt(2)
    else:
        sigma = robust_scale(before)
    # Bursty series have a tiny MAD; half their clipped deviation keeps σ meaningful.
    sigma = max(sigma, 5 * scale_floor(before))
    return AnomalousSpan(
        metric=series.metric,
        labels=series.labels,
        start=_time(times[start]),
        peak=_time(times[farthest]),
        end=_time(times[end]),
        observed=float(values[farthest]),
        expected=center,
        deviation_sigma=float((values[farthest] - center) / sigma),
        score=float(scores[peak]),
        unit=series.unit,
        calibrated_on="past" if causal else "window",
        spread=float(sigma),
    )


def _usual_at(
    at: int, values: Floats, start: int, day: int, otherwise: float
) -> tuple[float, bool]:
    """Return the median of the same clock time on past days, and whether three were known."""
    analogs = [values[at - k * day] for k in range(1, 8) if 0 <= at - k * day < start]
    return (float(np.median(analogs)), True) if len(analogs) >= 3 else (otherwise, False)


def _is_bad(sigma: float, direction: Direction) -> bool:
    if direction is Direction.BOTH:
        return True
    return sigma > 0 if direction is Direction.UP else sigma < 0


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), tz=UTC)
