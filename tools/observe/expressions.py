"""A search written between slashes, as in `/timeout.*(orders|users)/`: RE2, and bounded."""

from __future__ import annotations

from typing import Any

import re2

from foundation.encodings import writable
from tools.errors import BadArgumentError

LONGEST = 300  # characters of an expression
MOST_BYTES = 1 << 20  # of memory that reading one may take: counted repetitions multiply


def sought(text: str) -> tuple[str, str]:
    """Return the words to take literally and the expression to match; one of them is empty.

    Raises BadArgumentError for an expression that is none, or that every line matches.
    """
    said = text.strip()
    inner = said.removesuffix("/i") if said.endswith("/i") else said.removesuffix("/")
    if len(said) < 3 or not said.startswith("/") or inner == said or not inner[1:]:
        return text, ""
    pattern = inner[1:]
    if compiled(pattern).search("") is not None:
        raise BadArgumentError(f"{said!r} matches every line; write what a line must hold")
    return "", pattern


def compiled(pattern: str) -> Any:
    """Return an expression that matches any case. Raises BadArgumentError for one that is none."""
    if len(pattern) > LONGEST:
        raise BadArgumentError(f"an expression may have {LONGEST} characters, not {len(pattern)}")
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = False
    options.max_mem = MOST_BYTES
    try:
        return re2.compile(writable(pattern), options)
    except re2.error as error:
        why = error.args[0] if error.args else "it does not parse"
        told = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise BadArgumentError(
            f"/{pattern}/ is no RE2 expression: {told}; look-around and back references are not "
            "known to RE2"
        ) from error
