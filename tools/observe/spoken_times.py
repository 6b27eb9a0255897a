"""Times and windows as a person types them; all of them in UTC.

    until     2026-11-20T14:05:00Z · 14:05 · today 14:05 · yesterday 14:05 · now
    window    15m · 1h30m · last 30 minutes · past 2 hours · last hour
              14:05-14:20 · 14:05 to 14:20 · since 14:05 · today · yesterday

A time of day is the last one there was: 23:50 said at noon was yesterday.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import re2

from foundation.encodings import writable
from tools.errors import BadArgumentError

LONGEST = 100  # characters of one time or window
SKEW = timedelta(minutes=1)  # by which whoever asks may be ahead of us
DAY = timedelta(days=1)
_CLOCK = re2.compile(r"(?i)(?:(today|yesterday)(?: at)? )?(\d{1,2}):(\d\d)(?::(\d\d))? ?(?:z|utc)?")
_RANGE = re2.compile(
    r"(?i)(?:from |between )?(.+?)(?: ?(?:–|—|\bto\b|\buntil\b|\band\b) ?| - )(.+)"
)
_CLOCKS = re2.compile(
    r"(?i)((?:(?:today|yesterday) )?\d{1,2}:\d\d(?::\d\d)?)-(\d{1,2}:\d\d(?::\d\d)?)"
)
_SINCE = re2.compile(r"(?i)since (.+)")
_WORDED = re2.compile(
    r"(?i)(?:(?:the )?(?:last|past) )?(\d+)? ?"
    r"(seconds?|secs?|minutes?|mins?|hours?|hrs?|days?|weeks?)"
)
_UNITS = {"s": "s", "m": "m", "h": "h", "d": "d", "w": "w"}
_SPACES = re2.compile(r"\s+")


def plain(text: str) -> str:
    """Return a text with single spaces. Raises BadArgumentError for one that is no time at all."""
    if len(text) > LONGEST:
        raise BadArgumentError(f"{text[:40]!r}… is no time; write 15m, 1h or 14:05-14:20")
    return str(_SPACES.sub(" ", writable(text))).strip()


def compact(text: str) -> str:
    """Return `last 30 minutes` as `30m`, `last hour` as `1h`; anything else as it is."""
    said = plain(text)
    for lead in ("the last ", "last ", "the past ", "past "):
        if said.lower().startswith(lead):
            said = said[len(lead) :]
            break
    worded = _WORDED.fullmatch(said)
    if worded is None:
        return said
    return f"{worded[1] or 1}{_UNITS[worded[2][0].lower()]}"


def moment(text: str, now: datetime) -> datetime | None:
    """Return the time that a text names, in UTC; None where it names none.

    A time of day is the last one there was. Raises BadArgumentError for one that no day has.
    """
    said = plain(text)
    if said.lower() in {"", "now"}:
        return now
    clock = _CLOCK.fullmatch(said)
    if clock is not None:
        return _last(clock, said, now)
    try:
        found = datetime.fromisoformat(said)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _last(clock: Any, said: str, now: datetime) -> datetime:
    day, hour, minute, second = clock.groups()
    try:
        at = now.replace(hour=int(hour), minute=int(minute), second=int(second or 0), microsecond=0)
    except ValueError as error:
        raise BadArgumentError(f"{said!r} is no time of day; write 14:05") from error
    if (day or "").lower() == "yesterday":
        return at - DAY
    return at - DAY if not day and at > now + SKEW else at


def range_of(text: str, now: datetime) -> tuple[datetime, datetime] | None:
    """Return the beginning and end that a window names; None for a length of time.

    Raises BadArgumentError for one that has not begun or ends before it begins.
    """
    said = plain(text)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if said.lower() == "today":
        return midnight, now
    if said.lower() == "yesterday":
        return midnight - DAY, midnight
    since = _SINCE.fullmatch(said)
    sides = (since[1], "now") if since is not None else _sides(said)
    if sides is None:
        return None
    start = moment(sides[0], now)
    end = moment(sides[1], now)
    if start is None or end is None:
        return None
    if _CLOCK.fullmatch(sides[1]) is not None and not sides[1].lower().startswith(("today", "yes")):
        end = start.replace(hour=end.hour, minute=end.minute, second=end.second)
        if end < start:
            end += DAY  # 23:50-00:10
    if start > now + SKEW:
        raise BadArgumentError(f"window {text!r} begins in the future; now is {now:%H:%M} UTC")
    end = min(end, now)
    if end <= start:
        raise BadArgumentError(f"window {text!r} ends before it begins; write 14:05-14:20")
    return start, end


def _sides(said: str) -> tuple[str, str] | None:
    both = _CLOCKS.fullmatch(said) or _RANGE.fullmatch(said)
    return (both[1].strip(), both[2].strip()) if both is not None else None
