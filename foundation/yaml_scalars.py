"""What a word of YAML without quotes means: YAML 1.2's core schema, and nothing that surprises.

    null, Null, NULL, ~, nothing       None
    true, false (True, TRUE, …)        bool
    12, -3, 0o14, 0x1F                 int
    0.5, .5, 5., 1e3                   float
    everything else                    the text as it stands

So these are texts, although YAML 1.1 makes something else of them: `yes`, `no`, `on`, `off`
(bools there), `1:30` (90), `1_000` (1000), `0b11` (3), `2026-03-02` (a date). A field that wants a
bool still takes `yes`; a field that wants a number no longer takes `no` for 0.

Refused, because one file would mean two things or nothing that can be compared:
`012` (10 in YAML 1.1, 12 in 1.2, often meant as a text), `.inf` and `.nan` (`1e999` as well), and
numbers of more than 64 characters.
"""

from __future__ import annotations

import math
import re

Scalar = str | int | float | bool | None

LONGEST_NUMBER = 64  # characters; a float prints in 24, and longer ints cost quadratic time to read

_CONSTANTS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")


class ScalarError(ValueError):
    """A word means two things or nothing; the message says what to write instead."""


def read_scalar(text: str) -> Scalar:
    """Return what a word without quotes means. Raises ScalarError for one that is refused."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _NO_NUMBER.fullmatch(text):
        raise ScalarError(f"{text} is no number to compare with; leave the key out instead")
    if not _FLOAT.fullmatch(text):
        return _prefixed(text)
    if len(text) > LONGEST_NUMBER:
        raise ScalarError(
            f"a number of {len(text)} characters, {text[:20]}…; put it in quotes if it is a text"
        )
    if _LEADING_ZERO.fullmatch(text):
        raise ScalarError(
            f"{text} is octal to some readers and decimal to others; "
            f"write the number without its leading zero, or '{text}' in quotes if it is a text"
        )
    if _DECIMAL.fullmatch(text):
        return int(text)
    number = float(text)
    if math.isinf(number):
        raise ScalarError(f"{text} is beyond every number; put it in quotes if it is a text")
    return number


def _prefixed(text: str) -> Scalar:
    for pattern, base in ((_OCTAL, 8), (_HEXADECIMAL, 16)):
        if len(text) <= LONGEST_NUMBER and pattern.fullmatch(text):
            return int(text[2:], base)
    return text
