"""Whatever a backend returns, the grid is regular and nothing is invented silently."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tools.analysis.normalise import (
    BASE_UNITS,
    counter_resets,
    fill_gaps,
    in_base_unit,
    longest_gap,
    normalise,
    normalise_series,
    per_second,
    resample,
)
from tools.world import Series

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
def test_the_report_says_what_share_is_missing_and_nothing_of_a_whole_series(
    known: list[bool],
) -> None:
    times = [EPOCH + 60.0 * k for k in range(len(known))]
    result = normalise(times, [1.0 if k else np.nan for k in known], step_seconds=60.0)
    share = 100 * known.count(False) / len(known)
    if all(known):
        assert result.report() == ""
    else:
        assert result.report().startswith(f"{share:.3g} % of the window is missing (longest gap ")


def test_the_report_counts_everything_that_was_mended() -> None:
    at = [0.0, 60.0, 60.0, np.inf, 180.0, 120.0, 300.0]
    values = [1.0, 2.0, 3.0, 9.0, np.inf, 4.0, 5.0]
    report = normalise(at, values, step_seconds=60.0, fill_limit=1).report()
    assert report == (
        "33.3 % of the window is missing (longest gap 2 min); 1 duplicates left out; "
        "1 infinite values left out; 1 samples without a time left out; 1 samples put in order"
    )


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


# ------------------------------------------------------------------------- counters and units

rises = st.lists(st.integers(0, 1000), min_size=1, max_size=60)


def series_of(values: Any, step: float = 15.0, unit: str = "") -> Series:
    array = np.array(values, dtype=np.float64)
    times = EPOCH + step * np.arange(array.size, dtype=np.float64)
    return Series("m", (), times, array, step, unit)


@given(rises, st.lists(st.integers(1, 59), max_size=5, unique=True), steps)
def test_a_counter_that_begins_anew_loses_none_of_its_increase(
    drawn: list[int], restarts: list[int], step: float
) -> None:
    """The sum of rates is the sum of rises, as far as a restart can be seen: the counter fell."""
    total, shown = 10**6, []
    for index, rise in enumerate(drawn):
        total = rise if index in restarts and rise < total else total + rise
        shown.append(float(total))
    rates, resets = per_second(series_of(shown, step))
    assert np.isnan(rates.values[0])
    assert np.all(rates.values[1:] >= 0)
    assert np.isclose(np.sum(rates.values[1:]) * step, sum(drawn[1:]))
    assert resets == sum(b < a for a, b in pairwise(shown))
    assert rates.unit == "1/s"


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=1, max_size=60))
def test_a_gap_of_a_counter_stays_a_gap_of_its_rate(drawn: list[int | None]) -> None:
    values = np.array([np.nan if v is None else float(v) for v in drawn])
    rates, _ = per_second(series_of(values))
    known = ~np.isnan(values)
    assert np.array_equal(~np.isnan(rates.values[1:]), known[1:] & known[:-1])
    assert counter_resets(values[known]) == counter_resets(values)


@given(st.sampled_from(sorted(BASE_UNITS)), st.lists(st.floats(-1e9, 1e9), max_size=20))
def test_a_unit_is_converted_once_and_keeps_what_is_missing(unit: str, values: list[float]) -> None:
    given_series = series_of([*values, np.nan], unit=unit)
    base = in_base_unit(given_series)
    assert base.unit in {"seconds", "ratio", "bytes"}
    assert np.allclose(base.values, given_series.values * BASE_UNITS[unit][1], equal_nan=True)
    again = in_base_unit(base)
    assert again is base
    assert in_base_unit(series_of(values, unit="orders/s")).unit == "orders/s"
