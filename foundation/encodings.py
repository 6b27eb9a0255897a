"""A text as it may be written elsewhere: in addresses, in JSON, in base64, in hexadecimal."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import re2

SHORTEST = 8  # letters of base64 that are the text's alone


def patterns_of(text: str) -> Iterator[str]:
    """Yield RE2 patterns of a text as it is and as it may be encoded."""
    raw = text.encode()
    yield re2.escape(text)
    for written in (quote(text, safe=""), quote(text), quote_plus(text), raw.hex()):
        yield f"(?i:{re2.escape(written)})"
    for quoted in (json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]):
        yield from (re2.escape(quoted), re2.escape(quoted.replace("/", "\\/")))
    yield from base64_patterns_of(text)
    yield f"(?i:{re2.escape(quote(quote(text, safe=''), safe=''))})"
    for once in {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}:
        yield f"(?i:{re2.escape(once.encode().hex())})"
        yield from base64_patterns_of(once)  # as a Secret of a Secret, or a header in a body


def base64_patterns_of(text: str) -> Iterator[str]:
    """Yield RE2 patterns of a text inside of base64, where it may begin at any of three bytes.

    The letters that share bits with what stands before and behind are left out (RFC 4648, 4).
    """
    for lead in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * lead + text.encode()).decode().rstrip("=")
            own = encoded[-(-lead * 8 // 6) : len(encoded) - 1]
            if len(own) >= SHORTEST:
                yield re2.escape(own)


def writable(text: str) -> str:
    """Return a text that UTF-8 can write, as RE2 needs: half a character becomes `?`."""
    plain = str.__str__(text)  # RE2 calls the class of the text, and an enum's wants a value
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode()
