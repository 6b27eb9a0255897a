"""How many tokens a text costs the model, estimated from above, and cutting a text to a budget.

No tokenizer is public for the models we ask, and asking the API for each result would be slow. So
this counts what byte-pair encodings do to text, rounded against us: a word costs a token per three
letters (per two in capitals or when it is long: nobody's vocabulary holds it), a digit, a mark and
a line end cost one each, a Chinese, Japanese or Korean character two, any other character its
UTF-8 bytes, which no byte-level encoding exceeds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_TOKENS = 4_000  # of one tool result, as the model reads it
_PIECE = re.compile(r"[A-Z]?[a-z]{1,64}|[A-Z]{1,64}|[ \t]{1,64}|[^A-Za-z]", re.DOTALL)
_LONG_WORD = 12  # letters
_WIDE = re.compile(r"[　-鿿가-힣＀-￯]")


def estimate(text: str) -> int:
    """Return at least as many tokens as the model will count."""
    return sum(_cost(match[0]) for match in _PIECE.finditer(text))


def fit(text: str, budget: int) -> tuple[str, str]:
    """Return the longest beginning within the budget that ends with a line, and the rest.

    A first line that alone is over the budget is cut inside. Nothing is lost: kept + rest is the
    text, but for the line end they are cut at.
    """
    spent = 0
    for match in _PIECE.finditer(text):
        spent += _cost(match[0])
        if spent > budget:
            end = text.rfind("\n", 0, match.start() + 1)
            if end > 0:
                return text[:end], text[end + 1 :]
            inside = match.start()
            return text[:inside], text[inside:]
    return text, ""


def shares(wanted: Sequence[int], budget: int) -> list[int]:
    """Part a budget among texts: who wants less than an equal share leaves the rest to the others.

    Each gets what it wants, or the same as every other that wants more; together at most `budget`.
    """
    given, left = [0] * len(wanted), budget
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for position, index in enumerate(order):
        given[index] = min(wanted[index], left // (len(order) - position))
        left -= given[index]
    return given


def _cost(piece: str) -> int:
    size = len(piece)
    if piece[0].isascii():
        if piece[0] in " \t":
            return size // 4 if size > 1 else piece.count("\t")
        if not piece[0].isalpha():
            return 1
        return -(-size // (2 if piece.isupper() or size > _LONG_WORD else 3))
    return 2 if _WIDE.fullmatch(piece) else len(piece.encode("utf-8", "surrogatepass"))
