"""What evidence says in figures: each with the line it stands in, its role and its topic.

    "- api: latest 648.6 ms; max 1.31 s at 2026-11-20T13:38Z"  [E1]
        648.6 ms   NOW    of api, latency
        1.31 s     HIGH   of api, latency
        13:38      HIGH

The first line of a summary is its head: what it says of a metric holds for the lines below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import re2

from bot.core.investigation.figures.quantities import Dimension, Quantity, quantities_in
from bot.core.investigation.figures.words import ValueRole, first_role, last_role, topics_in
from bot.domain.answer import Evidence
from foundation.encodings import writable

MOST_LINES = 5_000  # of one piece of evidence
MOST_ROWS = 500  # of its payload; the model reads the others by pages, each evidence of its own
MOST_OF_LINE = 200  # figures
LONGEST_LINE = 2_000  # characters; a course of forty values is shorter
_PARTS = re2.compile(r"[;,(){}\[\]|]|: | -> |→|—")
_NAME = re2.compile(r"[A-Za-z0-9][\w.-]*")
_TIME_LIKE = frozenset({"clock", "date"})
_TOGETHER = 40  # bare numbers in one row
_NOT_TOLD = frozenset({"points", "sketch"})  # left to further pages: evidence of their own


@dataclass(frozen=True, slots=True)
class ToldLine:
    """One line of evidence; `names` are its words in small letters, `about` its evidence's."""

    evidence: str
    text: str
    names: frozenset[str]
    about: frozenset[str]
    topics: frozenset[str]
    is_head: bool = False
    is_row: bool = False  # of a payload: its numbers have no units


@dataclass(frozen=True, slots=True)
class Statement:
    """One figure of a line."""

    quantity: Quantity
    line: ToldLine
    role: ValueRole | None
    near: str  # the words before it, for units that stand in a key
    siblings: list[Statement] = field(compare=False, repr=False)  # of its line, itself among them


def lines_of(evidence: Evidence) -> Iterator[ToldLine]:
    """Return the lines of one piece of evidence: its summary, then its payload by rows."""
    arguments = " ".join(str(v) for v in evidence.arguments.values())
    head, *rest = [*evidence.summary.splitlines()[:MOST_LINES], ""]
    about = _names(f"{arguments} {head}")
    topics = topics_in(f"{arguments} {head} {evidence.tool}")
    yield ToldLine(evidence.id, head[:LONGEST_LINE], _names(head), about, topics, is_head=True)
    if asked := _asked(evidence):
        yield ToldLine(evidence.id, asked, frozenset(), about, frozenset(), is_head=True)
    above: ToldLine | None = None
    rows = islice(_rows(evidence.payload), MOST_ROWS)
    for long, is_row in (*((text, False) for text in rest), *((text, True) for text in rows)):
        text = long[:LONGEST_LINE]
        if not text.strip():
            continue
        names, own = _names(text), topics_in(text)
        if text.startswith("  ") and above is not None:  # goes on with the line before
            names, own = names | above.names, own | above.topics
        line = ToldLine(evidence.id, text, names, about, own | topics, is_row=is_row)
        if not text.startswith("  "):
            above = line
        yield line


def _asked(evidence: Evidence) -> str:
    """Return what was asked for as a line: its arguments, and how long its window is."""
    told = [f"{key}: {value}" for key, value in evidence.arguments.items() if value]
    if evidence.window is not None:
        told.append(f"window {evidence.window.duration.total_seconds():.0f} s")
    return ", ".join(told)[:LONGEST_LINE]


def _names(text: str) -> frozenset[str]:
    return frozenset(each.rstrip(".-:").lower() for each in _NAME.findall(writable(text)))


def said(line: ToldLine) -> list[Statement]:
    """Return what a line says in figures."""
    statements: list[Statement] = []
    found = quantities_in(line.text)[:MOST_OF_LINE]
    roles = [_role(line.text, found, place) for place in range(len(found))]
    is_labelled = any(role is not None for role in roles)
    for place, quantity in enumerate(found):
        role = roles[place]
        if quantity.kind in _TIME_LIKE and place and role is None:
            role = roles[place] = roles[place - 1] if _is_beside(line.text, found, place) else None
        if role is None and is_labelled and quantity.kind not in _TIME_LIKE and not line.is_head:
            role = ValueRole.NOW
        start = found[place - 1].end if place else 0
        near = line.text[start : quantity.start][-60:]
        statements += [Statement(each, line, role, near, statements) for each in _dated(quantity)]
    return statements


def _dated(quantity: Quantity) -> list[Quantity]:
    """Read epoch seconds as the date and the clock time that they are."""
    if quantity.kind is Dimension.NUMBER and 1e9 < quantity.value < 1e10:
        day = datetime.fromtimestamp(quantity.value, UTC)
        return [
            replace(quantity, kind=Dimension.DATE, value=100.0 * day.month + day.day),
            replace(quantity, kind=Dimension.CLOCK, value=quantity.value % 86_400),
        ]
    return [quantity]


def _role(text: str, found: list[Quantity], place: int) -> ValueRole | None:
    """Return the role that the words directly before a figure give it, or those directly behind."""
    start = found[place - 1].end if place else 0
    parts = _PARTS.split(writable(text[start : found[place].start]))
    before = parts[-1] if parts[-1].strip() or len(parts) < 2 else parts[-2]  # "before (310 ms)"
    role = last_role(before)
    if role is not None:
        return role
    end = found[place + 1].start if place + 1 < len(found) else len(text)
    behind = _PARTS.split(writable(text[found[place].end : end]))[0]
    return first_role(behind) if len(behind.split()) <= 2 else None


def _is_beside(text: str, found: list[Quantity], place: int) -> bool:
    between = text[found[place - 1].end : found[place].start]
    return between.strip(" T") in {"at", "on", "", "@", "since"} or found[place - 1].kind == "date"


def _rows(payload: Any, depth: int = 0, told: str = "") -> Iterator[str]:
    """Return the rows of a payload as lines, `key=value` each figure or name."""
    if depth > 6:
        return
    if isinstance(payload, Mapping):
        inner = [f"{k}={v}" for k, v in payload.items() if isinstance(v, str | int | float)]
        for key, value in payload.items():
            if isinstance(value, Mapping) and key == "labels":
                inner = [*(f"{k}={v}" for k, v in value.items()), *inner]
        if inner:
            yield f"{told} {', '.join(inner)}".strip()
        for key, value in payload.items():
            if key not in _NOT_TOLD and key != "labels":
                yield from _rows(value, depth + 1, told)
    elif isinstance(payload, list | tuple) and all(isinstance(e, int | float) for e in payload):
        for start in range(0, len(payload), _TOGETHER):
            yield f"{told} " + ", ".join(f"={each}" for each in payload[start : start + _TOGETHER])
    elif isinstance(payload, list | tuple):
        for each in payload[:MOST_LINES]:
            yield from _rows(each, depth + 1, told)
