"""What a text holds that nobody sees, and the text that is read where it stands.

    readable   for people: what hides is gone, every letter stays
    plain      for who searches: wide letters are the usual ones, too

    pass[zero width]word, [ANSI]password[ANSI]=, ｐａｓｓｗｏｒｄ＝  ──plain──>  password, password=

An eye, a terminal and a search skip what is hidden; so must whoever looks for something.
"""

from __future__ import annotations

import unicodedata

import re2

from foundation.encodings import writable

# A colour, a title, a movement of the cursor: whatever begins with an escape.
ANSI = re2.compile(
    r"\x1b\[[0-9;:<=>?]*[ -/]*[@-~]|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[@-Z\\^_]?"
)
# Letters and marks that are drawn as nothing: fillers, joiners of graphemes, selectors of variants.
UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
UNSEEN_SELECTORS = ("\U000e0100", "\U000e01ef")
SPACES = "\t\n\r"
KEPT_FORMATS = frozenset("\u200c\u200d")  # joiners: of an emoji's parts, of Persian and Indic words
_HIDDEN = re2.compile(
    rf"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\p{{Cf}}{UNSEEN}\x{{fe00}}-\x{{fe0f}}"
    rf"\x{{e0100}}-\x{{e01ef}}]+"
)
_LINES = re2.compile(r"[\p{Zl}\p{Zp}]")


def plain(text: str) -> str:
    """Return a text as it is read: nothing hidden, wide and styled letters as the usual ones.

    The text must be one that UTF-8 can write. One in which nothing hides is returned as it is.
    """
    if "\x1b" in text:
        text = ANSI.sub("", text)
    if text.isascii() and text.isprintable():
        return text
    text = _LINES.sub("\n", _HIDDEN.sub("", text))
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def readable(text: str) -> str:
    """Return a text without what hides or turns others: controls, ANSI, zero width, direction."""
    kept = writable(text).replace("\r\n", "\n").replace("\r", "\n")
    if "\x1b" in kept:
        kept = ANSI.sub("", kept)
    if kept.isascii() and kept.isprintable():
        return kept
    return "".join(each for each in kept if _is_seen(each))


def _is_seen(character: str) -> bool:
    if character in UNSEEN or UNSEEN_SELECTORS[0] <= character <= UNSEEN_SELECTORS[1]:
        return False
    kind = unicodedata.category(character)
    return kind not in {"Cc", "Cf", "Zl", "Zp"} or character in SPACES or character in KEPT_FORMATS
