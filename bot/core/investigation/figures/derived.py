"""Figures that evidence does not hold but that follow from what it holds: ratios, sums, times.

Only a few things follow, so that not every number can be made from others: what a sentence compares
must be its own figures, or the newest and the usual value of the line that it speaks of.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise

import re2

from bot.core.investigation.figures.quantities import Dimension, Quantity
from bot.core.investigation.figures.rounding import fits
from bot.core.investigation.figures.sentence import Sentence
from bot.core.investigation.figures.statements import Statement, ToldLine
from bot.core.investigation.figures.trace import Pool, agrees, is_about
from bot.core.investigation.figures.words import ValueRole
from foundation.encodings import writable

MOST_ADDENDS = 6
MOST_TIMES = 300  # of evidence, between which a duration may lie
_TOTAL = re2.compile(
    r"(?i)\b(?:together|total\w*|sum|combined|in all|altogether|both|makes?|making|overall|all)\b"
    r"|合计|一共|总共|共|总计|加起来|两者"
)
_DIFFERENCE = re2.compile(
    r"(?i)\b(?:above|below|more|less|fewer|over|under|higher|lower|slower|faster|longer|shorter|later|by"
    r"|increase|decrease|difference|gap|left|free|remaining|remain|headroom|short|extra|additional|added|up|down)\b"
    r"|高于|低于|超过|超出|多|少|剩余|剩|差|增加|减少|上升|下降|高出|高了|低了"
)
_APART = re2.compile(
    r"(?i)\b(?:after|before|later|earlier|within|for|since|lasted|lasting|took|apart|between|last|past|until|during|over|in|ago|delay)\b"
    r"|后|前|之后|之前|以来|持续|内|过去|最近|间隔|历时"
)
_LIMITED = re2.compile(
    r"(?i)\b(?:limit|quota|capacity|of its|of the|allowed|threshold)\b|上限|限额|配额|阈值"
)
_WORD = re2.compile(r"[a-z][a-z0-9-]{3,}")
MEASURED = frozenset(
    {
        Dimension.DURATION,
        Dimension.BYTES,
        Dimension.SHARE,
        Dimension.RATE,
        Dimension.NUMBER,
        Dimension.SIGMA,
    }
)


def is_derived(sentence: Sentence, quantity: Quantity, traced: list[Quantity], pool: Pool) -> bool:
    """Say whether a figure follows from the traced ones, or from the lines that it speaks of."""
    if quantity.kind in {Dimension.AGO, Dimension.DURATION} and _is_span(sentence, quantity, pool):
        return True
    if quantity.kind in {Dimension.FACTOR, Dimension.SHARE}:
        return any(fits(quantity, each) for each in _ratios(sentence, quantity, traced, pool))
    if quantity.kind is Dimension.NUMBER and _is_counted(sentence, quantity, pool):
        return True
    if quantity.kind is Dimension.RATE:
        return any(fits(quantity, each) for each in _rates(traced, pool))
    around = writable(f"{sentence.before(quantity)} {sentence.behind(quantity)[:40]}")
    if _TOTAL.search(writable(sentence.text)) and any(
        fits(quantity, each) for each in _sums(sentence, quantity, traced, pool)
    ):
        return True
    return bool(_DIFFERENCE.search(around)) and any(
        fits(quantity, abs(a - b)) for a, b in _pairs(sentence, quantity, traced, pool)
    )


# ---------------------------------------------------------------------- ratios and differences


def _ratios(
    sentence: Sentence, quantity: Quantity, traced: list[Quantity], pool: Pool
) -> Iterator[float]:
    for a, b in _pairs(sentence, quantity, traced, pool):
        if a == 0 or b == 0:
            continue
        yield a / b
        if quantity.kind is Dimension.SHARE:
            yield abs(a - b) / b
            if quantity.is_word or "by" in sentence.before(quantity):
                yield b / a if b < a else a / b
    if quantity.kind is Dimension.SHARE:
        for told in _lines(sentence, quantity, pool):
            numbers = [s.quantity.value for s in told if _is_count(s)]
            yield from (a / b for a, b in pairwise(numbers) if 0 < a <= b)


def _pairs(
    sentence: Sentence, quantity: Quantity, traced: list[Quantity], pool: Pool
) -> Iterator[tuple[float, float]]:
    """Return what may be compared: the sentence's own figures, else those of its line."""
    same = [q for q in traced if q is not quantity and q.kind in MEASURED]
    if quantity.kind not in {Dimension.FACTOR, Dimension.SHARE}:
        same = [q for q in same if q.kind is quantity.kind]
    own = [(a, b) for a, b in combinations(same, 2) if a.kind is b.kind]
    if own:
        yield from ((x.value, y.value) for a, b in own for x, y in ((a, b), (b, a)))
        if quantity.kind in {Dimension.FACTOR, Dimension.SHARE}:
            return
    kinds = {q.kind for q in same} or MEASURED
    for said in _lines(sentence, quantity, pool):
        told = [s for s in said if s.quantity.kind in kinds]
        limited = _LIMITED.search(writable(sentence.text))
        others = (ValueRole.LIMIT,) if limited else (ValueRole.USUAL,)
        for now in (s for s in told if s.role in {ValueRole.NOW, ValueRole.HIGH, None}):
            for usual in (s for s in told if s.role in others):
                pair = (now.quantity.value, usual.quantity.value)
                if _may_compare(now, usual, same):
                    yield pair
                    if quantity.kind is not Dimension.FACTOR:
                        yield pair[1], pair[0]


def _may_compare(now: Statement, usual: Statement, same: list[Quantity]) -> bool:
    """Say whether two statements are what a sentence compares: a figure it names is one of them."""
    if now.quantity.kind is not usual.quantity.kind:
        return False
    return not same or any(
        q.kind is s.quantity.kind and fits(q, s.quantity.value) for q in same for s in (now, usual)
    )


def _lines(sentence: Sentence, quantity: Quantity, pool: Pool) -> Iterator[list[Statement]]:
    subject = sentence.subject(quantity, pool.known)
    topics = sentence.topics(quantity)
    for line, said in pool.told:
        if pool.is_of(line, subject) and (not topics or not line.topics or topics & line.topics):
            yield said


def _rates(traced: list[Quantity], pool: Pool) -> Iterator[float]:
    """Return how often something came per second: a count told, over a time told or the window."""
    counts = [q.value for q in traced if q.kind is Dimension.NUMBER]
    times = [q.value for q in traced if q.kind is Dimension.DURATION]
    times += [
        s.quantity.value
        for s in pool.by_kind.get(Dimension.DURATION, ())
        if s.line.is_head and s.near.endswith("window ")
    ]
    yield from (count / seconds for count in counts for seconds in times if seconds)


# ---------------------------------------------------------------------- sums and counts


def _sums(
    sentence: Sentence, quantity: Quantity, traced: list[Quantity], pool: Pool
) -> Iterator[float]:
    own = [q.value for q in traced if q is not quantity and q.kind is quantity.kind]
    if len(own) >= 2:
        yield sum(own)
        return
    subject = sentence.subject(quantity, pool.known)
    same = [s for s in pool.statements if _is_alike(quantity, s) and pool.is_of(s.line, subject)]
    for role in (*ValueRole, None):
        columns: dict[int, float] = {}
        for each in same:
            if each.role is role and not each.line.is_head:
                columns.setdefault(id(each.line), each.quantity.value)
        values = list(columns.values())
        if len(values) >= 2:
            yield sum(values)
            if len(values) <= MOST_ADDENDS:
                yield from (a + b for a, b in combinations(values, 2))


def _is_alike(quantity: Quantity, statement: Statement) -> bool:
    if quantity.kind is Dimension.NUMBER:
        return _is_count(statement)
    return statement.quantity.kind is quantity.kind


def _is_count(statement: Statement) -> bool:
    told = statement.quantity
    return told.kind is Dimension.NUMBER or (told.kind is Dimension.FACTOR and "x" in told.text)


def _is_counted(sentence: Sentence, quantity: Quantity, pool: Pool) -> bool:
    """Say whether a small number counts lines: those of a subject, or those that hold its words."""
    if quantity.value > 50 or quantity.value != int(quantity.value):
        return False
    subject = sentence.subject(quantity, pool.known)
    lines = [line for line in pool.lines if not line.is_head]
    counts = {sum(1 for line in lines if subject and subject in _named(pool, line))}
    words = _WORD.findall(writable(sentence.behind(quantity)[:60].lower()))[:4]
    for word in words:
        if word in pool.known:
            continue
        stem = word[:5].removesuffix("s")
        holding = [line for line in lines if stem in line.text.lower()]
        counts |= {len(holding)}
        if subject:
            counts.add(sum(1 for line in holding if subject in _named(pool, line)))
    return int(quantity.value) in counts - {0}


def _named(pool: Pool, line: ToldLine) -> frozenset[str]:
    return line.names | pool.services_of(line.names)


# ---------------------------------------------------------------------- spans of time


def _is_span(sentence: Sentence, quantity: Quantity, pool: Pool) -> bool:
    """Say whether a duration lies between two times that evidence or sentence name."""
    times = sorted(set(_moments(sentence, quantity, pool)))[:MOST_TIMES]
    now = pool.setting.now
    at = now.hour * 3600 + now.minute * 60 + now.second if now else None
    if quantity.kind is Dimension.AGO:
        return at is not None and any(_fits_span(quantity, (at - t) % 86_400) for t in times)
    told = [q.value for q in sentence.quantities if q.kind is Dimension.CLOCK]
    if len(told) >= 2:
        return any(_fits_span(quantity, abs(a - b)) for a, b in combinations(told, 2))
    if told and at is not None and _fits_span(quantity, (at - _utc(told[0], pool)) % 86_400):
        return True
    if not _APART.search(writable(f"{sentence.before(quantity)} {sentence.behind(quantity)[:30]}")):
        return False
    spans = [abs(a - b) for a in times for b in times]
    spans += [(at - t) % 86_400 for t in times] if at is not None else []
    return any(_fits_span(quantity, each) for each in spans if each)


def _moments(sentence: Sentence, quantity: Quantity, pool: Pool) -> Iterator[float]:
    subject, topics = sentence.subject(quantity, pool.known), sentence.topics(quantity)
    role = sentence.role_of_clause(quantity)
    for each in pool.statements:
        if each.quantity.kind is Dimension.CLOCK and not each.line.is_head:
            is_its = pool.is_of(each.line, subject) or quantity.kind is Dimension.DURATION
            its_topic = quantity.kind is Dimension.DURATION or is_about(topics, each)
            if is_its and its_topic and (each.role is None or agrees(role, each.role)):
                yield each.quantity.value


def _utc(seconds: float, pool: Pool) -> float:
    """Return a clock time as the people of the answer read theirs in UTC."""
    return seconds - pool.setting.offset_seconds


def _fits_span(quantity: Quantity, seconds: float) -> bool:
    """Say whether a span may be told so: a minute, or half of its last unit, is given away."""
    if fits(quantity, seconds):
        return True
    slack = 61.0 if quantity.place == 60 else 0.0
    if quantity.place >= 3600:
        slack = 0.25 * quantity.place
    return abs(seconds - quantity.value) < slack
