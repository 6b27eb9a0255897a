"""When failed work is tried again, and when it is given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundation.retries import RetryPolicy

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)


def test_waits_double_from_the_first_up_to_the_longest() -> None:
    policy = RetryPolicy(first=2 * SECOND, longest=MINUTE)
    waits = [policy.wait_after(n).total_seconds() for n in range(1, 9)]
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


def test_jitter_lengthens_a_wait_by_the_chance_that_is_given() -> None:
    policy = RetryPolicy(first=10 * SECOND, longest=MINUTE, jitter_ratio=0.5)
    assert policy.wait_after(1) == 10 * SECOND
    assert policy.wait_after(1, chance=0.5) == timedelta(seconds=12.5)
    assert policy.wait_after(1, chance=1.0) == 15 * SECOND
    assert RetryPolicy(first=SECOND, longest=MINUTE).wait_after(1, chance=1.0) == SECOND


def test_it_is_given_up_after_so_many_failures() -> None:
    policy = RetryPolicy(first=SECOND, longest=MINUTE, give_up_after=3)
    assert [policy.gives_up(n) for n in (1, 2, 3, 4)] == [False, False, True, True]
    assert [policy.next_try(n, NOW) for n in (1, 2, 3)] == [NOW + SECOND, NOW + 2 * SECOND, None]


def test_without_a_limit_it_is_never_given_up() -> None:
    policy = RetryPolicy(first=SECOND, longest=MINUTE)
    assert not policy.gives_up(1_000_000)
    assert policy.next_try(1_000_000, NOW) == NOW + MINUTE


@given(st.integers(1, 10**9), st.floats(0, 1), st.floats(0, 1))
def test_no_number_of_failures_waits_longer_than_the_longest_and_its_jitter(
    failures: int, jitter_ratio: float, chance: float
) -> None:
    policy = RetryPolicy(first=SECOND, longest=MINUTE, jitter_ratio=jitter_ratio)
    wait = policy.wait_after(failures, chance)
    assert SECOND <= wait <= MINUTE * (1 + jitter_ratio)
    assert policy.wait_after(failures + 1) >= policy.wait_after(failures)


@pytest.mark.parametrize(
    "figures",
    [
        {"first": timedelta(0)},
        {"first": 2 * MINUTE},
        {"give_up_after": 0},
        {"jitter_ratio": 1.5},
        {"jitter_ratio": -0.1},
    ],
)
def test_figures_that_make_no_sense_are_refused(figures: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        RetryPolicy(**{"first": SECOND, "longest": MINUTE, **figures})  # type: ignore[arg-type]


@pytest.mark.parametrize("failures", [0, -1])
def test_there_is_no_wait_before_a_failure(failures: int) -> None:
    with pytest.raises(ValueError, match="before a failure"):
        RetryPolicy(first=SECOND, longest=MINUTE).wait_after(failures)
