"""Judges one answer: does it name the right service and the right figure?

Useful is: it says neither healthy nor that it cannot tell (where it tells no verdict: it has
causes); the broken service is the first of the stage's services that the conclusion names, or that
of the first cause; the answer has evidence; and a line of it that names the service holds a figure
of the fault. For a slow service that is a time from half its mean to one and a half times its
slowest, for a failing one a share or a rate of errors within a third of the truth; the truth is
what its own metrics tell, over one, two and five minutes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.onboarding.judge import TIMES

_FIGURE = re.compile(
    r"(?<![\w.-])(\d+(?:,\d{3})*(?:\.\d+)?)\s*(%|percent|milliseconds|ms|seconds|s\b|"
    r"(?:\w+)/s|(?:\w+) per second|a second)?"
)
THIRD = 1 / 3
NO_FIGURE = "no figure beside its name is the fault's"  # the service is named rightly


@dataclass(frozen=True, slots=True)
class Fault:
    """What the stage broke, as its own metrics tell it at the time of the answer."""

    service: str
    kind: str  # errors | slow
    low: float  # seconds of the mean, or the share of errors over the longest window
    high: float  # seconds of the slowest, or the share over the shortest
    rates: tuple[float, float] = (0.0, 0.0)  # errors per second, over the same windows


def why_not_useful(answer: Mapping[str, Any], fault: Fault, services: Iterable[str]) -> str:
    """Return what an answer lacks; empty when it is useful."""
    if "failed" in answer:
        return f"it failed: {answer['failed']}"
    verdict, causes = str(answer.get("verdict", "")), answer.get("causes") or []
    if verdict in ("healthy", "cannot_tell", "recovered"):
        return f"the verdict is {verdict}"
    if not verdict and not causes:
        return "it names no cause"
    conclusion, whole = str(answer.get("conclusion", "")), str(answer.get("answer", ""))
    first = first_named(conclusion, services)
    of_cause = str(causes[0].get("service", "")) if causes else ""
    if fault.service not in (first, of_cause):
        return f"it names {first or of_cause or 'nobody'} first"
    if not answer.get("evidence"):
        return "it has no evidence"
    lines = [e for e in f"{conclusion}\n{whole}".splitlines() if first_named(e, [fault.service])]
    if not any(_fits(number, unit, fault) for line in lines for number, unit in figures(line)):
        return NO_FIGURE
    return ""


def first_named(text: str, services: Iterable[str]) -> str:
    """Return the service that a text names first; empty when it names none."""
    places = {
        name: found.start()
        for name in services
        if (found := re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))
    }
    return min(places, key=places.__getitem__) if places else ""


def figures(text: str) -> Iterable[tuple[float, str]]:
    """Yield the numbers of a text with the unit that stands behind them."""
    for found in _FIGURE.finditer(text):
        yield float(found[1].replace(",", "")), (found[2] or "").strip()


def _fits(number: float, unit: str, fault: Fault) -> bool:
    if fault.kind == "slow":
        return unit in TIMES and fault.low / 2 <= number * TIMES[unit] <= fault.high * 1.5
    if unit in ("%", "percent"):
        return _within(number / 100, fault.low, fault.high)
    if unit.endswith(("/s", "per second", "a second")):
        return _within(number, *fault.rates)
    return not unit and number < 1 and _within(number, fault.low, fault.high)


def _within(value: float, one: float, other: float) -> bool:
    low, high = sorted((one, other))
    return low * (1 - THIRD) <= value <= high * (1 + THIRD)
