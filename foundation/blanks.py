"""Whether a text says anything: spaces, controls and what nobody sees say nothing.

A reason of zero-width characters (U+200B, U+2060, U+FEFF …) has a length and no content. Unicode's
categories know them: separators (Z…), controls and formats (Cc, Cf), combining marks alone (M…),
and the few letters that are drawn as nothing.
"""

from __future__ import annotations

import unicodedata

UNSEEN_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")  # fillers of Hangul, empty braille


def visible(text: str) -> str:
    """Return the characters of a text that somebody could see."""
    return "".join(
        each
        for each in text
        if unicodedata.category(each)[0] not in "ZCM" and each not in UNSEEN_LETTERS
    )


def is_blank(text: str) -> bool:
    """Say whether there is nothing to read in a text."""
    return not visible(text)
