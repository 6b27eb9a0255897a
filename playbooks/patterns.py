"""Patterns that a playbook's author writes for values that somebody else chooses.

They are RE2's: whatever the value says, it is read in linear time.
"""

from __future__ import annotations

import re2

from foundation.encodings import writable


def complaint(pattern: str) -> str:
    """Return why a text is no pattern; empty for one that is."""
    try:
        re2.compile(writable(pattern), _QUIET)
    except re2.error as error:
        said = error.args[0]
        return said.decode(errors="replace") if isinstance(said, bytes) else str(said)
    return ""


def fits(pattern: str, value: str) -> bool:
    """Say whether the whole value is as the pattern says; nothing fits one that is none."""
    return not complaint(pattern) and re2.fullmatch(pattern, writable(value), _QUIET) is not None


_QUIET = re2.Options()
_QUIET.log_errors = False  # a wrong pattern is told to its author, not to standard error
