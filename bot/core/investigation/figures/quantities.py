"""Quantities in prose and in evidence: what stands there, in one unit per kind.

    "about 650 ms"  -> DURATION 0.65 s, rounded, hedged
    "17:24"         -> CLOCK 17 h 24
    "11 minutes ago"-> AGO 660 s
    "three times"   -> FACTOR 3

Identifiers (`E2`, `PLAN-9c01d4`, `v2.14.0`, `p99`) are no quantities.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import re2

from foundation.encodings import writable


class Dimension(StrEnum):
    """What a quantity measures, and in which unit its value is kept."""

    DURATION = "duration"  # seconds
    AGO = "ago"  # seconds before now
    BYTES = "bytes"
    SHARE = "share"  # of one
    RATE = "rate"  # per second
    SIGMA = "sigma"
    FACTOR = "factor"
    NUMBER = "number"  # a count, or a value whose unit is not told
    CLOCK = "clock"  # seconds since midnight
    DATE = "date"  # 100 × month + day


class Hedge(StrEnum):
    """How a writer says that a quantity is not exact."""

    NONE = ""
    ABOUT = "about"
    NEARLY = "nearly"  # a little less
    OVER = "over"  # a little more


@dataclass(frozen=True, slots=True)
class Quantity:
    """One quantity as it stands in a text. `place` is worth one of its last shown digit."""

    text: str
    start: int
    end: int
    kind: Dimension
    value: float
    place: float
    zeros: int = 0  # at the end of a whole number: digits that may be rounded away
    hedge: Hedge = Hedge.NONE
    sign: int = 0  # as written
    is_word: bool = False


_SECONDS = {
    "ns": 1e-9, "µs": 1e-6, "us": 1e-6, "μs": 1e-6, "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "毫秒": 1e-3, "微秒": 1e-6, "s": 1, "sec": 1, "secs": 1, "second": 1,
    "seconds": 1, "秒": 1, "秒钟": 1, "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "分钟": 60, "分": 60, "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600,
    "小时": 3600, "d": 86400, "day": 86400, "days": 86400, "天": 86400, "week": 604800,
    "weeks": 604800, "周": 604800,
}  # fmt: skip
_SIZES = {"b": 1.0, "byte": 1.0, "bytes": 1.0, "字节": 1.0}
for _power, _letter in enumerate("kmgt", 1):
    _SIZES |= {f"{_letter}b": 1000.0**_power, f"{_letter}ib": 1024.0**_power}
    _SIZES |= {f"{_letter}i": 1024.0**_power}
_COUNTS = {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "万": 1e4, "亿": 1e8, "thousand": 1e3,
           "million": 1e6, "billion": 1e9, "千": 1e3, "百万": 1e6}  # fmt: skip
PER = {"s": 1.0, "sec": 1.0, "second": 1.0, "秒": 1.0, "min": 60.0, "minute": 60.0, "分钟": 60.0,
        "h": 3600.0, "hour": 3600.0, "小时": 3600.0, "day": 86400.0, "天": 86400.0}  # fmt: skip
_NUMBER_WORDS = {
    word: value
    for value, words in enumerate(
        ("zero", "one", "two 两", "three 三", "four 四", "five 五", "six 六", "seven 七",
         "eight 八", "nine 九", "ten 十", "eleven", "twelve")
    )
    for word in words.split()
}  # fmt: skip
_FRACTIONS = {
    "half": 1 / 2, "a third": 1 / 3, "one third": 1 / 3, "two thirds": 2 / 3, "a quarter": 1 / 4,
    "one quarter": 1 / 4, "three quarters": 3 / 4, "a fifth": 1 / 5, "a tenth": 1 / 10,
    "一半": 1 / 2, "三分之一": 1 / 3, "三分之二": 2 / 3, "四分之一": 1 / 4, "四分之三": 3 / 4,
    "五分之一": 1 / 5,
}  # fmt: skip
_FACTOR_WORDS = {
    "doubled": 2, "double": 2, "twice": 2, "tripled": 3, "triple": 3, "quadrupled": 4,
    "halved": 0.5, "tenfold": 10, "翻了一倍": 2, "翻倍": 2, "翻了一番": 2, "翻番": 2,
    "增加了一倍": 2, "减半": 0.5,
}  # fmt: skip


def _any(words: Iterable[str]) -> str:
    return "|".join(re2.escape(word) for word in sorted(words, key=len, reverse=True))


_SHARES = {"%", "percent", "percentage point", "percentage points", "个百分点"}
_SIGMAS = {"σ", "sigma"}
_FACTORS = {"×", "x", "倍", "times", "fold"}
_UNITS = {*_SHARES, *_SIGMAS, *_FACTORS, *_SECONDS, *_SIZES}
_UNIT = re2.compile(rf"(?i)[ -]?({_any(_UNITS)})")
_SCALE = re2.compile(rf"[ ]?({_any(_COUNTS)})")
_RATE = re2.compile(
    r"(?:[ ]?(?:requests?|req|errors?|lines?|orders?|messages?|ops?|calls?|events?|times|x|次|条"
    r"|个))?"
    rf"(?:[ ]?/[ ]?|[ ]per[ ]|[ ]an?[ ]|[ ]?每)({_any(PER)})|[ ]?(rps|qps|RPS|QPS)"
)
_TIMES_MORE = re2.compile(
    r"\s*(?:its|the|as|more|higher|slower|larger|above|that|what|usual|normal|their|faster|longer|over"
    r"|greater|lower|fewer|of|worse|bigger|than)\b"
)
_EVERY = re2.compile(r"每(秒|分钟|小时|天)\s*(?:约|大约|近)?\s*$")
_AGO = re2.compile(r"[ ]?(?:ago|earlier|前|之前)")
_NUMBER = re2.compile(r"(×[ ]?|\bx[ ]?)?([-+−±~≈])?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)")
_IDENTIFIERS = re2.compile(
    r"\[(?:E\d+(?:[,;\s]*)?)+\]|\b[A-Z]{2,5}-[\w-]+|\bE\d+\b|\bv\d[\w.-]*|\b\d+\.\d+\.\d+\S*"
    r"|\bp\d{2,3}(?:\.\d)?\b|\bP\d\b|<[@#!][^>]+>|https?://\S+|`[^`]*`"
    r"|\b[A-Za-z][\w.]*[-_/:][\w./:-]*\d[\w./:-]*"
    r"|\b(?:[A-WYZa-wyz]|[A-Za-z]{2,})\d+[A-Za-z]*\b"
    r"|\b\d+(?:th|st|nd|rd)\b|\bport \d+|\b(?:release|version|版本) ?\d[\w.]*"
    r"|\b\d*[a-f][0-9a-f]{7,}\b|\b[45]xx\b|端口 ?\d+"
)
_ISO = re2.compile(
    r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)(?:[T ](?P<h>\d\d):(?P<mi>\d\d)(?::(?P<s>\d\d)"
    r"(?:\.\d+)?)?(?P<zone>Z|[ ]?UTC|[+-]\d\d:?\d\d)?)?"
)
_CLOCK = re2.compile(
    r"\b(?P<h>[01]?\d|2[0-3])[:：](?P<mi>[0-5]\d)(?:[:：](?P<s>[0-5]\d)(?:\.\d+)?)?"
    r"(?P<zone>Z|[ ]?UTC)?"
)
MOST_SPOKEN = 40
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = "|".join(_MONTHS)
_DAY = re2.compile(
    rf"(?i)\b(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?[ ](?P<m1>{_MONTH})[a-z]*"
    rf"|(?P<m2>{_MONTH})[a-z]*[ ](?P<d2>\d{{1,2}})(?:st|nd|rd|th)?\b)"
    r"|(?P<m3>\d{1,2})月(?P<d3>\d{1,2})日"
)
_LONG_UNITS = _any(unit for unit in _SECONDS if len(unit) > 2 and unit.isascii())
_WORDED = re2.compile(
    rf"(?i)\b(?P<number>{_any(w for w in _NUMBER_WORDS if w.isascii())})\b"
    rf"(?:[ -](?P<unit>times|fold|{_LONG_UNITS})\b(?P<ago>[ ](?:ago|earlier))?)?"
    rf"|(?P<zh>{_any(w for w in _NUMBER_WORDS if not w.isascii())})"
    r"(?P<zhunit>倍|分钟|小时|天|秒|次|个|条|台|项)(?P<zhago>前|之前)?"
)
_LISTED = re2.compile(
    rf"(?i)\b(?P<word>{_any(w for w in (*_FRACTIONS, *_FACTOR_WORDS) if w.isascii())})\b"
    rf"|(?P<zh>{_any(w for w in (*_FRACTIONS, *_FACTOR_WORDS) if not w.isascii())})"
)
_SPOKEN = re2.compile(
    r"(?i)\b(?:(?P<half>half )?an? |(?:last|past|within the|one) (?P<short>half )?)"
    r"(?P<unit>hour|minute|day)(?P<ago> (?:ago|earlier))?\b"
)
_LIST_MARK = re2.compile(r"^\s*(?:\d+[.)、]|[-*•])\s+")
_HEDGES: dict[Hedge, object] = {
    Hedge.ABOUT: re2.compile(
        r"(?i)(?:\b(?:about|around|roughly|approximately|approx\.?|circa|some|ca\.?|close to"
        r"|in the order of)|[~≈]|约|大约|大概|左右)\s*(?:the\s|an?\s)?$"
    ),
    Hedge.NEARLY: re2.compile(
        r"(?i)(?:\b(?:nearly|almost|just under|just below|a little under|not quite|shy of)"
        r"|近|将近|接近|几乎|不到)\s*(?:an?\s)?$"
    ),
    Hedge.OVER: re2.compile(
        r"(?i)(?:\b(?:more than|over|just over|just above|a little over|at least|well over"
        r"|upwards of)|超过|逾|至少)\s*(?:an?\s)?$"
    ),
}
_BEHIND = re2.compile(r"^\s?(?P<about>左右|上下|or so|-ish)|^(?P<over>多|余|\+)")


def quantities_in(text: str) -> list[Quantity]:
    """Return the quantities of a text in order, identifiers and list marks left out."""
    bare = _blank(_LIST_MARK, writable(text))
    found, bare = _times(bare)
    bare = _blank(_IDENTIFIERS, bare)
    for reader in (_spoken, _listed, _worded, _plain):
        more, bare = reader(bare, text)
        found += more
    return sorted(found, key=lambda each: each.start)


def _blank(pattern: object, text: str) -> str:
    return pattern.sub(lambda m: " " * len(m[0]), text)  # type: ignore[attr-defined,no-any-return]


def _times(bare: str) -> tuple[list[Quantity], str]:
    found: list[Quantity] = []
    for match in list(_ISO.finditer(bare)):
        day = 100.0 * int(match["mo"]) + int(match["d"])
        found.append(Quantity(match[0], match.start(), match.end(), Dimension.DATE, day, 1))
        if match["h"]:
            found.append(_clock(match, match.start() + 11))
    bare = _blank(_ISO, bare)
    found += [_clock(match, match.start()) for match in _CLOCK.finditer(bare)]
    bare = _blank(_CLOCK, bare)
    for match in list(_DAY.finditer(bare)):
        month = match["m1"] or match["m2"]
        number = _MONTHS.index(month[:3].lower()) + 1 if month else int(match["m3"])
        day = 100.0 * number + int(match["d1"] or match["d2"] or match["d3"])
        found.append(Quantity(match[0], match.start(), match.end(), Dimension.DATE, day, 1))
    return found, _blank(_DAY, bare)


def _clock(match: object, start: int) -> Quantity:
    hours, minutes, seconds = match["h"], match["mi"], match["s"]  # type: ignore[index]
    value = 3600.0 * int(hours) + 60 * int(minutes) + int(seconds or 0)
    text = match[0][start - match.start() :]  # type: ignore[index,attr-defined]
    return Quantity(text, start, start + len(text), Dimension.CLOCK, value, 1 if seconds else 60)


def _hedge(text: str, start: int, end: int) -> Hedge:
    before = text[max(0, start - 24) : start]
    for hedge, pattern in _HEDGES.items():
        if pattern.search(before):  # type: ignore[attr-defined]
            return hedge
    behind = _BEHIND.search(text[end : end + 6])
    if behind is None:
        return Hedge.NONE
    return Hedge.ABOUT if behind["about"] else Hedge.OVER


def _spoken(bare: str, text: str) -> tuple[list[Quantity], str]:
    found = []
    for match in islice(_SPOKEN.finditer(bare), MOST_SPOKEN):
        size = float(_SECONDS[match["unit"].lower()])
        if not (match["ago"] or match["half"] or match["short"] or match[0][:1] in "lpwLPW"):
            continue  # "an hour" alone may be a rate
        value = size / 2 if match["half"] or match["short"] else size
        kind = Dimension.AGO if match["ago"] else Dimension.DURATION
        hedge = _hedge(text, match.start(), match.end())
        span = match.span()
        found.append(
            Quantity(match[0], span[0], span[1], kind, value, value / 2, 0, hedge, is_word=True)
        )
    for each in found:
        bare = bare[: each.start] + " " * (each.end - each.start) + bare[each.end :]
    return found[:MOST_SPOKEN], bare


def _listed(bare: str, text: str) -> tuple[list[Quantity], str]:
    found = []
    for match in list(_LISTED.finditer(bare)):
        word = match[0].lower()
        is_share = word in _FRACTIONS
        if bare[match.end() : match.end() + 9].lower().startswith((" an hour", " a minute")):
            continue
        value = _FRACTIONS[word] if is_share else float(_FACTOR_WORDS[word])
        kind = Dimension.SHARE if is_share else Dimension.FACTOR
        hedge = _hedge(text, match.start(), match.end())
        found.append(
            Quantity(
                match[0],
                match.start(),
                match.end(),
                kind,
                value,
                0.1 * value,
                0,
                hedge,
                is_word=True,
            )
        )
    return found, _blank(_LISTED, bare)


def _worded(bare: str, text: str) -> tuple[list[Quantity], str]:
    found = []
    for match in list(_WORDED.finditer(bare)):
        word = (match["number"] or match["zh"]).lower()
        unit = (match["unit"] or match["zhunit"] or "").lower()
        if word == "one" and unit not in _SECONDS:
            continue
        value, kind, place = float(_NUMBER_WORDS[word]), Dimension.NUMBER, 1.0
        if unit in {"times", "fold", "倍"}:
            is_more = unit != "times" or _TIMES_MORE.match(bare[match.end() : match.end() + 12])
            kind = Dimension.FACTOR if is_more else Dimension.NUMBER
        elif unit in _SECONDS:
            value, place = value * _SECONDS[unit], _SECONDS[unit]
            kind = Dimension.AGO if match["ago"] or match["zhago"] else Dimension.DURATION
        hedge = _hedge(text, match.start(), match.end())
        found.append(
            Quantity(
                match[0], match.start(), match.end(), kind, value, place, 0, hedge, is_word=True
            )
        )
    return found, _blank(_WORDED, bare)


def _plain(bare: str, text: str) -> tuple[list[Quantity], str]:
    found = []
    for match in list(_NUMBER.finditer(bare)):
        before = bare[match.start() - 1 : match.start()] if match.start() else " "
        if (before.isalnum() and before.isascii()) or before in {"_", "."}:
            continue
        found.append(_read(match[1], match[2], match[3], bare, text, match.span()))
    return found, bare


def _next(pattern: re2._Regexp[str], bare: str, end: int) -> tuple[str, int]:
    """Return what follows a number by a pattern, as a word of its own, and where it ends."""
    match = pattern.match(bare[end : end + 32])
    if match is None:
        return "", end
    after = bare[end + match.end() : end + match.end() + 1]
    if (
        match[0][-1].isascii()
        and match[0][-1].isalnum()
        and after.isascii()
        and (after.isalnum() or after == "_")
    ):
        return "", end
    return next(group for group in match.groups() or (match[0],) if group), end + match.end()


def _read(
    times: str, sign: str, shown: str, bare: str, text: str, span: tuple[int, int]
) -> Quantity:
    start, end = span
    digits = shown.replace(",", "")
    decimals = len(digits.partition(".")[2])
    zeros = 0 if decimals or not float(digits) else len(digits) - len(digits.rstrip("0"))
    scale, end = _next(_SCALE, bare, end)
    kind, size = Dimension.NUMBER, _COUNTS.get(scale, 1.0)
    per, after = _next(_RATE, bare, end)
    unit, behind = _next(_UNIT, bare, end) if not scale else ("", end)
    if times:
        kind = Dimension.FACTOR
    elif per:
        kind, size, end = Dimension.RATE, size / PER.get(per, 1.0), after
    elif unit:
        kind, size = _unit(unit)
        end = behind
        if unit.lower() == "times" and not _TIMES_MORE.match(bare[end : end + 12]):
            kind = Dimension.NUMBER  # restarted 9 times
        if kind is Dimension.DURATION and (ago := _AGO.match(bare[end : end + 8])):
            kind, end = Dimension.AGO, end + ago.end()
    elif every := _EVERY.search(bare[max(0, start - 10) : start]):
        kind, size = Dimension.RATE, size / PER[every[1]]
    hedge = Hedge.ABOUT if sign in {"~", "≈"} else _hedge(text, start, end)
    return Quantity(
        text[start:end],
        start,
        end,
        kind,
        float(digits) * size,
        size * 10.0**-decimals,
        zeros,
        hedge,
        {"-": -1, "−": -1, "+": 1}.get(sign or "", 0),
    )


def _unit(unit: str) -> tuple[Dimension, float]:
    small = unit.lower()
    if small in _SHARES:
        return Dimension.SHARE, 0.01
    if small in _SIGMAS:
        return Dimension.SIGMA, 1.0
    if small in _FACTORS:
        return Dimension.FACTOR, 1.0
    if unit in _SECONDS:
        return Dimension.DURATION, float(_SECONDS[unit])
    return Dimension.BYTES, _SIZES.get(small, 1.0)
