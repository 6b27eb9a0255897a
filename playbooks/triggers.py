"""The small language of trigger conditions, preconditions and verify expressions.

    expression := term ("or" term)*          term := factor ("and" factor)*
    factor     := "not" factor | "(" expression ")" | comparison | name
    comparison := metric ("<" | "<=" | ">" | ">=" | "==" | "!=") number ["%"]
    metric     := name of the catalogue | "role:" role [":" resource]
    name       := word | "quoted text"       an event reason, or a text that logs contain

A role stands for every metric that plays it, as a share of each metric's own limit:
`role:latency > 100%` holds when a latency is beyond its limit, whatever its name and unit.

Values are true, false or unknown (None): a metric without data, or logs nobody could read, make an
expression unknown and never false. Nothing is evaluated but this: no calls, no attributes.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

ROLE = "role:"
LONGEST = 500  # characters of one expression
DEEPEST = 20  # nested parentheses and nots

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?%?)(?![\w.])"
    r"|(?P<word>[A-Za-z_][\w.:-]*)"
    r"|(?P<quoted>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign><=|>=|==|!=|<|>|\(|\)))"
)
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class TriggerError(ValueError):
    """An expression that cannot be read; `column` counts from 1 inside it."""

    def __init__(self, message: str, column: int) -> None:
        """Keep the place beside the message."""
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class TriggerFacts:
    """What is known now. A missing metric is unknown; None for events or logs: nobody looked."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    events: frozenset[str] | None = None  # event and pod reasons
    logs: tuple[str, ...] | None = None  # recent lines or their templates
    partial: bool = False  # somebody could not look everywhere: what was not seen is unknown


class Expression(Protocol):
    """One part of an expression."""

    def evaluate(self, facts: TriggerFacts) -> bool | None:
        """Return true, false or None for unknown."""
        ...

    def metrics(self) -> frozenset[str]:
        """Return the metrics it compares."""
        ...

    def names(self) -> frozenset[str]:
        """Return the event and log names it looks for."""
        ...

    def __str__(self) -> str:
        """Return it as it could be written."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric against a number."""

    metric: str
    sign: str
    number: float

    def evaluate(self, facts: TriggerFacts) -> bool | None:
        value = facts.metrics.get(self.metric)
        if value is None or math.isnan(value):
            return None
        return _SIGNS[self.sign](value, self.number)

    def metrics(self) -> frozenset[str]:
        return frozenset({self.metric})

    def names(self) -> frozenset[str]:
        return frozenset()

    def __str__(self) -> str:
        if self.metric.startswith(ROLE):
            return f"{self.metric} {self.sign} {self.number * 100:.6g}%"
        return f"{self.metric} {self.sign} {self.number:.6g}"


@dataclass(frozen=True, slots=True)
class Named:
    """An event reason, or a text in the logs; any case."""

    text: str

    def evaluate(self, facts: TriggerFacts) -> bool | None:
        wanted = self.text.lower()
        if facts.events is not None and any(wanted == each.lower() for each in facts.events):
            return True
        if facts.logs is not None and any(wanted in line.lower() for line in facts.logs):
            return True
        unseen = facts.partial or facts.events is None or facts.logs is None
        return None if unseen else False

    def metrics(self) -> frozenset[str]:
        return frozenset()

    def names(self) -> frozenset[str]:
        return frozenset({self.text})

    def __str__(self) -> str:
        quote = "'" if '"' in self.text else '"'
        return f"{quote}{self.text}{quote}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; unknown stays unknown."""

    part: Expression

    def evaluate(self, facts: TriggerFacts) -> bool | None:
        value = self.part.evaluate(facts)
        return None if value is None else not value

    def metrics(self) -> frozenset[str]:
        return self.part.metrics()

    def names(self) -> frozenset[str]:
        return self.part.names()

    def __str__(self) -> str:
        return f"not {_bracketed(self.part)}"


@dataclass(frozen=True, slots=True)
class AndOr:
    """`and` or `or` of several parts, after Kleene: one sure part may decide."""

    word: str
    parts: tuple[Expression, ...]

    def evaluate(self, facts: TriggerFacts) -> bool | None:
        decisive = self.word == "or"
        values = [part.evaluate(facts) for part in self.parts]
        if decisive in values:
            return decisive
        return None if None in values else not decisive

    def metrics(self) -> frozenset[str]:
        return frozenset().union(*(part.metrics() for part in self.parts))

    def names(self) -> frozenset[str]:
        return frozenset().union(*(part.names() for part in self.parts))

    def __str__(self) -> str:
        return f" {self.word} ".join(_bracketed(part) for part in self.parts)


def _bracketed(part: Expression) -> str:
    return f"({part})" if isinstance(part, AndOr) else str(part)


class _Token(NamedTuple):
    kind: str
    text: str
    column: int


def parse(text: str) -> Expression:
    """Read an expression. Raises TriggerError with the column of what is wrong."""
    if len(text) > LONGEST:
        raise TriggerError(f"an expression has at most {LONGEST} characters", 1)
    reader = _Reader(_tokens(text), len(text) + 1)
    found = reader.either(0)
    reader.end()
    return found


def _tokens(text: str) -> list[_Token]:
    tokens, at = [], 0
    stop = len(text.rstrip())
    while at < stop:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise TriggerError(f"{text[start]!r} is not understood here", start + 1)
        kind = match.lastgroup
        word = match.group(kind)
        if kind == "word" and word.lower() in {"and", "or", "not"}:
            kind, word = "logic", word.lower()
        tokens.append(_Token(kind, word, match.start(match.lastgroup) + 1))
        at = match.end()
    return tokens


class _Reader:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens, self._at, self._end = tokens, 0, end

    def _next(self) -> _Token:
        if self._at < len(self._tokens):
            return self._tokens[self._at]
        return _Token("end", "the end", self._end)

    def _take(self) -> _Token:
        token = self._next()
        self._at += 1
        return token

    def end(self) -> None:
        token = self._next()
        if token.kind != "end":
            raise TriggerError(
                f"{token.text!r} follows a complete expression; join them with and or or",
                token.column,
            )

    def either(self, depth: int) -> Expression:
        return self._joined("or", self._both, depth)

    def _both(self, depth: int) -> Expression:
        return self._joined("and", self._one, depth)

    def _joined(self, word: str, part: Callable[[int], Expression], depth: int) -> Expression:
        parts = [part(depth)]
        while self._next()[:2] == ("logic", word):
            self._take()
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else AndOr(word, tuple(parts))

    def _one(self, depth: int) -> Expression:
        token = self._take()
        if depth > DEEPEST:
            raise TriggerError(f"nested more than {DEEPEST} deep", token.column)
        if token[:2] == ("logic", "not"):
            return Not(self._one(depth + 1))
        if token[:2] == ("sign", "("):
            inside = self.either(depth + 1)
            closing = self._take()
            if closing[:2] != ("sign", ")"):
                raise TriggerError("a parenthesis is not closed", token.column)
            return inside
        if token.kind == "quoted":
            if not token.text[1:-1].strip():
                raise TriggerError("an empty text is in every log line", token.column)
            return Named(token.text[1:-1])
        if token.kind == "word":
            if self._next().kind == "sign" and self._next().text in _SIGNS:
                return self._comparison(token)
            return Named(token.text)
        raise TriggerError(
            f"expected a metric, a name or a parenthesis, not {token.text!r}", token.column
        )

    def _comparison(self, metric: _Token) -> Expression:
        sign, number = self._take(), self._take()
        if number.kind != "number":
            raise TriggerError(
                f"{metric.text} {sign.text} needs a number, not {number.text!r}", number.column
            )
        if metric.text.startswith(ROLE) and sign.text in {"==", "!="}:
            raise TriggerError(f"a role is compared with < or >, not {sign.text}", sign.column)
        scale = 0.01 if number.text.endswith("%") else 1.0
        return Comparison(metric.text, sign.text, float(number.text.rstrip("%")) * scale)
