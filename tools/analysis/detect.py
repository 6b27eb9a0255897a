"""Is a series abnormal? Voters score it against its baseline; enough votes make a verdict.

    Series + Baseline --residual--> zscore ----+
                     local noise --> mad ------+--> votes --(≥ min_votes)--> Verdict
    rows of one service --> isolation_forest --+

A *residual* is observed − expected. `badness` is the residual in σ, positive in the bad direction.
A change must be material as well: see `_is_material`.
Without a baseline the metric's static threshold decides and σ is measured from the last hours.
At steps up to a minute the median of the last three samples is judged: one wild sample is noise.
For an anomaly in a recorded window without a baseline see `tools.analysis.scan`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from foundation.nearest import nearest
from tools.analysis.baseline import MAD_TO_SIGMA, expected, robust_scale, scale_floor
from tools.analysis.forest import grown
from tools.errors import BadArgumentError
from tools.world import (
    Baseline,
    Direction,
    Floats,
    MetricSpec,
    Series,
    Verdict,
    Vote,
    sigma_beyond,
)
from tools.world.conclusions import UNJUDGED

Marks = npt.NDArray[np.bool_]
SMOOTHED_STEP_SECONDS = 60.0  # longer steps are judged sample by sample
MAD_FACTOR = 0.6745  # Iglewicz and Hoaglin: makes the score one σ of a normal distribution
REFERENCE_GAP_SECONDS = 1800.0  # the newest half hour is never its own reference
FOREST_AGE_SECONDS = 1800.0  # a forest serves so long: its reference moves on in such steps
FOREST_REFERENCE_SECONDS = 10_200.0  # what it is grown on; with gap and age less than four hours
NOISE_SECONDS = 4 * 3600.0  # how far back the local noise is measured
RUN_GAP = 2  # so many normal samples do not end an abnormal run
MATERIAL_SHARE = 0.25  # of the way from expected to the catalogued limit
MOST_SIGMAS = 99.0
FOREST_MIN_ROWS = 60
NEAR_A_VOTE = 0.95  # of the lowest threshold of the other voters


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """How strict the detector is; names as in `config.yaml: anomaly_detection`."""

    zscore_threshold: float = 3.0  # σ
    mad_threshold: float = 3.5  # modified z-score
    ensemble_min_votes: int = 2
    algorithms: tuple[str, ...] = ("zscore", "mad", "isolation_forest")

    def __post_init__(self) -> None:
        """Refuse unknown algorithms and more votes than voters."""
        for name in self.algorithms:
            if name not in VOTERS:
                raise BadArgumentError(f"unknown algorithm {name!r}.{nearest(name, VOTERS)}")
        if not 1 <= self.ensemble_min_votes <= len(self.algorithms):
            raise BadArgumentError(
                f"ensemble_min_votes {self.ensemble_min_votes!r} must lie between 1 and the "
                f"number of algorithms ({len(self.algorithms)})"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """One series seen against what is normal for it; arrays are as long as the series."""

    values: Floats  # as judged (smoothed at short steps)
    center: Floats
    scale: Floats  # σ per sample, never 0
    badness: Floats  # σ in the bad direction
    series: Series  # as it was read
    forest: Floats  # isolation score beyond its own quantile, NaN when there was no forest

    @property
    def noise(self) -> float:
        """σ of the local noise, from differences."""
        return local_noise(self.series)


Voter = Callable[[Residuals, DetectorSettings], tuple[Floats, float]]


def _zscore(seen: Residuals, settings: DetectorSettings) -> tuple[Floats, float]:
    """|x − expected| / learned σ of the slot."""
    return seen.badness, settings.zscore_threshold


def _mad(seen: Residuals, settings: DetectorSettings) -> tuple[Floats, float]:
    """0.6745·|x − expected| / MAD, where the MAD is at least that of the local noise.

    A night that is noisier than the history widens the MAD, a drift does not: the noise is
    measured on differences.
    """
    mad = np.maximum(seen.scale, seen.noise) / MAD_TO_SIGMA
    return MAD_FACTOR * seen.badness * seen.scale / mad, settings.mad_threshold


def _forest(seen: Residuals, _settings: DetectorSettings) -> tuple[Floats, float]:
    """Isolation Forest over the metrics of the service, in units of its own 98 % quantile."""
    return seen.forest, 1.0


VOTERS: Mapping[str, Voter] = MappingProxyType(
    {"zscore": _zscore, "mad": _mad, "isolation_forest": _forest}
)


def smooth(values: Floats, step_seconds: float) -> Floats:
    """Return the causal median of three known samples at short steps, else the values."""
    if step_seconds > SMOOTHED_STEP_SECONDS or values.size == 0:
        return values
    known = np.flatnonzero(~np.isnan(values))
    result = values.copy()
    if known.size > 2:
        dense = values[known]
        stacked = np.stack((dense[2:], dense[1:-1], dense[:-2]))
        result[known[2:]] = np.median(stacked, axis=0)
    return result


def local_noise(series: Series) -> float:
    """Return σ of the noise between neighbours over the hours before the newest half hour."""
    newest = float(series.times[-1]) if series.times.size else 0.0
    age = newest - series.times
    part = series.values[(age > REFERENCE_GAP_SECONDS) & (age <= NOISE_SECONDS)]
    part = smooth(part, series.step_seconds)
    differences = np.diff(part)
    if np.count_nonzero(~np.isnan(differences)) < 10:
        return 0.0
    return robust_scale(differences) / math.sqrt(2.0)


def _bad_sign(residual: Floats, direction: Direction) -> Floats:
    if direction is Direction.BOTH:
        return np.abs(residual)
    return residual if direction is Direction.UP else -residual


def residuals(series: Series, baseline: Baseline | None, spec: MetricSpec) -> Residuals:
    """See a series against its baseline, or against its own last hours when there is none."""
    values = smooth(series.values, series.step_seconds)
    if baseline is not None:
        center, scale = expected(baseline, series.times)
    else:
        older = series.values[: _reference_end(series)]
        older = older[~np.isnan(older)]
        middle = float(np.median(older)) if older.size else float("nan")
        sigma = max(robust_scale(older), scale_floor(older))
        center = np.full(values.size, middle)
        scale = np.full(values.size, sigma)
    badness = _bad_sign(values - center, spec.bad_direction) / scale
    blank = np.full(values.size, np.nan)
    return Residuals(values, center, scale, badness, series, blank)


def _reference_end(series: Series) -> int:
    """Return how many leading samples serve as reference: all but the newest half hour."""
    if series.times.size == 0:
        return 0
    end = int(np.searchsorted(series.times, series.times[-1] - REFERENCE_GAP_SECONDS))
    return max(end, series.times.size // 2)


def score_service(
    observed: Sequence[tuple[Series, Baseline | None, MetricSpec]],
    settings: DetectorSettings | None = None,
    asked: int | None = None,
) -> list[Verdict]:
    """Judge the newest sample of every metric of one service; the metrics vote together.

    The Isolation Forest needs at least two metrics with baselines on the same grid; without
    them it abstains. Series without a known sample give no verdict. With `asked` only the first
    so many are judged; the others stand beside them in the forest.
    """
    chosen = settings or DetectorSettings()
    seen = [residuals(series, baseline, spec) for series, baseline, spec in observed]
    if "isolation_forest" in chosen.algorithms and _forest_matters(seen[:asked], chosen):
        seen = _with_forest(observed, seen, chosen, len(seen) if asked is None else asked)
    verdicts: list[Verdict] = []
    for (series, baseline, spec), each in list(zip(observed, seen, strict=True))[:asked]:
        verdict = _judge(series, each, baseline, spec, chosen)
        if verdict is not None:
            verdicts.append(verdict)
    return verdicts


def _forest_matters(seen: Sequence[Residuals], settings: DetectorSettings) -> bool:
    """Whether a forest's vote could decide: it cannot where nobody else votes on the newest.

    Growing a forest costs more than all other voters of a service together.
    """
    if settings.ensemble_min_votes == 1:
        return True
    # both other scores are the badness or less, but for MAD's rounded factor
    limit = NEAR_A_VOTE * min(settings.zscore_threshold, settings.mad_threshold)
    newest = (each.badness[~np.isnan(each.badness)][-1:] for each in seen)
    return any(bool((values > limit).any()) for values in newest)


def _forest_reference(times: Floats) -> Marks:
    """Mark what a forest is grown on: nearly three hours before the newest half hour.

    Both ends move only every half hour, so that the same forest serves as long. A short window
    gives at least its older half.
    """
    newest = float(times[-1])
    end = newest - newest % FOREST_AGE_SECONDS - REFERENCE_GAP_SECONDS
    marks: Marks = np.asarray((times > end - FOREST_REFERENCE_SECONDS) & (times <= end))
    if times[0] > end - FOREST_REFERENCE_SECONDS:
        marks[: times.size // 2] = True
    return marks


def _with_forest(
    observed: Sequence[tuple[Series, Baseline | None, MetricSpec]],
    seen: Sequence[Residuals],
    settings: DetectorSettings,
    asked: int,
) -> list[Residuals]:
    result = list(seen)
    grids: dict[bytes, list[int]] = {}
    for index, (series, baseline, _) in enumerate(observed):
        if baseline is not None:
            grids.setdefault(series.times.tobytes(), []).append(index)
    for members in grids.values():
        mine = [i for i in members if i < asked]
        if len(members) < 2 or not mine:
            continue
        # A forest draws columns by number: in whatever order they come, it must be the same one.
        members.sort(key=lambda i: (observed[i][2].name, observed[i][0].labels))
        rows = np.stack([seen[i].badness for i in members], axis=1)
        complete: Marks = np.asarray(~np.isnan(rows).any(axis=1))
        reference = rows[complete & _forest_reference(observed[members[0]][0].times)]
        if reference.shape[0] < FOREST_MIN_ROWS:
            continue
        wanted = complete & _may_decide([seen[i] for i in mine], settings)
        column = np.full(rows.shape[0], np.nan)
        column[wanted] = grown(reference).scores(rows[wanted])
        for i in mine:
            result[i] = replace(seen[i], forest=column)
    return result


def _may_decide(seen: Sequence[Residuals], settings: DetectorSettings) -> Marks:
    """Mark the samples whose verdict the forest's vote may decide, and the newest, for its story.

    It never stands alone where two votes are asked for, and no other voter sees below its limit.
    """
    marks: Marks = np.zeros(seen[0].values.size, dtype=bool)
    limit = min(settings.zscore_threshold, settings.mad_threshold)
    for each in seen:
        known = np.flatnonzero(~np.isnan(each.badness))
        marks[known[-1:]] = True
        with np.errstate(invalid="ignore"):
            marks |= each.badness > (limit if settings.ensemble_min_votes > 1 else 0.0)
    return marks


def _run_starts(abnormal: Marks, raw: Marks) -> npt.NDArray[np.int64]:
    """Return for each index where its abnormal run began; short normal gaps do not end a run.

    `raw` marks unsmoothed samples beyond the threshold: the median of three lags by one sample,
    so a run is led back over those directly before it.
    """
    starts = np.arange(abnormal.size)
    start, quiet = -1, RUN_GAP + 1
    for i, bad in enumerate(abnormal.tolist()):
        if bad:
            if quiet > RUN_GAP:
                start = i
                while start > max(i - 2, 0) and raw[start - 1]:
                    start -= 1
            quiet = 0
            starts[i] = start
        else:
            quiet += 1
    return starts


def _judge(
    series: Series,
    seen: Residuals,
    baseline: Baseline | None,
    spec: MetricSpec,
    settings: DetectorSettings,
) -> Verdict | None:
    """Judge the newest known sample; None when there is none."""
    known = np.flatnonzero(~np.isnan(seen.values))
    if known.size == 0:
        return None
    if baseline is None:
        columns = [_static_column(seen, spec)]
        needed = 1
        with np.errstate(invalid="ignore"):
            abnormal = columns[0][3]
        raw = abnormal
    else:
        columns = []
        for name in settings.algorithms:
            scores, threshold = VOTERS[name](seen, settings)
            columns.append((name, scores, threshold, np.nan_to_num(scores, nan=-1) > threshold))
        # An algorithm that abstains (no forest) must not make agreement impossible.
        needed = settings.ensemble_min_votes
        abnormal = np.sum([column[3] for column in columns], axis=0) >= needed
        unsmoothed = _bad_sign(series.values - seen.center, spec.bad_direction) / seen.scale
        raw = np.nan_to_num(unsmoothed, nan=0.0) > settings.zscore_threshold
    if baseline is not None:
        # A row is isolated for its service as a whole: this metric counts only if it is bad itself.
        abnormal = abnormal & (seen.badness > 0) & _is_material(seen, spec)
    abnormal = abnormal[known]
    start = _run_starts(abnormal, raw[known])[-1]
    at, bad = int(known[-1]), bool(abnormal[-1])
    expected, sigma = _expected(seen, at, baseline, spec, abnormal=bad)
    # The median of three lags by a sample: what is bad by itself is told as it is now.
    newest = float(series.values[at])
    is_over = spec.is_beyond(newest) if baseline is None else bool(raw[at])
    return Verdict(
        metric=spec.name,
        labels=series.labels,
        service=spec.service_of(series.labels),
        at=_time(series.times[at]),
        observed=newest if bad and is_over else float(seen.values[at]),
        expected=expected,
        deviation_sigma=sigma,
        votes=tuple(
            Vote(name, float(scores[at]), float(threshold), bool(marks[at]))
            for name, scores, threshold, marks in columns
            if not np.isnan(scores[at])
        ),
        anomalous=bad,
        started_at=_time(series.times[known[start]]),
        method=_method(baseline, spec),
        unit=spec.unit or series.unit,
        missing_ratio=series.missing_ratio,
        limit=None if baseline is not None else spec.threshold,
    )


def _method(baseline: Baseline | None, spec: MetricSpec) -> str:
    if baseline is not None:
        return "baseline"
    return "static" if spec.threshold is not None else UNJUDGED


def _expected(
    seen: Residuals, at: int, baseline: Baseline | None, spec: MetricSpec, *, abnormal: bool
) -> tuple[float, float]:
    """Return what is expected of a sample and its deviation in σ; of a young series by its limit.

    Its own few hours cannot say what is usual: trouble may be all that they have seen.
    """
    value, center = float(seen.values[at]), float(seen.center[at])
    own = 0.0 if math.isnan(center) else _sigmas(value - center, seen.scale[at])
    if baseline is not None:
        return center, own
    if abnormal and spec.threshold is not None:
        beyond = sigma_beyond(spec, value)
        if math.isnan(center) or spec.is_beyond(center):
            return spec.threshold, beyond
        return center, max(own, beyond, key=abs)
    return (value, 0.0) if math.isnan(center) else (center, own)


def _sigmas(residual: float, scale: float) -> float:
    """Return a residual in σ, cut at ±99: a series that never moved has no scale worth more."""
    return max(-MOST_SIGMAS, min(MOST_SIGMAS, residual / float(scale)))


def _is_material(seen: Residuals, spec: MetricSpec) -> np.ndarray:
    """Say per sample whether the change matters to anybody, not only to statistics.

    A quiet series has a small σ, so a cpu at 52 % instead of 48 % can be 5 σ away. Where the
    catalogue names a limit, a change counts from a quarter of the way from expected to the limit.
    """
    if spec.threshold is None:
        return np.ones(seen.values.size, dtype=bool)
    down = spec.bad_direction is Direction.DOWN
    gap = (seen.center - spec.threshold) if down else (spec.threshold - seen.center)
    moved = np.abs(seen.values - seen.center)
    with np.errstate(invalid="ignore"):
        return np.asarray(moved >= MATERIAL_SHARE * np.maximum(gap, 0.0))


def _static_column(seen: Residuals, spec: MetricSpec) -> tuple[str, Floats, float, Marks]:
    """One vote: the value against the catalogued limit; without a limit nothing is abnormal."""
    if spec.threshold is None:
        return "static", np.full(seen.values.size, np.nan), 0.0, np.zeros(seen.values.size, bool)
    beyond = np.array([spec.is_beyond(value) for value in seen.values.tolist()], dtype=bool)
    return "static", seen.values, spec.threshold, beyond


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), tz=UTC)
