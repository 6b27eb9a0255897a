"""From Prometheus 2.42's PromQL to what the parser reads.

The parser knows a younger language. Here its novelties are refused as 2.42 would, `holt_winters`
gets its younger name, and raw strings are written with escapes, which the parser gets wrong.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from sandbox.prometheus.errors import BadDataError

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<raw>`[^`]*`)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<duration>\d+(?:ms|[smhdwy])(?:\d+(?:ms|[smhdwy]))*\b)
      | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_][\w]*(?::[\w:]+)?)
      | (?P<space>\s+)
      | (?P<sign>.)""",
    re.VERBOSE,
)
_MOMENTS = frozenset({"start", "end", "inf", "nan"})
OLD_NAME, NEW_NAME = "holt_winters", "double_exponential_smoothing"
_YOUNGER = frozenset({
    NEW_NAME, "limitk", "limit_ratio", "sort_by_label", "sort_by_label_desc", "mad_over_time",
    "info", "histogram_avg", "histogram_stddev", "histogram_stdvar", "first_over_time",
    "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time",
    "histogram_quantiles",
})  # fmt: skip


class Token(NamedTuple):
    """One word of an expression and where it stands: inside {…}, inside […], or outside ("")."""

    kind: str
    text: str
    inside: str = ""
    gap: str = ""  # what parts it from the word before


_NONE = Token("end", "")


def parse_error(reason: str) -> BadDataError:
    """Return Prometheus's error for an expression."""
    return BadDataError(f'invalid parameter "query": parse error: {reason}')


def translated(query: str) -> str:
    """Return the expression in the parser's words; BadDataError names what 2.42 does not know."""
    tokens = list(_tokens(query))
    said: list[str] = []
    before = _NONE
    for token, after in zip(tokens, [*tokens, _NONE][1:], strict=True):
        _check(before, token, after)
        text = token.text
        if token.kind == "raw":
            text = _escaped(text[1:-1])
        elif text == OLD_NAME and after.text == "(":
            text = NEW_NAME
        said.append(token.gap + text)
        if not (text in {"-", "+"} and _is_offset(before)):  # offset -5m: the sign is no word
            before = token
    return "".join(said)


def old_words(message: str) -> str:
    """Return a message of the parser in Prometheus's words."""
    message = message.replace(NEW_NAME, OLD_NAME)
    message = re.sub(r"(function|call to function|name) '(\w+)'", r'\1 "\2"', message)
    message = re.sub(r"\b(expected type|got) vector\b", r"\1 instant vector", message)
    return re.sub(r"\b(expected type|got) matrix\b", r"\1 range vector", message)


def _tokens(query: str) -> Iterator[Token]:
    inside = gap = ""
    for found in _TOKEN.finditer(query):
        kind, text = found.lastgroup or "", found[0]
        if kind in {"space", "comment"}:
            gap = " "
            continue
        yield Token(kind, text, inside, gap)
        gap = ""
        if kind == "sign" and text in "{[":
            inside = text
        elif kind == "sign" and text in "}]":
            inside = ""


def _escaped(raw: str) -> str:
    return '"' + raw.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _check(before: Token, token: Token, after: Token) -> None:
    """Raise for one word that 2.42 refuses where it stands."""
    kind, text = token.kind, token.text
    if token.inside == "{":
        _check_matcher(before, token)
    elif kind == "name" and text in _YOUNGER and after.text in {"(", "by", "without"}:
        reason = f'unknown function with name "{text}"'
        raise parse_error(reason)
    elif kind == "duration" and not token.inside and not _is_offset(before):
        reason = f'unexpected duration "{text}"'
        raise parse_error(reason)
    elif kind == "number" and (token.inside == "[" or _is_offset(before)):
        reason = f'missing unit character in duration "{text}"'
        raise parse_error(reason)
    elif kind == "name" and before.text == "@" and text.lower() not in _MOMENTS:
        reason = f'unexpected identifier "{text}" in @, expected timestamp'
        raise parse_error(reason)


def _is_offset(before: Token) -> bool:
    return before.kind == "name" and before.text.lower() == "offset"


def _check_matcher(before: Token, token: Token) -> None:
    if token.kind in {"text", "raw"} and before.text in {"{", ","}:
        reason = f'unexpected string {token.text} in label matching, expected identifier or "}}"'
        raise parse_error(reason)
    if token.kind == "name" and token.text == "or" and before.kind in {"text", "raw"}:
        reason = 'unexpected identifier "or" in label matching, expected "," or "}"'
        raise parse_error(reason)
