"""So many times in any minute, by key."""

from __future__ import annotations

from foundation.rates import MOST_KEYS, RateLimit


def test_who_asks_more_often_than_the_limit_is_told_how_long_to_wait() -> None:
    limit = RateLimit(2)
    assert [limit.wait("ann", at) for at in (0.0, 10.0, 20.0)] == [0.0, 0.0, 40.0]
    assert limit.wait("bob", 20.0) == 0.0
    assert limit.wait("ann", 59.9) > 0.0  # what was refused was not counted
    assert limit.wait("ann", 60.0) == 0.0


def test_a_crowd_of_keys_takes_a_bounded_place_and_forgets_the_oldest() -> None:
    limit = RateLimit(1)
    assert limit.wait("ann", 0.0) == 0.0
    for each in range(MOST_KEYS):
        limit.wait(each, 1.0)
    assert limit.wait("ann", 2.0) == 0.0  # forgotten
    assert limit.wait(MOST_KEYS - 1, 2.0) > 0.0
