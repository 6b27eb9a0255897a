"""Which requests are traced, and what their traces are called.

A log line that names a request belongs to the trace of that request. Sampling keeps every warning
and error and a quarter of the rest, as tail sampling does. A trace's id begins with the second of
its line, so that a trace is found again by its id alone: nothing is stored.
"""

import hashlib
import re

_REQUEST = re.compile(r"request_id=(req-[0-9a-f]{8})")
_KEPT_OF_256 = 64  # of the requests that went well
_SECOND_DIGITS = 8


def request_of(text: str) -> str:
    """Return the request that a line names, or nothing."""
    found = _REQUEST.search(text)
    return found[1] if found else ""


def trace_id_of(text: str, level: str, at_ns: int) -> str:
    """Return the id of the trace a line belongs to; empty when its request is not traced."""
    found = _REQUEST.search(text)
    if found is None:
        return ""
    digest = hashlib.blake2b(found[1].encode(), digest_size=12).hexdigest()
    if level == "info" and int(digest[:2], 16) >= _KEPT_OF_256:
        return ""
    return f"{at_ns // 10**9:08x}{digest}"


def second_of(trace_id: str) -> int:
    """Return the second in which the trace's line was written; ValueError for another's id."""
    if len(trace_id) != _SECOND_DIGITS + 24:
        msg = f"{trace_id!r} is no trace of this platform"
        raise ValueError(msg)
    return int(trace_id[:_SECOND_DIGITS], 16)
