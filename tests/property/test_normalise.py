"""Whatever a backend returns, the grid is regular and nothing is invented silently."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.analysis.normalise import (
    counter_resets,
    fill_gaps,
    longest_gap,
    normalise,
    normalise_series,
    resample,
)

EPOCH = 1_790_000_000.0
slots = st.integers(min_value=0, max_value=300)
samples = st.lists(
    st.tuples(slots, st.floats(allow_nan=True, allow_infinity=True, width=32)), max_size=80
)
steps = st.sampled_from([1.0, 15.0, 60.0, 300.0])


@given(samples, steps)
def test_the_grid_is_regular_and_holds_no_infinity(drawn: list[Any], step: float) -> None:
    times = [EPOCH + slot * step for slot, _ in drawn]
    result = normalise(times, [value for _, value in drawn], step_seconds=step)
    series = result.series
    assert series.times.size == series.values.size
    assert np.allclose(np.diff(series.times), step)
    assert not np.isinf(series.values).any()
    assert 0.0 <= result.missing_ratio <= 1.0


@given(samples, steps)
def test_the_last_of_two_samples_of_one_slot_wins(drawn: list[Any], step: float) -> None:
    result = normalise(
        [EPOCH + s * step for s, _ in drawn], [v for _, v in drawn], step_seconds=step
    )
    last = {slot: (value if np.isfinite(value) else np.nan) for slot, value in drawn}
    assert result.duplicates == len(drawn) - len(last)
    first = min(last, default=0)
    for slot, value in last.items():
        assert np.array_equal(result.series.values[slot - first], value, equal_nan=True)
    untouched = set(range(result.series.values.size)) - {slot - first for slot in last}
    assert all(np.isnan(result.series.values[slot]) for slot in untouched)


@given(samples, steps, st.integers(min_value=0, max_value=10))
def test_normalising_twice_changes_nothing_more(drawn: list[Any], step: float, limit: int) -> None:
    times = [EPOCH + slot * step for slot, _ in drawn]
    once = normalise(times, [v for _, v in drawn], step_seconds=step, fill_limit=limit)
    twice = normalise_series(once.series, fill_limit=limit)
    assert (twice.duplicates, twice.infinite, twice.dropped) == (0, 0, 0)
    assert (twice.disordered, twice.filled) == (0, 0)
    assert np.array_equal(once.series.values, twice.series.values, equal_nan=True)


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=60), st.integers(0, 8))
def test_gaps_are_bridged_only_up_to_the_limit_and_never_beyond_what_was_seen(
    drawn: list[Any], limit: int
) -> None:
    values = np.array([np.nan if v is None else v for v in drawn], dtype=float)
    bridged, filled = fill_gaps(values, limit)
    known = ~np.isnan(values)
    assert np.array_equal(bridged[known], values[known])
    assert filled == int((~np.isnan(bridged)).sum() - known.sum())
    if known.any():
        assert np.nanmin(bridged) >= values[known].min() - 1e-6
        assert np.nanmax(bridged) <= values[known].max() + 1e-6
    if longest_gap(values) > limit:
        assert np.isnan(bridged).any()


@given(samples, st.sampled_from([90.0, 300.0, 420.0, 900.0, 86_400.0]), st.floats(0.0, 600.0))
def test_a_coarser_grid_holds_the_median_of_each_of_its_slots(
    drawn: list[Any], coarse: float, phase: float
) -> None:
    times = [EPOCH + phase + slot * 60.0 for slot, _ in drawn]
    series = normalise(times, [v for _, v in drawn], step_seconds=60.0).series
    result = resample(series, coarse)
    slots_of = np.floor(series.times / coarse)
    assert np.array_equal(result.times, coarse * np.arange(*_ends(slots_of)))
    for at, value in zip(result.times, result.values, strict=True):
        inside = series.values[slots_of == at / coarse]
        known = inside[~np.isnan(inside)]
        expected = np.median(known) if known.size else np.nan
        assert np.array_equal(value, expected, equal_nan=True)


def _ends(slots_of: Any) -> tuple[float, float]:
    return (slots_of[0], slots_of[-1] + 1) if slots_of.size else (0, 0)


@given(samples, st.sampled_from([60.0, 300.0, 900.0]))
def test_a_coarser_grid_stays_within_the_values_it_summarises(
    drawn: list[Any], coarse: float
) -> None:
    times = [EPOCH + slot * 60.0 for slot, _ in drawn]
    series = normalise(times, [v for _, v in drawn], step_seconds=60.0).series
    result = resample(series, coarse)
    known = series.values[~np.isnan(series.values)]
    medians = result.values[~np.isnan(result.values)]
    assert bool(known.size) == bool(medians.size)
    if known.size:
        assert medians.min() >= known.min()
        assert medians.max() <= known.max()


# ------------------------------------------------------------------------- order, time, report


@given(
    st.lists(slots, unique=True, min_size=2, max_size=60).flatmap(
        lambda drawn: st.tuples(st.just(drawn), st.permutations(drawn))
    ),
    steps,
)
def test_the_order_of_arrival_changes_nothing_but_the_report(
    drawn: tuple[list[int], list[int]], step: float
) -> None:
    ordered, shuffled = sorted(drawn[0]), drawn[1]
    right = normalise([EPOCH + s * step for s in ordered], ordered, step_seconds=step)
    mixed = normalise([EPOCH + s * step for s in shuffled], shuffled, step_seconds=step)
    assert np.array_equal(right.series.times, mixed.series.times)
    assert np.array_equal(right.series.values, mixed.series.values, equal_nan=True)
    assert right.disordered == 0
    assert (mixed.disordered > 0) == (shuffled != ordered)
    assert np.all(np.diff(mixed.series.times) > 0)


@given(samples, steps, st.floats(-0.4, 0.4))
def test_a_scrape_that_is_a_little_early_or_late_keeps_its_slot(
    drawn: list[Any], step: float, jitter: float
) -> None:
    """Every sample but the first is moved by the same part of a step."""
    anchored = [(0, 1.0), *((slot + 1, value) for slot, value in drawn)]
    times = [EPOCH + slot * step for slot, _ in anchored]
    moved = [times[0], *(at + jitter * step for at in times[1:])]
    values = [value for _, value in anchored]
    exact = normalise(times, values, step_seconds=step).series
    late = normalise(moved, values, step_seconds=step).series
    assert np.array_equal(exact.values, late.values, equal_nan=True)


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_the_missing_ratio_is_the_share_without_a_value(known: list[bool]) -> None:
    times = [EPOCH + 60.0 * k for k in range(len(known))]
    result = normalise(times, [1.0 if k else np.nan for k in known], step_seconds=60.0)
    assert result.missing_ratio == known.count(False) / len(known)


def test_everything_that_was_mended_is_counted() -> None:
    at = [0.0, 60.0, 60.0, np.inf, 180.0, 120.0, 300.0]
    values = [1.0, 2.0, 3.0, 9.0, np.inf, 4.0, 5.0]
    result = normalise(at, values, step_seconds=60.0, fill_limit=1)
    assert result.missing_ratio == 2 / 6
    assert result.longest_gap_seconds == 120.0
    assert (result.duplicates, result.infinite) == (1, 1)
    assert (result.dropped, result.disordered, result.filled) == (1, 1, 0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=3, max_size=40), st.data())
def test_a_stale_marker_is_a_missing_value(values: list[float], data: st.DataObject) -> None:
    """Prometheus writes the end of a series as this very NaN."""
    stale = np.array([0x7FF0000000000002], dtype=np.uint64).view(np.float64)[0]
    place = data.draw(st.integers(0, len(values) - 1))
    marked = np.array(values)
    marked[place] = stale
    result = normalise([EPOCH + 15.0 * k for k in range(len(values))], marked, step_seconds=15.0)
    assert np.isnan(result.series.values[place])
    assert int(np.isnan(result.series.values).sum()) == 1


# ------------------------------------------------------------------------- counters


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_every_fall_of_a_counter_is_a_process_that_began_anew(shown: list[int]) -> None:
    assert counter_resets(np.array(shown, dtype=float)) == sum(b < a for a, b in pairwise(shown))


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=1, max_size=60))
def test_a_gap_of_a_counter_is_no_reset_and_hides_none(drawn: list[int | None]) -> None:
    values = np.array([np.nan if v is None else float(v) for v in drawn])
    assert counter_resets(values[~np.isnan(values)]) == counter_resets(values)
