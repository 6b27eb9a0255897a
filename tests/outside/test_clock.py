"""What clocks do to people: nights that are an hour shorter or longer, in every zone that has them.

Sources: cron(8) of Debian's cron, *Daylight Saving Time* (a fixed hour runs once; wildcards follow
real time); public reports of schedulers that stop or double on such nights. The second opinion
below counts minutes one by one, and knows of cron only what that page says.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest

from bot.scheduler import Job, Scheduler
from bot.store.store import SqlStore
from foundation.cron import Cron, CronError
from tests.fakes.clock import FakeClock

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

FIXED = {  # expression → the minutes of a local day
    "0 1 * * *": [(1, 0)],
    "30 2 * * *": [(2, 30)],
    "0 0 * * *": [(0, 0)],
    "15 23 * * *": [(23, 15)],
    "30 0,1,2,3 * * *": [(h, 30) for h in (0, 1, 2, 3)],
}
FLOWING = {  # expression → whether a local minute is one of its
    "*/15 * * * *": lambda hour, minute: minute % 15 == 0,
    "*/15 2 * * *": lambda hour, minute: minute % 15 == 0 and hour == 2,
    "7 * * * *": lambda hour, minute: minute == 7,
}


@cache
def changes_of(zone: str) -> tuple[tuple[datetime, timedelta], ...]:
    """Return the hours of two years in which a zone's clocks change, and what they change to."""
    tz, found, day = ZoneInfo(zone), [], BEGIN
    before = day.astimezone(tz).utcoffset()
    while day < END:
        day += DAY
        if day.astimezone(tz).utcoffset() == before:
            continue  # no zone changes its clocks there and back within a day
        for hour in range(23, -1, -1):
            at = day - hour * HOUR
            offset = at.astimezone(tz).utcoffset()
            if offset != before and offset is not None:
                found.append((at, offset))
                before = offset
    return tuple(found)


def zones() -> list[str]:
    """Return one zone of each kind: those whose clocks change at the same moments are alike."""
    kinds: dict[tuple[tuple[datetime, timedelta], ...], str] = {}
    for zone in sorted(available_timezones()):
        if changes := changes_of(zone):
            kinds.setdefault(changes, zone)
    return sorted(kinds.values())


def once_a_day(zone: str, minutes: list[tuple[int, int]]) -> list[datetime]:
    """Return the slots of fixed hours, by what the page says of gaps and of what comes twice."""
    tz, found, day = ZoneInfo(zone), set(), date(2026, 1, 2)
    while day < date(2027, 12, 30):
        for hour, minute in minutes:
            local = datetime(day.year, day.month, day.day, hour, minute, tzinfo=tz)  # fold 0
            there = local.astimezone(UTC)
            while there.astimezone(tz).replace(tzinfo=None) != local.replace(tzinfo=None):
                local += MINUTE  # not on this day's clock: right after the gap
                there = local.astimezone(UTC)
            found.add(there)
        day += DAY
    return sorted(found)


def by_minutes(zone: str, belongs: object, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield every minute of real time whose local clock shows a slot."""
    tz, at = ZoneInfo(zone), begin
    while at < end:
        at += MINUTE
        local = at.astimezone(tz)
        if belongs(local.hour, local.minute):  # type: ignore[operator]
            yield at


def told(cron: Cron, begin: datetime, end: datetime) -> list[datetime]:
    """Return every slot, as a loop that asks for the next one gets them."""
    found: list[datetime] = []
    at = cron.next(begin)
    while at is not None and at.astimezone(UTC) <= end:
        found.append(at.astimezone(UTC))
        assert len(found) < 100_000
        at = cron.next(found[-1])
        assert at is None or at.astimezone(UTC) > found[-1]
    return found


def test_there_are_zones_whose_clocks_change_in_many_ways() -> None:
    assert len(zones()) >= 15


@pytest.mark.parametrize("expression", FIXED)
def test_a_fixed_hour_comes_once_a_day_for_two_years_in_every_zone(expression: str) -> None:
    for zone in zones():
        expected = once_a_day(zone, FIXED[expression])
        cron = Cron(expression, zone)
        assert told(cron, expected[0] - MINUTE, expected[-1]) == expected, zone


@pytest.mark.parametrize("expression", FLOWING)
def test_what_flows_with_the_hours_follows_real_time_through_every_change(expression: str) -> None:
    for zone in zones():
        for change, _ in changes_of(zone):
            begin, end = change - 5 * HOUR, change + 5 * HOUR
            expected = list(by_minutes(zone, FLOWING[expression], begin, end))
            assert told(Cron(expression, zone), begin, end) == expected, (zone, change)


@pytest.mark.parametrize(
    ("expression", "zone", "night", "least", "most"),
    [
        ("0 1 * * *", "America/New_York", datetime(2026, 11, 1, 3, tzinfo=UTC), 1, 2),
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 28, 22, tzinfo=UTC), 1, 1),
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 1, 2),
        ("*/15 2 * * *", "Europe/Berlin", datetime(2026, 10, 24, 22, tzinfo=UTC), 4, 8),
    ],
)
async def test_the_bot_lives_through_a_night_when_the_clocks_change(
    store: SqlStore, expression: str, zone: str, night: datetime, least: int, most: int
) -> None:
    """Case 40: the whole bot hung for good in the first of these nights."""
    slots: list[datetime] = []

    async def tell(slot: datetime) -> None:
        slots.append(slot)

    clock = FakeClock(night, speed=60)
    scheduler = Scheduler((Job("digest", Cron(expression, zone), tell),), clock, store, "a")
    for _ in range(8 * 60):  # eight hours, a minute a tick
        await scheduler.run_due()
        await scheduler.idle()
        clock.advance(seconds=1)
    assert least <= len(slots) <= most
    assert len({slot.astimezone(UTC) for slot in slots}) == len(slots)


@pytest.mark.parametrize("expression", ["0 0 30 2 *", "0 0 31 4,6 *"])
def test_a_day_that_never_comes_is_refused(expression: str) -> None:
    """croniter #34, cron-parser #115: 31 February and 31 April were looked for without end."""
    with pytest.raises(CronError, match=r"cannot be read|never comes"):
        Cron(expression)


def test_a_week_may_end_on_sunday() -> None:
    """systemd-cron #136: Friday to Sunday was refused."""
    cron = Cron("0 9 * * sat-sun")
    friday = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert [f"{slot:%a}" for slot in told(cron, friday, friday + 7 * DAY)] == ["Sat", "Sun"]


def test_an_unknown_zone_is_named() -> None:
    with pytest.raises(CronError, match="Europe/Berln"):
        Cron("0 9 * * *", "Europe/Berln")
