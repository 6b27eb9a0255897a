"""What a misspelt name was meant to be: the end of every complaint about an unknown name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_ALIKE_RATIO = 0.6  # difflib's own default: one wrong letter in three still counts as meant
_MOST_NAMES = 20  # more is no help in one line of Slack or of a terminal


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known name, or the list of all of them.

    Empty when nothing is known. Begins with a space: it follows a finished sentence.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=_ALIKE_RATIO)
    if close:
        return f" Did you mean {close[0]!r}?"
    return f" Known: {', '.join(names[:_MOST_NAMES])}." if names else ""
