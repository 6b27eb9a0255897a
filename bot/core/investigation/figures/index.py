"""The figures of everything that a run found out, and which figures of a sentence it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bot.core.investigation.figures.derived import is_derived
from bot.core.investigation.figures.quantities import Dimension, Quantity, quantities_in
from bot.core.investigation.figures.relations import contradicted
from bot.core.investigation.figures.rounding import fits
from bot.core.investigation.figures.sentence import MOST_FIGURES, Sentence, Setting
from bot.core.investigation.figures.statements import Statement, ToldLine, lines_of, said
from bot.core.investigation.figures.trace import Pool, direct
from bot.domain.answer import Evidence

_MOST_STATEMENTS = 100_000  # of one run; what comes later is not read
NOBODY = Setting()


def _meanings(quantity: Quantity) -> Iterator[Quantity]:
    """Return what a figure may mean: "four times" counts, or says how much more something is."""
    yield quantity
    if quantity.kind is Dimension.NUMBER and quantity.text.endswith("times"):
        yield replace(quantity, kind=Dimension.FACTOR)


class FigureIndex:
    """Evidence and question of one run, read for their figures."""

    def __init__(self) -> None:
        """Start empty."""
        self._evidence: list[Evidence] = []
        self._read: dict[int, list[tuple[ToldLine, list[Statement]]]] = {}  # by its place there
        self._asked: list[Quantity] = []  # figures of the question, which may be repeated
        self._count = 0

    def add(self, evidence: Evidence) -> None:
        """Take one piece of evidence: what the model read and the full result behind it."""
        self._evidence.append(evidence)

    def add_text(self, text: str) -> None:
        """Take a text whose figures may be repeated: the person's question."""
        self._asked += quantities_in(text)[:MOST_FIGURES]

    def untraced(self, sentence: str, after: str = "", setting: Setting = NOBODY) -> list[Quantity]:
        """Return the figures that a sentence has from nowhere; `after` stands before it."""
        read = Sentence(sentence, after)
        if not read.quantities:
            return []
        cited = Pool(self._told(read.cited), setting)
        traced: dict[int, list[Statement]] = {}
        open_ones: list[int] = []
        pools: dict[frozenset[str], Pool] = {read.cited: cited}
        for place, quantity in enumerate(read.quantities):
            ids = read.cited_by(quantity)
            pool = pools.get(ids) or pools.setdefault(ids, cited.of(ids))
            found = direct(read, quantity, pool)
            if found or self._is_asked(quantity):
                traced[place] = found
            else:
                open_ones.append(place)
        known = [read.quantities[place] for place in traced]
        missing = [
            read.quantities[place]
            for place in open_ones
            if not any(
                is_derived(read, each, known, cited) for each in _meanings(read.quantities[place])
            )
        ]
        missing += [*contradicted(read, traced, (line.text for line in cited.lines)), *read.rest]
        return sorted(set(missing), key=lambda each: each.start)

    def _told(self, cited: frozenset[str]) -> list[tuple[ToldLine, list[Statement]]]:
        """Return what the cited evidence says, all of it where none is: read when it is needed."""
        are_there = any(each.id in cited for each in self._evidence)
        found: list[tuple[ToldLine, list[Statement]]] = []
        for place, each in enumerate(self._evidence):
            if are_there and each.id not in cited:
                continue
            if place not in self._read and self._count <= _MOST_STATEMENTS:
                self._read[place] = [(line, said(line)) for line in lines_of(each)]
                self._count += sum(len(statements) for _, statements in self._read[place])
            found += self._read.get(place, [])
        return found

    def _is_asked(self, quantity: Quantity) -> bool:
        return any(
            asked.kind is quantity.kind
            and (
                asked.value == quantity.value
                if asked.kind is Dimension.CLOCK
                else fits(quantity, asked.value)
            )
            for asked in self._asked
        )
