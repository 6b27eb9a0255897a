"""One sentence of an answer, read for its figures: where each stands and of what it is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from itertools import islice
from zoneinfo import ZoneInfo

import re2

from bot.core.investigation.figures.quantities import PER, Dimension, Quantity, quantities_in
from bot.core.investigation.figures.words import ValueRole, first_role, last_role, topics_in
from foundation.encodings import writable

_CITED = re2.compile(r"\bE[1-9]\d*\b")
_GROUP = re2.compile(r"(?:\[\s*E\d+(?:[,;\s]+E\d+)*\s*\]\s*)+")
_CUTS = re2.compile(r"[;:()—，；：（）。]|, |(?i:\b(?:while|whereas|but|although)\b)|而|但")
_ENDS = re2.compile(
    r"(?i)[;:()\[—，；：（）。]|, |\b(?:and|while|whereas|but|although|then)\b|而|但|和"
)
_OBJECT = re2.compile(
    r"(?i)(?:\b(?:calling|to|from|by|with|via|against|towards?|behind|reaching|on|through)"
    r"|调用|对|向|到|给)\s*(?:the )?[`*]*$"
)
_RANGE = re2.compile(
    r"^\s?(?:to|and|or|of|–|-|—|→|到|至|和)\s?"
    r"(?:about |around |nearly |almost |more than |over |约|近)?$"
)
_HELD = re2.compile(
    r"(?i)^[^,;]{0,24}\b(?:against|versus|vs\.?|compared (?:to|with)|instead of|than|from)"
    r" (?:the |its |a |an |about |usual |normal |only )*$"
)
_PER = re2.compile(r"(?:\s+[\w-]+){1,4}?\s+(?:per|an?|each|every)\s+(second|minute|hour|day)\b")
_EACH = re2.compile(r"(?i)\b(?:every|each|per) (second|minute|hour|day)\b[^,;.]*$")
_IS = re2.compile(
    r"(?i)(?:\b(?:is|are|at|stands|sits|runs|reads|has)|为|是|达|在)\s*"
    r"(?:only |just |still |now |about |around |roughly |nearly |almost |over |approximately |约"
    r"|近)*$"
)
_TOKEN = re2.compile(r"[A-Za-z0-9][\w.-]*")


MOST_FIGURES = 40  # of one sentence
MOST_PARTS = 400  # words, brackets, clauses
NEAR = 200  # characters around a figure


@dataclass(frozen=True)
class Setting:
    """Who and when: what a sentence may mean without saying it."""

    services: frozenset[str] = frozenset()  # in small letters
    now: datetime | None = None
    timezone: str = "UTC"

    @cached_property
    def offset_seconds(self) -> float:
        """How far the clocks of the answer are before UTC."""
        if self.now is None:
            return 0.0
        offset = self.now.astimezone(ZoneInfo(self.timezone)).utcoffset()
        return offset.total_seconds() if offset else 0.0


@dataclass(frozen=True)
class Sentence:
    """A sentence with its figures; `after` is what stands before it."""

    text: str
    after: str = ""
    quantities: tuple[Quantity, ...] = field(default=(), init=False)
    rest: tuple[Quantity, ...] = field(default=(), init=False)  # too many to be traced

    def __post_init__(self) -> None:
        """Read the figures; a number before a range takes the unit behind it."""
        found = quantities_in(self.text)
        object.__setattr__(self, "rest", tuple(found[MOST_FIGURES:]))
        del found[MOST_FIGURES:]
        for place in range(len(found) - 2, -1, -1):
            here, following = found[place], found[place + 1]
            between = self.text[here.end : following.start]
            if (
                here.kind is Dimension.NUMBER
                and following.kind in _WITH_UNIT
                and (_RANGE.match(between) or _HELD.search(writable(between)))
            ):
                size = following.value / _shown(following)
                found[place] = replace(
                    here, kind=following.kind, value=here.value * size, place=here.place * size
                )
        for place in range(1, len(found)):
            here, earlier = found[place], found[place - 1]
            between = writable(self.text[earlier.end : here.start])
            if (
                here.kind is Dimension.NUMBER
                and earlier.kind in _WITH_UNIT
                and _HELD.search(between)
            ):
                size = earlier.value / _shown(earlier)
                found[place] = replace(
                    here, kind=earlier.kind, value=here.value * size, place=here.place * size
                )
        for place, here in enumerate(found):
            end = found[place + 1].start if place + 1 < len(found) else len(self.text)
            per = _PER.match(writable(self.text[here.end : end])) or _EACH.search(
                writable(self.text[max(0, here.start - NEAR) : here.start])
            )
            if here.kind is Dimension.NUMBER and per:
                seconds = float(PER[per[1]])
                found[place] = replace(
                    here,
                    kind=Dimension.RATE,
                    value=here.value / seconds,
                    place=here.place / seconds,
                )
        object.__setattr__(self, "quantities", tuple(found))

    @cached_property
    def cited(self) -> frozenset[str]:
        """The ids of evidence that it names anywhere."""
        return frozenset(_CITED.findall(self.text))

    def cited_by(self, quantity: Quantity) -> frozenset[str]:
        """Return the ids in the first brackets behind a figure, else all of the sentence."""
        for start, group in self._groups:
            if start >= quantity.end:
                return group
        return self.cited

    @cached_property
    def _groups(self) -> list[tuple[int, frozenset[str]]]:
        found = islice(_GROUP.finditer(writable(self.text)), MOST_PARTS)
        return [(each.start(), frozenset(_CITED.findall(each[0]))) for each in found]

    @cached_property
    def _cuts(self) -> list[tuple[int, int]]:
        return [each.span() for each in islice(_CUTS.finditer(writable(self.text)), MOST_PARTS)]

    @cached_property
    def _tokens(self) -> list[tuple[int, str]]:
        found = islice(_TOKEN.finditer(writable(self.text)), MOST_PARTS)
        return [(m.start(), m[0].rstrip(".-").lower().removesuffix("'s")) for m in found]

    def before(self, quantity: Quantity) -> str:
        """Return the text between the figure before and this one."""
        ends = [each.end for each in self.quantities if each.end <= quantity.start]
        return self.text[max(max(ends, default=0), quantity.start - NEAR) : quantity.start]

    def behind(self, quantity: Quantity) -> str:
        """Return the text between this figure and the next."""
        starts = [each.start for each in self.quantities if each.start >= quantity.end]
        end = min(starts, default=len(self.text))
        return self.text[quantity.end : min(end, quantity.end + NEAR)]

    def clause(self, quantity: Quantity) -> str:
        """Return the part of the sentence in which a figure stands."""
        start, end = 0, len(self.text)
        for begin, finish in self._cuts:
            if finish <= quantity.start:
                start = finish
            elif begin >= quantity.end:
                end = begin
                break
        start = max(start, quantity.start - NEAR)
        return self.text[start : min(end, quantity.end + NEAR)]

    def topics(self, quantity: Quantity) -> frozenset[str]:
        """Return what a figure is said to be a value of; nothing where that is left open."""
        before = self.text[max(0, quantity.start - 2 * NEAR) : quantity.start]
        near = _CUTS.split(writable(self.before(quantity)))[-1]
        behind = _ENDS.split(writable(self.behind(quantity)))[0]
        return (
            topics_in(f"{near} {quantity.text} {behind}")
            or topics_in(_CUTS.split(writable(before))[-1])
            or topics_in(before)
            or (frozenset() if quantity.kind is Dimension.CLOCK else self._topics)
        )

    @cached_property
    def _topics(self) -> frozenset[str]:
        """Return whatever the sentence and the one before it speak of."""
        return topics_in(self.text[: 4 * NEAR]) | topics_in(self.after)

    def role(self, quantity: Quantity) -> ValueRole | None:
        """Return which of its values a figure is said to be."""
        near = _CUTS.split(writable(self.before(quantity)))[-1]
        role = last_role(near)
        if role is None:
            words = _ENDS.split(writable(self.behind(quantity)))[0].split()
            role = first_role(" ".join(words[:4])) or last_role(" ".join(words[-1:]))
        return role

    def role_of_clause(self, quantity: Quantity) -> ValueRole | None:
        """Return the role that is named anywhere in the part of the sentence with a figure."""
        start = self.text.find(self.clause(quantity))
        return last_role(self.text[max(0, start, quantity.start - NEAR) : quantity.start])

    def is_plain(self, quantity: Quantity) -> bool:
        """Say whether a figure is what something *is*: it then is the newest value."""
        return bool(_IS.search(writable(self.before(quantity))))

    def is_named_before(self, quantity: Quantity, known: Iterable[str]) -> bool:
        """Say whether a known name stands before a figure."""
        names = frozenset(known)
        return any(at < quantity.start and name in names for at, name in self._tokens)

    def subject(self, quantity: Quantity, known: Iterable[str]) -> str:
        """Return whose a figure is said to be: the nearest name before it, else behind it."""
        names = frozenset(known)
        named = [(at, name) for at, name in self._tokens if name in names]
        before = [(at, name) for at, name in named if at < quantity.start]
        for at, name in reversed(before):  # "a calls b 5 times": a does
            if not _OBJECT.search(writable(self.text[max(0, at - 24) : at])):
                return str(name)
        if before:
            return str(before[-1][1])
        clause = self.clause(quantity).lower()
        for at, name in named:
            if at < quantity.end + NEAR and name in clause:
                return str(name)
        earlier = [m[0].rstrip(".-").lower() for m in _TOKEN.finditer(writable(self.after))]
        return str(next((name for name in reversed(earlier) if name in names), ""))


_WITH_UNIT = frozenset({Dimension.DURATION, Dimension.BYTES, Dimension.SHARE, Dimension.RATE})


def _shown(quantity: Quantity) -> float:
    """Return the number as it is written."""
    digits = "".join(
        c for c in quantity.text.replace(",", "").split()[0] if c.isdigit() or c == "."
    )
    return float(digits.strip(".") or 1) or 1.0


shown = _shown
