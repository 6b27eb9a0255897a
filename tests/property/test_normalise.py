"""Whatever a backend returns, the grid is regular and nothing is invented silently."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.analysis.normalise import fill_gaps, longest_gap, normalise, normalise_series, resample

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
    assert twice.is_unchanged
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
