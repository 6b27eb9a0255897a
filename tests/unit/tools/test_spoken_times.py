"""Windows are read as people type them, in UTC; what names no time says how to write one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.fakes.clock import FakeClock
from tools.errors import BadArgumentError
from tools.observe.asking import window_of

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CLOCK = FakeClock(NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-{text}:00Z")


@pytest.mark.parametrize(
    ("window", "until", "start", "end"),
    [
        ("15m", "11:55", "20T11:40", "20T11:55"),
        ("15m", "12:30", "19T12:15", "19T12:30"),  # 12:30 today is still to come
        ("15m", "11:55 UTC", "20T11:40", "20T11:55"),
        ("15m", "yesterday 14:00", "19T13:45", "19T14:00"),
        ("15m", "2026-11-18T10:00:00Z", "18T09:45", "18T10:00"),
        ("15m", "2026-11-18T12:00:00+02:00", "18T09:45", "18T10:00"),
        ("11:30-11:45", "", "20T11:30", "20T11:45"),
        ("11:30 to 11:45", "", "20T11:30", "20T11:45"),
        ("11:30–11:45", "", "20T11:30", "20T11:45"),
        ("from 11:30 until 11:45", "", "20T11:30", "20T11:45"),
        ("between 11:30 and 11:45", "11:45", "20T11:30", "20T11:45"),
        ("11:55-12:10", "", "20T11:55", "20T12:00"),  # what is still to come is left out
        ("13:00-14:00", "", "19T13:00", "19T14:00"),
        ("23:50-00:10", "", "19T23:50", "20T00:10"),
        ("yesterday 23:50-00:10", "", "19T23:50", "20T00:10"),
        ("2026-11-18T10:00Z to 2026-11-18T11:00Z", "", "18T10:00", "18T11:00"),
        ("2026-11-18 10:00 - 2026-11-18 11:00", "", "18T10:00", "18T11:00"),
        ("since 10:30", "", "20T10:30", "20T12:00"),
        ("today", "", "20T00:00", "20T12:00"),
        ("yesterday", "", "19T00:00", "20T00:00"),
        ("last 30 minutes", "", "20T11:30", "20T12:00"),
        ("past 2 hours", "", "20T10:00", "20T12:00"),
        ("the last hour", "", "20T11:00", "20T12:00"),
        ("45 min", "", "20T11:15", "20T12:00"),
        ("Last  Day", "now", "19T12:00", "20T12:00"),
        ("last 1h30m", "", "20T10:30", "20T12:00"),
    ],
)
def test_a_window_is_read_as_people_type_it(window: str, until: str, start: str, end: str) -> None:
    found = window_of(CLOCK, window, until)
    assert (found.start, found.end) == (at(start), at(end))


@pytest.mark.parametrize(
    ("window", "until", "why"),
    [
        ("soon", "", "is not a duration; write 15m.*14:05-14:20"),
        ("25:00-26:00", "", "is no time of day"),
        ("11:30-11:30", "", "ends before it begins"),
        ("today 13:00-14:00", "", "begins in the future"),
        ("11:30-11:45", "10:00", "leave one out"),
        ("1h", "half past", "is no time; write"),
        ("1h", "2027-01-01T00:00:00Z", "lies in the future"),
        ("2026-01-01T00:00Z to 2026-11-01T00:00Z", "", "between 1m and 31d"),
        ("x" * 5000, "", "is no time"),
        ("11:30 CET to 11:45 CET", "", "is not a duration"),
        ("30s", "", "between 1m and 31d"),
    ],
)
def test_what_names_no_window_is_told_with_what_to_write(window: str, until: str, why: str) -> None:
    with pytest.raises(BadArgumentError, match=why):
        window_of(CLOCK, window, until)


def test_whoever_asks_may_be_a_little_ahead_of_us() -> None:
    assert window_of(CLOCK, "15m", "12:00:30").end == NOW
    assert window_of(CLOCK, "15m", (NOW + timedelta(seconds=30)).isoformat()).end == NOW
