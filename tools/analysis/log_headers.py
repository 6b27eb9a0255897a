"""What every line of a stream begins with: its header, learned from the first lines.

    2015-10-18 18:01:47,978 INFO [main] app.Master: Created …
    └──────── time ───────┘ level └box┘ └ source ┘  message
    Dec 10 06:55:46 LabSZ sshd[24200]: Invalid user …
    └──── time ───┘ words └ source ─┘ message

A *kind* is what a field looks like. The header is the sequence of kinds with which nearly all lines
begin, up to the last kind that rarely begins a message. Where no such sequence is found, and for
lines that do not have it, only times and levels are taken off.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

LEARN_LINES = 200  # that teach the header of a stream
LOOK_AT = 100  # of them, evenly
LEAST_LINES = 20  # fewer teach nothing
SUPPORT = 0.9  # share of the lines that must agree on the next kind
LEAST_OPENINGS = 2  # sentences after a header: a stream of one sentence has no visible header
MAX_FIELDS = 12
MAX_WORDS = 5  # in a row

_MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_DAY = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_CLOCK = r"\d{1,2}:\d{1,2}(?::\d{1,2}(?:[.,:]\d+)?)?(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d)\b)?"
_NAMED_DATE = rf"(?:{_DAY},?\s+)?{_MONTH}\s+\d\d?,?(?:\s+\d{{4}})?"
_DATE = (
    rf"(?:\d{{4}}[-./]\d\d?[-./]\d\d?|\d\d?[-./]\d\d?[-./]\d{{2,4}}|\d\d?[-./](?:\d\d?|{_MONTH})"
    rf"(?:[-./]\d{{4}})?|\d\d?\s{_MONTH}\s\d{{4}}|{_NAMED_DATE}|\d{{8}})"
)
_TIME = (
    rf"(?:{_NAMED_DATE}\s+{_CLOCK}(?:\s+\d{{4}})?|{_DATE}[T\s:\-]\s*{_CLOCK}|{_DATE}(?:-\d\d\.\d\d\.\d\d[.\d]*)?|{_CLOCK}"
    r"|\d{6}\s\d{6}|1\d{9}(?:\d{3}|\.\d+)?)"
)
_LEVEL = (
    r"(?i:trace|debug|verbose|info|information|notice|warn|warning|error|err|severe|crit|critical"
    r"|alert|emerg|fatal|panic)"
)
_END = r"(?:\s*\|\s*|[,:]?\s+)"
KINDS: dict[str, str] = {
    "time": rf"(?:\[{_TIME}\]|{_TIME}){_END}",
    "level": rf"(?:\[{_LEVEL}\]|<{_LEVEL}>|{_LEVEL}|[VDIWEF](?=\s+\S+:)){_END}",
    "box": r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]:?\s+",
    "piped": r"[^\s|]+\s*\|\s*",
    "source": r"[A-Za-z_/][^\s:=\"']*(?::[^\s:=\"']+)*:\s+",
    "rule": r"(?:--?|\|)\s+",
    "number": r"\d+\s+",
}
_WORD = r"\S+\s+"
_WORDS = rf"(?:{_WORD}){{1,{MAX_WORDS}}}?"
_ENDING = frozenset({"time", "level", "box", "piped", "source", "rule"})
_FIELD = re.compile("|".join(f"(?P<{name}>{form})" for name, form in KINDS.items()))
_DIGIT = re.compile(r"\d")
_ANY = re.compile(_WORD)
_PLAIN = re.compile(rf"\s*(?:{KINDS['time']}){{1,2}}(?:{KINDS['level']})?")


class Header:
    """Takes the header off the lines of one stream."""

    def __init__(self, kinds: Sequence[str] = ()) -> None:
        """Take the kinds of a learned header; none: times and levels alone."""
        self.kinds = tuple(kinds)
        self._learned = re.compile(r"\s*" + _expression(self.kinds)) if kinds else None

    def message_of(self, text: str) -> str:
        """Return the message of a line."""
        match = self._learned.match(text) if self._learned else None
        if match is None:
            match = _PLAIN.match(text)
        return text[match.end() :] if match else text


def _expression(kinds: Sequence[str]) -> str:
    """Return the header's expression; a line may break it off behind any kind that can end it."""
    found = ""
    for i in reversed(range(len(kinds))):
        form = f"(?:{KINDS[kinds[i]]})" if kinds[i] in KINDS else _WORDS
        rest = f"(?:{found})?" if found and kinds[i] in _ENDING else found
        found = form + rest
    return found


def kinds_of(text: str) -> tuple[str, ...]:
    """Return the kinds a line begins with, each run of plain words as one `words`."""
    found: list[str] = []
    at, run = len(text) - len(text.lstrip()), 0
    text += " "
    while len(found) < MAX_FIELDS and at < len(text):
        match = _FIELD.match(text, at)
        kind = match.lastgroup if match else "words"
        if kind == "rule" and not found:
            kind = "words"  # a dash before everything is a column without a value
        if match is None:
            match = _ANY.match(text, at)
        if match is None:
            break
        run = run + 1 if kind == "words" else 0
        if run > MAX_WORDS:
            break  # in the message
        if kind and run <= 1:
            found.append(kind)
        at = match.end()
    return tuple(found)


def learn(lines: Sequence[str]) -> Header:
    """Return the header that these lines share."""
    rows = [kinds for kinds in map(kinds_of, lines[:: max(1, len(lines) // LOOK_AT)]) if kinds]
    if len(rows) < LEAST_LINES:
        return Header()
    header = Header(_shared(rows))
    if not header.kinds:
        return header
    openings = {_opening(header.message_of(line)) for line in lines}
    return header if len(openings) >= LEAST_OPENINGS else Header()


def _opening(message: str) -> tuple[str, ...]:
    """Return the words without digits among the first of a message."""
    return tuple(word for word in message.split(None, 4)[:4] if not _DIGIT.search(word))


def _shared(rows: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the kinds nearly all rows begin with, up to the last that ends a header."""
    first, count = Counter(row[0] for row in rows).most_common(1)[0]
    if count < len(rows) / 2:
        return ()
    rows = [row for row in rows if row[0] == first]
    shared = [first]
    needed = SUPPORT * len(rows)
    while True:
        depth = len(shared)
        rows = [row for row in rows if len(row) > depth]
        if not rows:
            break
        kind, count = Counter(row[depth] for row in rows).most_common(1)[0]
        if count < needed:
            break
        shared.append(kind)
        rows = [row for row in rows if row[depth] == kind]
    while shared and not _ends(shared):
        shared.pop()
    return tuple(shared) if {"time", "level"} & set(shared) else ()


def _ends(kinds: Sequence[str]) -> bool:
    """Whether a header may end here: a number only right behind another field."""
    return kinds[-1] in _ENDING or (
        kinds[-1] == "number" and len(kinds) > 1 and kinds[-2] != "words"
    )
