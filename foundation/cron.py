"""Five cron fields in a time zone, also on the nights when the clocks change.

    a fixed hour      once per local day: an hour that does not exist is told right after the gap,
                      one that comes twice is told the first time
    every hour (*)    by real time: through the repeated hour as well, and not in the gap

These are the rules of Debian's cron (man page cron(8), *Daylight Saving Time*), as the library
`cronsim` keeps them. Weekdays are written by name: digits mean other days in other schedulers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed
from zoneinfo import ZoneInfo

SECOND = timedelta(seconds=1)
MINUTE, HOUR, WEEKDAYS = 0, 1, 4  # places of fields
TO_SUNDAY = re.compile(r"(?<!sun)-sun\b", re.IGNORECASE)  # a range may end with the week
STEP = re.compile(r"/(\d+)")
SIZES = (60, 24, 31, 12, 7)  # of minute, hour, day, month, weekday


class CronError(ValueError):
    """A schedule cannot be read; the message names it and what to write instead."""


class Cron:
    """When something is due. A slot that nobody told is caught up on for `catch_up`."""

    def __init__(
        self, expression: str, timezone: str = "UTC", catch_up: timedelta = timedelta(minutes=30)
    ) -> None:
        """Read the fields. Raises CronError that names what is wrong."""
        self.expression, self.timezone, self.catch_up = expression, timezone, catch_up
        self._fields = _checked(expression)
        fields = self._fields.split()
        self._flows = fields[MINUTE].startswith("*") or fields[HOUR].startswith("*")
        try:
            self._zone = ZoneInfo(timezone)
        except (ValueError, KeyError, OSError) as error:
            raise CronError(
                f"cron {expression!r}: there is no time zone {timezone!r}; "
                "write a name such as Europe/Berlin"
            ) from error
        if self.next(datetime(2000, 1, 1, tzinfo=UTC)) is None:
            raise CronError(f"cron {expression!r} names a day that never comes")

    def next(self, after: datetime) -> datetime | None:
        """Return the first slot after a time, in the schedule's zone; None when there is none."""
        after = after.astimezone(UTC)  # adding to a local time forgets which of two it is
        if self._flows:
            return self._next_flowing(after)
        # Begun inside an hour that comes twice, the library first names slots of its first pass.
        local = after.astimezone(self._zone)
        return next((slot for slot in self._slots(local) if slot.astimezone(UTC) > after), None)

    def _next_flowing(self, after: datetime) -> datetime | None:
        """Go from one change of the clocks to the next, each stretch with an offset of its own.

        Given the zone itself, the library skips slots where clocks change by half an hour.
        """
        while True:
            offset = (after + SECOND).astimezone(self._zone).utcoffset() or timedelta(0)
            slot = next(self._slots(after.astimezone(fixed(offset))), None)
            if slot is None or slot.astimezone(self._zone).utcoffset() == offset:
                return slot if slot is None else slot.astimezone(self._zone)
            after = self._change(after + SECOND, offset) - SECOND  # that moment may be a slot

    def _change(self, early: datetime, offset: timedelta) -> datetime:
        """Return the first second after a time of that offset at which the zone has another."""

        def changed(at: datetime) -> bool:
            return at.astimezone(self._zone).utcoffset() != offset

        late = early
        while not changed(late):
            early, late = late, late + timedelta(days=1)
        while late - early > SECOND:
            middle = early + (late - early) // 2
            early, late = (early, middle) if changed(middle) else (middle, late)
        return late

    def _slots(self, local: datetime) -> Iterator[datetime]:
        from cronsim import CronSim, CronSimError

        try:
            return CronSim(self._fields, local)
        except CronSimError as error:
            raise CronError(
                f"cron {self.expression!r} in {self.timezone!r} cannot be read: {error}; "
                "write minute hour day month weekday, such as '0 9 * * mon-fri'"
            ) from error

    def latest(self, after: datetime, now: datetime) -> datetime | None:
        """Return the newest slot in (after, now], or None."""
        found, slot = None, self.next(after)
        while slot is not None and slot.astimezone(UTC) <= now:
            found, slot = slot, self.next(slot)
        return found


def _checked(expression: str) -> str:
    fields = expression.split()
    if len(fields) != 5:
        raise CronError(
            f"cron {expression!r} has {len(fields)} fields; five are needed: "
            "minute hour day month weekday, such as '0 9 * * mon-fri'"
        )
    weekdays = fields[WEEKDAYS]
    if any(c.isdigit() for c in weekdays.partition("/")[0].partition("#")[0]):
        raise CronError(
            f"cron {expression!r} names weekdays by digits ({weekdays!r}), which mean different "
            "days in different schedulers; write names, such as mon-fri"
        )
    for field, size in zip(fields, SIZES, strict=True):
        step = next((int(n) for n in STEP.findall(field) if int(n) > size), None)
        if step is not None:
            raise CronError(
                f"cron {expression!r}: a step of {step} ({field!r}) is longer than its field, "
                f"which begins anew after {size}; write two schedules, or a step of at most {size}"
            )
    fields[WEEKDAYS] = TO_SUNDAY.sub("-7", weekdays)
    return " ".join(fields)
