"""Short texts that several rooms say alike: a time, a window, how much of it is missing."""

from __future__ import annotations

from datetime import datetime

from bot.locale import Texts
from tools.analysis.normalise import TELL_MISSING_RATIO
from tools.units import format_value
from tools.world import Verdict, Window


def clock(at: datetime, now: datetime | None = None) -> str:
    """Return a time as people read it: the clock, with the date when it is not today's."""
    if now is not None and at.date() == now.date():
        return f"{at:%H:%M}"
    return f"{at:%Y-%m-%d %H:%M}"


def window_text(window: Window) -> str:
    """Return a window as a person reads it: `14:10–15:10 UTC`, with dates when not one day."""
    start, end = window.start, window.end
    if start.date() == end.date():
        return f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} UTC"
    return f"{start:%Y-%m-%d %H:%M}–{end:%Y-%m-%d %H:%M} UTC"


def gap_text(texts: Texts, verdict: Verdict) -> str:
    """Return "; 12 % of the window is missing", or nothing when nearly all of it is there."""
    if verdict.missing_ratio < TELL_MISSING_RATIO:
        return ""
    return texts.say("finding.missing", percent=f"{verdict.missing_ratio * 100:.0f}")


def limit_text(verdict: Verdict) -> str:
    """Return the limit that a young series was judged by, empty where a baseline was."""
    return "" if verdict.limit is None else format_value(verdict.limit, verdict.unit)
