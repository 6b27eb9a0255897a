"""Request parameters of the Prometheus API: times, steps, durations, selectors."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import promql_parser as promql

from sandbox.prometheus import dialect
from sandbox.prometheus.errors import BadDataError
from sandbox.prometheus.evaluate import matchers_of, milliseconds, parse
from sandbox.prometheus.samples import Matcher

MAX_POINTS = 11_000
_DURATION = re.compile(r"(\d+(ms|[smhdwy]))+")


def invalid(name: str, reason: str) -> BadDataError:
    """Return Prometheus's error for one bad parameter."""
    return BadDataError(f'invalid parameter "{name}": {reason}')


def moment(values: Mapping[str, str], name: str, default_ms: int | None = None) -> int:
    """Read unix seconds or RFC 3339 as milliseconds; with a default it need not be given."""
    text = values.get(name, "")
    if not text and default_ms is not None:
        return default_ms
    reason = f'cannot parse "{text}" to a valid timestamp'
    if default_ms is not None:
        reason = f"Invalid time value for '{name}': {reason}"
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if not math.isfinite(number):
            raise invalid(name, reason)
        return round(number * 1000)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name, reason) from None
    if parsed.tzinfo is None or "T" not in text.upper():
        raise invalid(name, reason)
    return round(parsed.timestamp() * 1000)


def duration(values: Mapping[str, str], name: str) -> int:
    """Read seconds or a duration such as `1m` as milliseconds."""
    text = values.get(name, "")
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if not math.isfinite(number):
            raise invalid(name, f'cannot parse "{text}" to a valid duration')
        return round(number * 1000)
    if not _DURATION.fullmatch(text):
        raise invalid(name, f'cannot parse "{text}" to a valid duration')
    return milliseconds(promql.parse_duration(text))


def window(values: Mapping[str, str]) -> tuple[int, int, int]:
    """Read start, end and step of a range query, in milliseconds."""
    start, end = moment(values, "start"), moment(values, "end")
    if end < start:
        raise invalid("end", "end timestamp must not be before start time")
    step = duration(values, "step")
    if step <= 0:
        reason = "zero or negative query resolution step widths are not accepted."
        raise invalid("step", f"{reason} Try a positive integer")
    if (end - start) // step > MAX_POINTS:
        msg = (
            f"exceeded maximum resolution of {MAX_POINTS:,} points per timeseries. "
            "Try decreasing the query resolution (?step=XX)"
        )
        raise BadDataError(msg)
    return start, end, step


def selectors(texts: Sequence[str]) -> list[list[Matcher]]:
    """Read the `match[]` parameters."""
    found = []
    for text in texts:
        try:
            node = parse(text)
        except BadDataError as error:
            if "at least one non-empty matcher" in str(error):
                reason = "match[] must contain at least one non-empty matcher"
                raise invalid("match[]", reason) from error
            raise BadDataError(str(error).removeprefix('invalid parameter "query": ')) from error
        if type(node).__name__ != "VectorSelector" or node.offset or node.at:
            reason = f"expected a series selector, got {text!r}"
            raise dialect.parse_error(reason)
        found.append(matchers_of(node))
    return found


def count(values: Mapping[str, str], name: str) -> int:
    """Read a number of things; -1, and nothing, mean all."""
    try:
        return int(values.get(name) or -1)
    except ValueError:
        msg = f"{name} must be a number"
        raise BadDataError(msg) from None
