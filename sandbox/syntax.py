"""What LogQL and TraceQL share: how a string is written, and how an error says where it stopped."""

import json
import re

STRING = r'"(?:[^"\\]|\\.)*"|`[^`]*`'


def unquoted(text: str) -> str:
    """Return the value of a STRING; an escape that is none means the character itself."""
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return re.sub(r"\\(.)", r"\1", text[1:-1])


def stopped(text: str, at: int, reason: str) -> str:
    """Return the message of an error at a place (from 0) of a query of one line."""
    rest = text[at:].strip()
    seen = repr(rest[:40]) if rest else "end of query"
    return f"parse error at line 1, col {at + 1}: syntax error: {reason}, got {seen}"
