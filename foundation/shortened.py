"""A beginning that says that it is one: what looks for secrets knows that the rest is missing."""

from __future__ import annotations


def shortened(text: str | bytes, most: int) -> str:
    """Return a text of at most `most` characters, with `…` where something was left out.

    Of bytes, as many are read; those that are no text become U+FFFD.
    """
    whole = text if isinstance(text, str) else text[: most + 1].decode("utf-8", "replace")
    return whole if len(whole) <= most else f"{whole[: most - 1]}…"


def shortened_line(text: str, most: int) -> str:
    """Return a text as one line of at most `most` characters, as `shortened` cuts it."""
    beginning = text[: most * 4]  # enough where spaces are collapsed; a text may hold megabytes
    line = " ".join(beginning.split())
    return shortened(line if len(beginning) == len(text) else f"{line}…", most)
