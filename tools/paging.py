"""The full result behind a summary, as pages of text that the model and people can turn.

page 1        the summary, as it was shown
page 2, 3 …   what was cut from it, then the payload, row by row
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools import tokens

MOST_BYTES = 4_000_000  # of one payload kept as evidence, as JSON; the rest is left out, and told
PAGE_TOKENS = 3_600  # leaves room for the line that says where one is
_IN_A_ROW = 20  # plain values on one line
_MOST_PER_CHARACTER = 4  # tokens


@dataclass(frozen=True, slots=True)
class Page:
    """One page: lines `first` to `last` of `lines` (counted from 1)."""

    number: int
    text: str
    first: int
    last: int
    lines: int

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.last >= self.lines


def page_of(
    summary: str, rest: str, payload: Any, number: int, budget: int = PAGE_TOKENS
) -> Page | None:
    """Return one page, None when there is none of that number. Page 1 is the summary."""
    told = [*(rest.split("\n") if rest else ()), *lines_of(payload)]
    lines = [part for line in told for part in _short(line, budget)]
    if number == 1:
        return Page(1, summary, 0, 0, len(lines))
    at, page = 0, 1
    while at < len(lines):
        end, spent = at, 0
        while end < len(lines):
            spent += tokens.estimate(lines[end]) + 1  # its line end
            if spent > budget and end > at:
                break
            end += 1
        page += 1
        if page == number:
            return Page(number, "\n".join(lines[at:end]), at + 1, end, len(lines))
        at = end
    return None


def _short(line: str, budget: int) -> Iterator[str]:
    """Yield a line in parts that each fit on a page, whatever they cost."""
    size = max(1, budget // _MOST_PER_CHARACTER - 1)
    for start in range(0, len(line), size):
        yield line[start : start + size]
    if not line:
        yield line


def lines_of(value: Any, indent: str = "") -> list[str]:
    """Return plain JSON as lines a person reads; every value of it is there."""
    return list(_lines(value, indent))


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if _is_plain(member):
                yield f"{indent}{_text(key)}: {_text(member)}"
            elif member:
                yield f"{indent}{_text(key)}:"
                yield from _lines(member, f"{indent}  ")
    elif isinstance(value, list | tuple):
        yield from _items(value, indent)
    elif value is not None:
        yield f"{indent}{_text(value)}"


def _items(value: list[Any] | tuple[Any, ...], indent: str) -> Iterator[str]:
    """Yield a row per item: short ones side by side, nested ones below their number."""
    if all(_is_plain(each) or _is_pair(each) for each in value):
        for start in range(0, len(value), _IN_A_ROW):
            yield indent + ", ".join(_text(each) for each in value[start : start + _IN_A_ROW])
        return
    for number, each in enumerate(value, start=1):
        if isinstance(each, dict) and all(_is_plain(member) for member in each.values()):
            told = (f"{_text(k)}={_text(v)}" for k, v in each.items() if v not in (None, ""))
            yield f"{indent}- {'; '.join(told)}"
        else:
            yield f"{indent}- {number}"
            yield from _lines(each, f"{indent}  ")


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _is_pair(value: Any) -> bool:
    """Whether this is one sample: a time and a value."""
    return isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_plain, value))


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_text(each) for each in value)
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.12g}"
    return str(value).replace("\n", "⏎ ")


def fitted(value: Any, budget: int = MOST_BYTES) -> tuple[Any, int]:
    """Return the value with as many members as fit, in order, and how many were left out."""
    left = _Budget(budget)
    return left.cut(value), left.out


class _Budget:
    """Counts JSON bytes down while a value is copied."""

    def __init__(self, size: int) -> None:
        self._left = size
        self.out = 0

    def cut(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {k: self.cut(v) for k, v in value.items() if self._room(str(k), v)}
        if isinstance(value, list | tuple):
            return [self.cut(each) for each in value if self._room("", each)]
        return value

    def _room(self, key: str, value: Any) -> bool:
        """Take what a member costs by itself; its own members are taken when they are reached."""
        size = 3 + len(key.encode("utf-8", "surrogatepass"))
        if isinstance(value, str):
            size += len(value.encode("utf-8", "surrogatepass"))
        elif not isinstance(value, dict | list | tuple):
            size += len(repr(value))
        if size > self._left:
            self.out += 1
            return False
        self._left -= size
        return True
