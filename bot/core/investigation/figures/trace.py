"""Each figure of a sentence traced to the evidence that it cites, and to whom it is said of.

figure --same kind, honestly rounded--> statements of the cited evidence
       --of that subject, topic, role--> traced
       --none--> derived from traced ones? (`derived`)
traced figures --say how they stand to each other--> do they? (`relations`)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import re2

from bot.core.investigation.figures.quantities import Dimension, Quantity
from bot.core.investigation.figures.rounding import fits, fits_time
from bot.core.investigation.figures.sentence import Sentence, Setting, shown
from bot.core.investigation.figures.statements import Statement, ToldLine
from bot.core.investigation.figures.words import ValueRole, topics_in
from foundation.encodings import writable

_OF_WINDOW = re2.compile(
    r"(?i)\b(?:between|window|from|until|till|as of|now|last|past|over|through|by|ending|hours?"
    r"|snapshot|at)\b"
    r"|截至|窗口|从|到|之间|目前|现在"
)
_BEGAN = re2.compile(
    r"(?i)\b(?:since|began|started|begins?|peak\w*|deploy\w*|onset)\b|以来|开始|起"
)
_MILLI = re2.compile(r"(?i)(?:\b|_)(?:ms|msec|millis(?:econds)?)(?:\b|_)|毫秒")
_SECOND = re2.compile(r"(?i)(?:\b|_)(?:seconds?|secs?)(?:\b|_)|秒")
_PERCENT = re2.compile(r"(?i)(?:\b|_)(?:percent|pct)(?:\b|_)|%")
_LABEL = re2.compile(r"\b\w+=\"?([A-Za-z][\w.-]{2,})")
_ODD = re2.compile(r"[\d._-]")
_ALSO: dict[Dimension, tuple[Dimension, ...]] = {
    Dimension.NUMBER: (Dimension.FACTOR,),
    Dimension.CLOCK: (),
    Dimension.DATE: (),
    Dimension.AGO: (),
}
TIMES = frozenset({Dimension.CLOCK, Dimension.DATE})


@dataclass(frozen=True)
class Pool:
    """What may prove a sentence: the lines of some evidence, each with its statements."""

    told: Sequence[tuple[ToldLine, list[Statement]]]
    setting: Setting

    @cached_property
    def statements(self) -> list[Statement]:
        """All statements."""
        return [each for _, said in self.told for each in said]

    @cached_property
    def by_kind(self) -> dict[Dimension, list[Statement]]:
        """The statements by what they measure."""
        found: dict[Dimension, list[Statement]] = defaultdict(list)
        for each in self.statements:
            found[each.quantity.kind].append(each)
        return found

    def alike(self, quantity: Quantity) -> Iterator[Statement]:
        """Return the statements that a figure could be of, by their kind."""
        for kind in dict.fromkeys((quantity.kind, *_ALSO.get(quantity.kind, (Dimension.NUMBER,)))):
            yield from self.by_kind.get(kind, ())

    @cached_property
    def lines(self) -> list[ToldLine]:
        """All lines, those without a figure among them."""
        return [line for line, _ in self.told]

    @cached_property
    def known(self) -> frozenset[str]:
        """Names that a sentence may speak of: services, and odd words that evidence holds."""
        odd = {
            name
            for line in self.lines
            for name in line.names | line.about
            if len(name) > 2 and _ODD.search(writable(name)) and not name.replace(".", "").isdigit()
        }
        labels = {
            value.lower() for line in self.lines for value in _LABEL.findall(writable(line.text))
        }
        return self.setting.services | frozenset(odd) | labels

    def of(self, evidence: frozenset[str]) -> Pool:
        """Return the pool of some evidence; of all where none of it is here."""
        some = [each for each in self.told if each[0].evidence in evidence]
        return Pool(some, self.setting) if some or evidence else self

    def services_of(self, names: Iterable[str]) -> frozenset[str]:
        """Return the services that names speak of: themselves, their pods, their metrics."""
        return frozenset(s for name in names if (s := self._service(name)))

    def _service(self, name: str) -> str:
        found = [
            s
            for s in self.setting.services
            if name == s or name.startswith((f"{s}-", f"{s}_", f"{s}.", f"{s}@"))
        ]
        return max(found, key=len, default="")

    def is_of(self, line: ToldLine, subject: str) -> bool:
        """Say whether a line may speak of a subject."""
        if not subject:
            return True
        if subject in line.names:
            return True
        service = subject if subject in self.setting.services else ""
        named = self.services_of(line.names)
        if service:
            if named:
                return service in named
            about = self.services_of(line.about)
            return service in about or not about
        if subject in line.about:
            return True
        of = self._service(subject)
        return bool(of) and not named and of in self.services_of(line.about)


def direct(sentence: Sentence, quantity: Quantity, pool: Pool) -> list[Statement]:
    """Return the statements that a figure may repeat."""
    subject = sentence.subject(quantity, pool.known)
    is_weak = not sentence.is_named_before(quantity, pool.known)
    topics = sentence.topics(quantity)
    role = sentence.role(quantity)
    if role is None and quantity.kind not in TIMES and sentence.is_plain(quantity):
        role = ValueRole.NOW
    return [
        each
        for each in pool.alike(quantity)
        if is_equal(quantity, each, pool.setting)
        and (pool.is_of(each.line, subject) or (is_weak and each.line.is_head))
        and (quantity.kind in TIMES or agrees(role, each.role))
        and is_about(topics, each)
        and _is_placed(sentence, quantity, each, role)
    ]


def is_about(topics: frozenset[str], statement: Statement) -> bool:
    """Say whether a statement may be of one of these topics."""
    own = statement.line.topics | topics_in(statement.near)
    return not topics or not own or bool(topics & own)


def agrees(said: ValueRole | None, told: ValueRole | None) -> bool:
    """Say whether a figure may be told in a role that evidence gives it."""
    if said is None or told is None or said is told:
        return True
    return {said, told} == {ValueRole.USUAL, ValueRole.MEAN}


def is_equal(quantity: Quantity, statement: Statement, setting: Setting) -> bool:
    """Say whether a figure may be a rounding of a statement's."""
    told = statement.quantity
    if quantity.kind is Dimension.CLOCK:
        return told.kind is Dimension.CLOCK and fits_time(
            quantity, local(told.value, quantity, setting)
        )
    if quantity.kind is Dimension.DATE:
        return told.kind is Dimension.DATE and quantity.value == told.value
    if quantity.kind is told.kind:
        return _signs_agree(quantity, told) and fits(quantity, told.value)
    if Dimension.FACTOR in {quantity.kind, told.kind} and Dimension.NUMBER in {
        quantity.kind,
        told.kind,
    }:
        is_count = "x" in told.text or "x" in quantity.text or told.is_word
        return is_count and fits(quantity, told.value)
    if told.kind is Dimension.NUMBER and quantity.kind is not Dimension.AGO:
        return any(fits(quantity, each) for each in _readings(quantity, statement))
    return False


def _signs_agree(quantity: Quantity, told: Quantity) -> bool:
    return not quantity.sign or not told.sign or quantity.sign == told.sign


def _readings(quantity: Quantity, statement: Statement) -> list[float]:
    """Return what a number without a unit may mean in a figure's kind, by the words around it.

    A row of a payload names no units: there the number may be the one that is shown.
    """
    value, near = statement.quantity.value, writable(statement.near)
    around = f"{near} {writable(statement.line.text[:300])}"
    size = quantity.value / shown(quantity)
    as_shown = [value, value * size] if statement.line.is_row else []
    if quantity.kind is Dimension.DURATION:
        if _MILLI.search(near):
            return [value / 1e3]
        return [value] if _SECOND.search(around) else as_shown
    if quantity.kind is Dimension.SHARE:
        return [value / 100] if _PERCENT.search(near) else as_shown or [value]
    return as_shown or ([value] if quantity.kind is Dimension.BYTES else [])


def local(seconds: float, quantity: Quantity, setting: Setting) -> float:
    """Return a UTC clock time as the people of the answer read theirs."""
    if quantity.text.rstrip().endswith(("Z", "UTC")) or setting.timezone == "UTC":
        return seconds
    return (seconds + setting.offset_seconds) % 86_400


def _is_placed(
    sentence: Sentence, quantity: Quantity, statement: Statement, role: ValueRole | None
) -> bool:
    """Say whether a clock time may be that of its statement.

    The ends of a window stand in every head: they are no time at which anything began.
    """
    if quantity.kind not in TIMES:
        return True
    near = writable(sentence.before(quantity))
    if statement.line.is_head and quantity.kind is Dimension.CLOCK:
        return bool(_OF_WINDOW.search(near)) and not _BEGAN.search(near[-24:])
    role = role or sentence.role_of_clause(quantity)
    return statement.role is None or role is None or agrees(role, statement.role)
