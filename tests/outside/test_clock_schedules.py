"""Schedules that people wrote and got something else: the words of cron, zones, years.

Each case names whom it went wrong for in public (read on 27 November 2026), in our words.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from foundation.cron import Cron, CronError

# source → expression, zone, after when, the next slots in that zone
TOLD: dict[str, tuple[str, str, datetime, list[str]]] = {
    "croniter #55 and #131: asked on a 29 February, there was no next one": (
        "0 9 29 2 *", "UTC", datetime(2016, 2, 29, 9, tzinfo=UTC), ["2020-02-29 09:00"],
    ),
    "gronx #55: 29 February came in March; 2100 has none at all": (
        "0 9 29 2 *", "UTC", datetime(2096, 3, 1, tzinfo=UTC), ["2104-02-29 09:00"],
    ),
    "robfig/cron #541: 2:00 of the Pacific coast was left out on 9 March 2025": (
        "0 2 * * *", "US/Pacific", datetime(2025, 3, 8, 20, tzinfo=UTC),
        ["2025-03-09 03:00", "2025-03-10 02:00"],
    ),
    "nats-server #8543: a midnight that São Paulo never had cost a year": (
        "0 1 4 11 *", "America/Sao_Paulo", datetime(2018, 11, 4, 2, tzinfo=UTC),
        ["2018-11-04 01:00", "2019-11-04 01:00"],
    ),
    "cron-utils #332: clocks that change at Santiago's midnight were an endless loop": (
        "0 6 * * *", "America/Santiago", datetime(2018, 8, 12, 3, 59, 59, tzinfo=UTC),
        ["2018-08-12 06:00", "2018-08-13 06:00"],
    ),
    "cron-expression #35: a day of the month and a weekday are either, not both": (
        "30 0 1 * mon", "UTC", datetime(2026, 11, 25, tzinfo=UTC),
        ["2026-11-30 00:30", "2026-12-01 00:30", "2026-12-07 00:30"],
    ),
    "orca #15896: with a star before its step a day must be both": (
        "0 9 */2 * mon", "UTC", datetime(2026, 11, 23, 10, tzinfo=UTC),
        ["2026-12-07 09:00", "2026-12-21 09:00"],
    ),
    "gronx #72: a stepped range to the end of the week lost its Sunday": (
        "0 9 * * thu-sun/3", "UTC", datetime(2026, 11, 25, tzinfo=UTC),
        ["2026-11-26 09:00", "2026-11-29 09:00", "2026-12-03 09:00"],
    ),
    "cron-parser #438: a step that never reaches Sunday found one": (
        "0 9 * * tue/2", "UTC", datetime(2026, 11, 23, tzinfo=UTC),
        ["2026-11-24 09:00", "2026-11-26 09:00", "2026-11-28 09:00", "2026-12-01 09:00"],
    ),
    "Cronos #95: of its kind, a range from Sunday: sun-sun (ours: every day)": (
        "0 9 * * sun-sun", "UTC", datetime(2026, 11, 23, tzinfo=UTC),
        ["2026-11-29 09:00", "2026-12-06 09:00"],
    ),
    "cal.diy #12224: Kyiv under the name it has since 2022": (
        "0 9 * * *", "Europe/Kyiv", datetime(2026, 11, 30, 12, tzinfo=UTC), ["2026-12-01 09:00"],
    ),
    "exchange_calendars #338: Calcutta under the name that Debian moved elsewhere": (
        "0 9 * * *", "Asia/Calcutta", datetime(2026, 11, 30, 12, tzinfo=UTC), ["2026-12-01 09:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("source", TOLD)
def test_a_schedule_means_what_its_words_say(source: str) -> None:
    expression, zone, after, expected = TOLD[source]
    cron, told = Cron(expression, zone), []
    for _ in expected:
        slot = cron.next(after)
        assert slot is not None
        told.append(f"{slot:%Y-%m-%d %H:%M}")
        after = slot
    assert told == expected


REFUSED: dict[str, tuple[str, str]] = {
    "croniter #50, robfig/cron #543: every 90 minutes was every hour (ours too)": (
        "*/90 * * * *", "a step of 90",
    ),
    "cron-parser #142: every 36 hours was every day (ours too)": ("0 */36 * * *", "a step of 36"),
    "cronsim #3: Debian's cron takes Friday to Monday and never runs it": (
        "0 9 * * fri-mon", "Bad day-of-week",
    ),
    "lholden/job_scheduler #29: 1 to 5 was Sunday to Thursday": ("0 9 * * 1-5", "by digits"),
    "node-red-contrib-cron-plus #110: 30 February was an endless loop": (
        "0 0 30 2 *", "cannot be read",
    ),
}  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_a_schedule_that_would_mean_something_else_is_refused(source: str) -> None:
    expression, why = REFUSED[source]
    with pytest.raises(CronError, match=why):
        Cron(expression)
