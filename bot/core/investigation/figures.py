"""Every figure shown to a person is traced to evidence before it is released.

    model's prose --split--> sentence --figures--> found in the index? --yes--> released
                                                                       --no---> withheld, counted

A figure is a number a person could act on: `412 ms`, `3.2 %`, `14:32`. Identifiers (`E2`,
`PLAN-9c01d4`, `v2.14.0`, `p99`) are not figures. A figure is traced when evidence holds the
same number at the precision shown, in the same or a convertible unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import re2

from bot.domain.answer import Evidence
from foundation.encodings import writable

_TIME = re.compile(r"(?<![\d:])([01]?\d|2[0-3]):([0-5]\d)(?::[0-5]\d)?(?![\d:])")
_DATE = re.compile(
    r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_NUMBER = re.compile(
    r"(?<![\w./:-])[-+−~≈]?(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![\w]*[-:/]\d)"
    r"\s?(%|ms|µs|us|s\b|sec|seconds|min\b|minutes|h\b|hours|days|σ|×|x\b|[kKMGT]i?B\b|MB/s|k\b|M\b|G\b)?"
    r"(?![\w.]*\d\.\d)"
)
_LIST_MARK = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+")
_CODE_OR_ID = re2.compile(  # linear: it looks for a digit that may never come
    r"\[(?:E\d+(?:,\s*)?)+\]|\b[A-Z]{2,5}-[\w-]+|\bE\d+\b|\bv?\d+\.\d+\.\d+\S*|\bp\d{2,3}\b"
    r"|<[@#!][^>]+>|https?://\S+|`[^`\d]*`|\b[A-Za-z][\w]*-[\w-]*\d[\w-]*"
)
# A full stop may stand inside the bold mark it ends; Chinese sentences follow without a blank.
_SENTENCE_END = re.compile(
    r"(?<=[.!?。！？])(?=\s)|(?<=[.!?。！？]\*\*)(?=[^*])|(?<=[。！？])(?=[^*\s。！？”」』）])|\n"
)
_SCALES: dict[str, tuple[float, ...]] = {
    "%": (1.0, 100.0),
    "ms": (1.0, 1e3),
    "µs": (1.0, 1e6),
    "us": (1.0, 1e6),
    "s": (1.0, 1e-3),
    "min": (1.0, 1 / 60),
    "minutes": (1.0, 1 / 60),
    "h": (1.0, 1 / 3600, 1 / 60),
    "hours": (1.0, 1 / 3600, 1 / 60),
    "days": (1.0, 1 / 86400, 1 / 24),
    "kB": (1.0, 1e-3),
    "KB": (1.0, 1e-3),
    "MB": (1.0, 1e-6),
    "GB": (1.0, 1e-9),
    "KiB": (1.0, 2**-10),
    "MiB": (1.0, 2**-20),
    "GiB": (1.0, 2**-30),
    "TiB": (1.0, 2**-40),
    "k": (1e-3, 1.0),
    "M": (1e-6, 1.0),
    "G": (1e-9, 1.0),
}
_MOST_NUMBERS = 200_000  # of one index; beyond that payloads are cut, summaries never


@dataclass(frozen=True, slots=True)
class Figure:
    """One number in prose: its text, value, unit and the decimals it was shown with."""

    text: str
    value: float
    unit: str
    decimals: int


def figures_in(sentence: str) -> list[Figure]:
    """Return the figures of a sentence, identifiers and list marks left out."""
    bare = _LIST_MARK.sub("", sentence)
    bare = _DATE.sub(" ", bare)
    bare = _CODE_OR_ID.sub(" ", writable(bare))
    bare = _TIME.sub(" ", bare)
    found = []
    for match in _NUMBER.finditer(bare):
        digits = match[1].replace(",", "")
        decimals = len(digits.partition(".")[2])
        found.append(Figure(match[0].strip(), float(digits), match[2] or "", decimals))
    return found


def times_in(sentence: str) -> list[str]:
    """Return the clock times of a sentence as `HH:MM`."""
    return [f"{int(h):02d}:{m}" for h, m in _TIME.findall(_LIST_MARK.sub("", sentence))]


class FigureIndex:
    """All numbers and times that evidence and question hold."""

    def __init__(self) -> None:
        """Start empty."""
        self._numbers: set[float] = set()
        self._times: set[str] = set()

    def add(self, evidence: Evidence) -> None:
        """Index one piece of evidence: what the model read and the full result behind it."""
        self.add_text(evidence.summary)
        if evidence.window is not None:
            seconds = evidence.window.duration.total_seconds()
            self._numbers.update((seconds, seconds / 60, seconds / 3600, seconds / 86400))
        for value in _leaves(evidence.payload):
            if len(self._numbers) > _MOST_NUMBERS:
                break
            self._add_leaf(value)

    def add_text(self, text: str) -> None:
        """Index the numbers and times of a text (a summary, the person's question)."""
        for line in text.splitlines():
            self._numbers.update(f.value for f in figures_in(line))
            self._times.update(times_in(line))
            self._times.update(f"{m[11:13]}:{m[14:16]}" for m in _DATE.findall(line) if len(m) > 15)

    def _add_leaf(self, value: Any) -> None:
        if isinstance(value, bool) or value is None:
            return
        if isinstance(value, int | float):
            self._numbers.add(abs(float(value)))
            if 1e9 < value < 1e10:  # epoch seconds
                self._times.add(datetime.fromtimestamp(value, tz=UTC).strftime("%H:%M"))
        elif isinstance(value, str):
            self.add_text(value)

    def untraced(self, sentence: str) -> list[str]:
        """Return the figures and times of a sentence that no evidence holds."""
        missing = [f.text for f in figures_in(sentence) if not self._holds(f)]
        missing += [t for t in times_in(sentence) if t not in self._times]
        return missing

    def _holds(self, figure: Figure) -> bool:
        tolerance = 0.5 * 10**-figure.decimals * 1.0001
        for scale in _SCALES.get(figure.unit, (1.0,)):
            if any(abs(n * scale - figure.value) <= tolerance for n in self._numbers):
                return True
        return False


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _leaves(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _leaves(member)
    else:
        yield value


class Release:
    """Releases prose sentence by sentence; a sentence with an untraced figure is withheld."""

    def __init__(self, index: FigureIndex) -> None:
        """Release against an index that may still grow."""
        self._index = index
        self._held = ""
        self.withheld: list[str] = []  # the figures nobody could trace

    def push(self, text: str) -> Iterable[str]:
        """Add streamed prose; yield the sentences that are complete and traced."""
        self._held += text
        ends = [m.end() for m in _SENTENCE_END.finditer(self._held)]
        if not ends:
            return []
        done, self._held = self._held[: ends[-1]], self._held[ends[-1] :]
        return [kept for sentence in split_sentences(done) if (kept := self._check(sentence))]

    def flush(self) -> Iterable[str]:
        """Yield what is left at the end of the prose."""
        rest, self._held = self._held, ""
        return [kept for sentence in split_sentences(rest) if (kept := self._check(sentence))]

    def _check(self, sentence: str) -> str:
        missing = self._index.untraced(sentence)
        if not missing:
            return sentence
        self.withheld += missing
        return "\n" if sentence.endswith("\n") else ""


def split_sentences(text: str) -> list[str]:
    """Split prose into sentences; every character stays in exactly one of them."""
    cuts = [m.end() for m in _SENTENCE_END.finditer(text)]
    parts, start = [], 0
    for cut in [*cuts, len(text)]:
        if cut > start:
            parts.append(text[start:cut])
            start = cut
    return parts
