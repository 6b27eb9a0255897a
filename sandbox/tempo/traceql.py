"""TraceQL as far as natural questions need it: one span that meets every condition.

    { resource.service.name = "order-api" && duration >= 300ms && status = error } | select(status)

Anything else is refused with the place where reading stopped.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.syntax import STRING, stopped, unquoted
from sandbox.tempo.calls import Span

_SPACE = re.compile(r"\s*")
_FIELD = re.compile(r"(resource\.service\.name|\.service\.name|name|duration|status)\b")
_OPERATOR = re.compile(r"\s*(!=|=~|!~|>=|<=|=|>|<)\s*")
_STRING = re.compile(STRING)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")
_STATUS = re.compile(r"(error|ok|unset)\b")
_SELECT = re.compile(r"\s*\|\s*select\(\s*([\w.]+(?:\s*,\s*[\w.]+)*)\s*\)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
Condition = Callable[[Span], bool]


class TraceQLError(ValueError):
    """The query does not parse; the message is what Tempo would send as plain text."""


@dataclass(frozen=True)
class Query:
    """What one span of a trace must be, and which of its fields are told."""

    conditions: tuple[Condition, ...]
    selected: tuple[str, ...] = ()

    def accepts(self, span: Span) -> bool:
        """Whether a span meets every condition."""
        return all(condition(span) for condition in self.conditions)


def parse(text: str) -> Query:
    """Read a query; TraceQLError says where it stops making sense."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise _wrong(text, at, "expecting {")
    at = _skip(text, at + 1)
    conditions: list[Condition] = []
    while text[at : at + 1] != "}":
        if conditions:
            if text[at : at + 2] != "&&":
                raise _wrong(text, at, "expecting && or }")
            at = _skip(text, at + 2)
        condition, at = _condition(text, at)
        conditions.append(condition)
    selected: tuple[str, ...] = ()
    at += 1
    if found := _SELECT.match(text, at):
        selected = tuple(word.strip() for word in found[1].split(","))
        at = found.end()
    if text[at:].strip():
        raise _wrong(text, _skip(text, at), "the sandbox reads no further")
    return Query(tuple(conditions), selected)


def _condition(text: str, at: int) -> tuple[Condition, int]:
    field = _FIELD.match(text, at)
    if field is None:
        raise _wrong(text, at, "the sandbox knows resource.service.name, name, duration, status")
    operator = _OPERATOR.match(text, field.end())
    if operator is None:
        raise _wrong(text, field.end(), "expecting an operator")
    at, op = operator.end(), operator[1]
    if field[1] == "duration":
        return _of_duration(text, at, op)
    if field[1] == "status":
        return _of_status(text, at, op)
    return _of_text(text, at, op, is_name=field[1] == "name")


def _of_duration(text: str, at: int, op: str) -> tuple[Condition, int]:
    found = _DURATION.match(text, at)
    if found is None or op in {"=~", "!~"}:
        raise _wrong(text, at, "expecting a duration such as 300ms")
    limit = float(found[1]) * _SECONDS[found[2]]
    compare: dict[str, Condition] = {
        ">=": lambda span: span.seconds >= limit,
        ">": lambda span: span.seconds > limit,
        "<=": lambda span: span.seconds <= limit,
        "<": lambda span: span.seconds < limit,
        "=": lambda span: span.seconds == limit,
        "!=": lambda span: span.seconds != limit,
    }
    return compare[op], _skip(text, found.end())


def _of_status(text: str, at: int, op: str) -> tuple[Condition, int]:
    found = _STATUS.match(text, at)
    if found is None or op not in {"=", "!="}:
        raise _wrong(text, at, "expecting error, ok or unset")
    wanted, equal = found[1], op == "="

    def condition(span: Span) -> bool:
        return (("error" if span.failure else "unset") == wanted) is equal

    return condition, _skip(text, found.end())


def _of_text(text: str, at: int, op: str, *, is_name: bool) -> tuple[Condition, int]:
    found = _STRING.match(text, at)
    if found is None or op not in {"=", "!=", "=~", "!~"}:
        raise _wrong(text, at, "expecting a string")
    value = unquoted(found[0])
    try:
        pattern = re.compile(value) if "~" in op else None
    except re.error as error:
        raise _wrong(text, at, f"invalid regular expression: {error}") from error

    def condition(span: Span) -> bool:
        held = span.name if is_name else span.service
        same = held == value if pattern is None else pattern.fullmatch(held) is not None
        return same is not op.startswith("!")

    return condition, _skip(text, found.end())


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _wrong(text: str, at: int, reason: str) -> TraceQLError:
    return TraceQLError(stopped(text, at, reason))
