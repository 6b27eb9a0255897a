"""How the traced figures of a sentence are said to stand to each other, and whether they do.

"rose from 170 ms to 940 ms"          170 < 940, and 170 is no newest value
"940 ms, above its limit of 500 ms"   940 > 500
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, pairwise

import re2

from bot.core.investigation.figures.quantities import Dimension, Quantity
from bot.core.investigation.figures.sentence import Sentence
from bot.core.investigation.figures.statements import Statement
from bot.core.investigation.figures.words import ValueRole, comparison, direction
from foundation.encodings import writable

_FROM = re2.compile(
    r"(?i)(?:\bfrom|从|由)\s*(?:about |around |roughly |nearly |an? |its |the |usual |约|近|的)*$"
)
_TO = re2.compile(
    r"(?i)^\s*(?:to|→|->|up to|down to|到|至|升到|升至|降到|降至|涨到|增至|增加到|下降到"
    r"|上升到|跌到|跌至|变为|变成)\s*"
    r"(?:about |around |roughly |nearly |almost |more than |over |a |the |约|近)*$"
)
_OF = re2.compile(r"\s?(?:of|out of|/)\s?(?:the |its |all )?$")
_N_OF_M = re2.compile(r"\b(\d{1,6})(?: of |/| out of )(\d{1,6})\b")
_SIDE = re2.compile(r"[,;，；]")
Traced = Mapping[int, list[Statement]]  # by the place of a figure in its sentence


def contradicted(
    sentence: Sentence, traced: Traced, told: Iterable[str] = ()
) -> Iterator[Quantity]:
    """Return the figures that do not stand to each other as the sentence says.

    `told` are the lines of evidence that it cites.
    """
    quantities = sentence.quantities
    yield from _parts(sentence, told)
    for place, first in enumerate(quantities):
        if place + 1 < len(quantities) and _is_course(sentence, first, quantities[place + 1]):
            yield from _course(sentence, place, traced)
        else:
            yield from _compared(sentence, place, traced)
        yield from _moved(sentence, place, traced)


def _parts(sentence: Sentence, told: Iterable[str]) -> Iterator[Quantity]:
    """Hold "three of four" against the lines that tell how many of four."""
    lines: list[dict[float, set[float]]] | None = None
    for part, whole in pairwise(sentence.quantities):
        between = writable(sentence.text[part.end : whole.start])
        if {part.kind, whole.kind} != {Dimension.NUMBER} or not _OF.match(between):
            continue
        if lines is None:
            lines = [_parts_of(text) for text in told]
        known = set().union(*(each.get(whole.value, set()) for each in lines))
        if known and part.value not in known:
            yield part


def _parts_of(text: str) -> dict[float, set[float]]:
    found: dict[float, set[float]] = {}
    for match in islice(_N_OF_M.finditer(writable(text)), 40):
        found.setdefault(float(match[2]), set()).add(float(match[1]))
    return found


def _is_course(sentence: Sentence, first: Quantity, second: Quantity) -> bool:
    between = writable(sentence.text[first.end : second.start])
    return first.kind is second.kind and bool(
        _FROM.search(writable(sentence.before(first))) and _TO.search(between)
    )


def _course(sentence: Sentence, place: int, traced: Traced) -> Iterator[Quantity]:
    first, second = sentence.quantities[place], sentence.quantities[place + 1]
    if first.kind in {Dimension.CLOCK, Dimension.DATE}:
        return
    said = direction(sentence.text[: first.start]) or direction(sentence.clause(first))
    rises = (second.value > first.value) - (second.value < first.value)
    begins, ends = traced.get(place, []), traced.get(place + 1, [])
    is_late = {each.role for each in begins} - {None} == {ValueRole.NOW}
    is_early = {each.role for each in ends} - {None} == {ValueRole.USUAL}
    in_order = _in_order(begins, ends)
    if (said and rises and said != rises) or (is_late and is_early) or in_order is False:
        yield first
        yield second


def _in_order(begins: list[Statement], ends: list[Statement]) -> bool | None:
    """Say whether a line that tells two figures as a course tells them in this order."""
    orders = set()
    for first in begins:
        for second in ends:
            if first.line is second.line:
                low, high = sorted((first.quantity, second.quantity), key=lambda q: q.start)
                between = writable(first.line.text[low.end : high.start])
                if _TO.search(between):
                    orders.add(first.quantity.start < second.quantity.start)
    return None if not orders else True in orders


def _compared(sentence: Sentence, place: int, traced: Traced) -> Iterator[Quantity]:
    """Compare a figure said to be exceeded or not with the one it is held against."""
    quantity = sentence.quantities[place]
    near = _SIDE.split(writable(sentence.before(quantity)))[-1]
    said = comparison(" ".join(near.split()[-7:]))
    held = (ValueRole.LIMIT, ValueRole.USUAL)
    against = [each for each in traced.get(place, []) if each.role in held]
    if any(each.role not in held for each in traced.get(place, [])):
        return
    if not said or not against:
        return
    earlier = [
        each
        for at, each in enumerate(sentence.quantities[:place])
        if each.kind is quantity.kind and traced.get(at)
    ]
    if earlier:
        values = [earlier[-1].value]
    else:
        values = [each.quantity.value for statement in against for each in _beside(statement)]
    if values and all((value - quantity.value) * said < 0 for value in values):
        yield quantity


def _beside(statement: Statement) -> Iterator[Statement]:
    yield from (
        each
        for each in statement.siblings
        if each.role in {ValueRole.NOW, None} and each.quantity.kind is statement.quantity.kind
    )


def _moved(sentence: Sentence, place: int, traced: Traced) -> Iterator[Quantity]:
    """Compare "rose to" or "up by" with what the line says of before, or with its sign."""
    quantity = sentence.quantities[place]
    if quantity.kind in {Dimension.CLOCK, Dimension.DATE, Dimension.AGO, Dimension.FACTOR}:
        return
    near = _SIDE.split(writable(sentence.before(quantity)))[-1]
    behind = _SIDE.split(writable(sentence.behind(quantity)))[0]
    said = direction(near) or comparison(" ".join(behind.split()[:2]))
    found = traced.get(place, [])
    if not said or not found:
        return
    signs = {each.quantity.sign for each in found}
    if signs in ({1}, {-1}) and said not in signs:
        yield quantity
        return
    if not direction(near) or _FROM.search(near):
        return
    for each in found:
        usual = [
            s.quantity.value
            for s in each.siblings
            if s.role is ValueRole.USUAL and s.quantity.kind is quantity.kind
        ]
        if each.role is not ValueRole.NOW or not usual:
            return
        if any((each.quantity.value - value) * said >= 0 for value in usual):
            return
    yield quantity
