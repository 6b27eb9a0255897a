"""LogQL as far as natural questions need it.

    {app="order-api"} |= "timeout" !~ "retry"                      a log query
    sum by (service) (count_over_time({...} |= "x" [5m]))          a metric query

Anything else is refused with the place where reading stopped.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.prometheus.samples import Matcher
from sandbox.syntax import STRING, stopped, unquoted

_MATCHER = re.compile(rf"\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*({STRING})\s*")
_FILTER = re.compile(rf"\s*(\|=|\|~|!=|!~)\s*({STRING})\s*")
_PARSER = re.compile(r"\s*\|\s*(json|logfmt)\b\s*")
_LABEL_FILTER = re.compile(rf"\s*\|\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|==|=)\s*({STRING})\s*")
_OR_LABEL = re.compile(rf"\s*or\s+([a-zA-Z_]\w*)\s*(=~|!~|!=|==|=)\s*({STRING})\s*")
_RANGE = re.compile(r"\s*\[\s*((?:\d+(?:ms|[smhdw]))+)\s*\]\s*")
_PART = re.compile(r"(\d+)(ms|[smhdw])")
_BY = re.compile(r"\s*(by|without)\s*\(([\w\s,]*)\)\s*")
_UNIT = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)')
OVER_TIME = ("count_over_time", "rate", "bytes_over_time", "bytes_rate")
Stage = Callable[[str, dict[str, str]], bool]


class LogQLError(ValueError):
    """The query does not parse; the message is what Loki would send as plain text."""


@dataclass(frozen=True)
class LogQuery:
    """A stream selector and what lines must pass."""

    matchers: tuple[Matcher, ...]
    stages: tuple[Stage, ...]

    def accepts(self, labels: dict[str, str]) -> bool:
        """Whether the stream's labels fit the selector."""
        return all(matcher.accepts(labels.get(matcher.name, "")) for matcher in self.matchers)

    def passes(self, line: str, labels: dict[str, str]) -> bool:
        """Whether a line passes every stage; parsers add to `labels`."""
        return all(stage(line, labels) for stage in self.stages)


@dataclass(frozen=True)
class MetricQuery:
    """Counting lines over a window, optionally summed."""

    logs: LogQuery
    function: str  # one of OVER_TIME
    window_seconds: float
    summed: bool = False
    labels: tuple[str, ...] = ()  # for `sum by|without`
    without: bool = False


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def take(self, word: str) -> bool:
        found = re.compile(rf"\s*{re.escape(word)}\s*").match(self.text, self.at)
        if found:
            self.at = found.end()
        return found is not None

    def need(self, word: str) -> None:
        if not self.take(word):
            raise self.wrong(f"expecting {word}")

    def done(self) -> bool:
        return not self.text[self.at :].strip()

    def wrong(self, reason: str) -> LogQLError:
        return LogQLError(stopped(self.text, self.at, reason))


def parse(text: str) -> LogQuery | MetricQuery:
    """Read a query; LogQLError says where it stops making sense."""
    reader = _Reader(text)
    query = _metric(reader) if not reader.text.lstrip().startswith("{") else _logs(reader)
    if not reader.done():
        raise reader.wrong("the sandbox reads no further")
    return query


def _metric(reader: _Reader) -> MetricQuery:
    if reader.take("sum"):
        by = reader.match(_BY)
        reader.need("(")
        inner = _over_time(reader)
        reader.need(")")
        by = by or reader.match(_BY)
        names = tuple(word.strip() for word in by[2].split(",") if word.strip()) if by else ()
        without = by is not None and by[1] == "without"
        return MetricQuery(inner.logs, inner.function, inner.window_seconds, True, names, without)
    return _over_time(reader)


def _over_time(reader: _Reader) -> MetricQuery:
    for name in OVER_TIME:
        if reader.take(name):
            reader.need("(")
            logs = _logs(reader)
            found = reader.match(_RANGE)
            if found is None:
                raise reader.wrong("expecting a range such as [5m]")
            reader.need(")")
            seconds = sum(int(n) * _UNIT[unit] for n, unit in _PART.findall(found[1]))
            return MetricQuery(logs, name, float(seconds))
    raise reader.wrong(f"the sandbox evaluates {', '.join(OVER_TIME)} and sum of them")


def _logs(reader: _Reader) -> LogQuery:
    reader.need("{")
    matchers: list[Matcher] = []
    while not reader.take("}"):
        if matchers:
            reader.need(",")
        found = reader.match(_MATCHER)
        if found is None:
            raise reader.wrong('expecting a matcher such as app="order-api" or }')
        matchers.append(_matcher(found[1], found[2], unquoted(found[3])))
    if not any(not matcher.accepts("") for matcher in matchers):
        msg = (
            "queries require at least one regexp or equality matcher that does not have an "
            "empty-compatible value"
        )
        raise LogQLError(msg)
    return LogQuery(tuple(matchers), tuple(_stages(reader)))


def _stages(reader: _Reader) -> list[Stage]:
    stages: list[Stage] = []
    while True:
        if found := reader.match(_FILTER):
            stages.append(_line_filter(found[1], unquoted(found[2])))
        elif found := reader.match(_PARSER):
            stages.append(_json if found[1] == "json" else _logfmt)
        elif found := reader.match(_LABEL_FILTER):
            stages.append(_label_filter(_alternatives(reader, found)))
        else:
            return stages


def _matcher(name: str, op: str, value: str) -> Matcher:
    try:
        return Matcher(name, op, value)
    except re.error as error:
        msg = f"parse error: invalid regular expression {value!r}: {error}"
        raise LogQLError(msg) from error


def _line_filter(op: str, value: str) -> Stage:
    if op in {"|=", "!="}:
        return lambda line, _: (value in line) == (op == "|=")
    try:
        pattern = re.compile(value)
    except re.error as error:
        msg = f"parse error: invalid regular expression {value!r}: {error}"
        raise LogQLError(msg) from error
    return lambda line, _: (pattern.search(line) is not None) == (op == "|~")


def _alternatives(reader: _Reader, first: re.Match[str]) -> list[Matcher]:
    """Return the matchers of `a="x" or b="x"`."""
    matchers = []
    found: re.Match[str] | None = first
    while found is not None:
        op = "=" if found[2] == "==" else found[2]
        matchers.append(_matcher(found[1], op, unquoted(found[3])))
        found = reader.match(_OR_LABEL)
    return matchers


def _label_filter(matchers: list[Matcher]) -> Stage:
    return lambda _, labels: any(m.accepts(labels.get(m.name, "")) for m in matchers)


def _json(line: str, labels: dict[str, str]) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        labels["__error__"] = "JSONParserErr"
        return True
    labels.update({key: str(value) for key, value in found.items()})
    return True


def _logfmt(line: str, labels: dict[str, str]) -> bool:
    labels.update({key: value.strip('"') for key, value in _PAIR.findall(line)})
    return True
