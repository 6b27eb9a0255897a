"""Which events failed: the label that says so is told by its values, whatever its name.

    code="200" | "503"            HTTP         failed: 5..
    grpc_code="OK" | "Internal"   gRPC         failed: the server's own codes
    result="ok" | "timeout"       outcomes     failed: what sounds like it
    error="true"                  a flag       failed: true, when the label speaks of errors
    error_type="" | "Timeout"     only set when it failed

A request that a client or a rule got wrong (4xx, rejected, cancelled) did its service no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import re2

from tools.onboarding.families import words_of
from tools.onboarding.label_shapes import Rows, labels_in, values_of
from tools.onboarding.vocabulary import listed

_HTTP = re2.compile(r"[1-5](xx|XX)|[1-5][0-9]{2}")
_GRPC_FAILED = (
    "(?i)unknown|deadline_?exceeded|resource_?exhausted|unimplemented|internal|unavailable|"
    "data_?loss"
)
_GRPC_NUMBERS_FAILED = "2|4|8|12|13|14|15"
_FAILED_WORDS = (
    "(?i).*(err|fail|exception|time[_-]?d?[_-]?out|panic|crash|abort|unavailable|5xx|fatal|broken|"
    "drop|lost|nack).*"
)
_CLIENTS_FAULT = "(?i)(client[_-]?error|4xx)"
_MOST = 0.8  # of a label's values are of one vocabulary


@dataclass(frozen=True, slots=True)
class FailureLabel:
    """Which series of a counter count failures."""

    label: str
    matcher: str  # as it stands between the braces
    how: str  # "HTTP 5xx" …; told in descriptions
    only_when_failed: bool = False  # series without the label count what went well


def failing_of(rows: Rows) -> tuple[FailureLabel, ...]:
    """Return what tells failures in some rows; several where not all rows say it alike."""
    found: list[FailureLabel] = []
    left = [dict(row) for row in rows]
    while left:
        best = max(
            (hit for label in labels_in(left) if (hit := _read(label, left)) is not None),
            key=lambda hit: hit[0],
            default=None,
        )
        if best is None:
            break
        failing = best[1]
        found.append(failing)
        left = [row for row in left if not row.get(failing.label)]
        if failing.only_when_failed:
            break
    return tuple(found)


def _read(label: str, rows: Rows) -> tuple[float, FailureLabel] | None:
    """Return how sure it is that a label tells failures, and how; None when it does not."""
    values = values_of(rows, label)
    words = set(words_of(label))
    plain = {re2.sub(r"[^a-z0-9]", "", value.lower()) for value in values}
    told = {"code", "status", "response", "outcome", "result", "state"} & words
    bonus = 0.5 if told else 0.0
    codes = listed("http_codes")
    if _most(values, lambda v: v in codes or bool(_HTTP.fullmatch(v) and told)):
        return 4 + bonus, FailureLabel(label, f'{label}=~"5.."', "HTTP 5xx")
    if "grpc" in words and _most(values, lambda v: v.isdigit() and int(v) <= 16):
        return 4, FailureLabel(
            label, f'{label}=~"{_GRPC_NUMBERS_FAILED}"', "the server's gRPC codes"
        )
    calls = plain & listed("grpc_codes")
    spoken = listed("outcome_good") | listed("outcome_bad") | listed("outcome_neither")
    certain = bool(calls - spoken) or ("grpc" in words and bool(calls))
    if certain and _most(plain, lambda v: v in listed("grpc_codes")):
        failing = FailureLabel(label, f'{label}=~"{_GRPC_FAILED}"', "the server's gRPC codes")
        return 3.5 + bonus, failing
    return _spoken(label, words, plain, bonus)


def _spoken(
    label: str, words: set[str], plain: set[str], bonus: float
) -> tuple[float, FailureLabel] | None:
    wrong = bool(words & {"error", "errors", "failed", "failure", "fail", "exception", "errored"})
    if plain and plain <= {"true", "false", "0", "1", "yes", "no"}:
        if wrong:
            return 3, FailureLabel(label, f'{label}=~"(?i)true|1|yes"', "the label says so")
        if words & {"success", "ok", "successful", "succeeded"}:
            return 3, FailureLabel(label, f'{label}=~"(?i)false|0|no"', "the label says so")
        return None
    kinds = {"type", "kind", "class", "code", "reason", "exception"}
    if wrong and words & kinds and not plain & listed("outcome_good"):
        matcher = f'{label}!="", {label}!~"(?i)none|ok"'
        return 1, FailureLabel(label, matcher, "the label is set", only_when_failed=True)
    clear = listed("outcome_good") | listed("outcome_bad")
    known = clear | listed("outcome_neither")
    if plain & clear and _most(plain, lambda v: v in known or _sounds_bad(v)):
        matcher = f'{label}=~"{_FAILED_WORDS}", {label}!~"{_CLIENTS_FAULT}"'
        return 2.5 + bonus, FailureLabel(label, matcher, "outcomes that say so")
    return None


def _sounds_bad(value: str) -> bool:
    return any(word in value for word in ("err", "fail", "timeout", "exception", "panic"))


def _most(values: set[str], fits: Callable[[str], bool]) -> bool:
    return bool(values) and sum(1 for v in values if fits(v)) >= _MOST * len(values)
