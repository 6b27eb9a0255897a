"""Each system grouped by rules that were chosen without it.

A rule has to earn its place on the *other* systems: each is tried without, less and more, and what
groups the others best is taken for the system left out; where nothing differs, the first of its
list, which is to be without it or with the least of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import mean
from typing import Any

from bench.logs.grouping import Grouping, Score, System, scores
from tools.analysis.log_rules import RULES, LogRules
from tools.analysis.patterns import PatternMiner

NOBODY: frozenset[str] = frozenset()
CHOICES: dict[str, tuple[Any, ...]] = {
    "date_words": (NOBODY, RULES.date_words),
    "naming": (NOBODY, RULES.naming),
    "telling": (NOBODY, RULES.telling),
    "empty": (NOBODY, RULES.empty),
    "few": (0, 4, RULES.few, 6),
    "unseen": (0.02, RULES.unseen, 0.1),
    "longest_span": (0, 3, RULES.longest_span),
    "values": ((6, 6, 4, 3, 3, 2), RULES.values, (12, 12, 8, 6, 6, 4)),
    "first_values": (8, RULES.first_values),
    "constants": (5, RULES.constants, 12),
}
Tried = dict[tuple[str, Any], dict[str, tuple[float, float]]]  # system -> message GA, raw GA


def grouping_by(rules: LogRules) -> Grouping:
    """Return the shipped grouping with other rules."""
    return lambda lines: PatternMiner(rules).group(lines)


def left_out(
    systems: Sequence[System], others: Sequence[System]
) -> tuple[dict[str, Score], dict[str, Score], dict[str, str]]:
    """Return each system's scores, message and raw, and what was chosen otherwise than shipped.

    `others` help to choose and are not scored.
    """
    tried = _tried([*systems, *others])
    messages: dict[str, Score] = {}
    raw: dict[str, Score] = {}
    differing: dict[str, str] = {}
    for system in systems:
        chosen = {knob: _best(tried, knob, system.name) for knob in CHOICES}
        rules = replace(RULES, **chosen)
        messages |= scores([system], grouping_by(rules), raw=False)
        raw |= scores([system], grouping_by(rules), raw=True)
        differing[system.name] = ", ".join(
            knob for knob, value in chosen.items() if value != getattr(RULES, knob)
        )
    return messages, raw, differing


def _tried(systems: Sequence[System]) -> Tried:
    shipped = _both(systems, RULES)
    return {
        (knob, value): shipped
        if value == getattr(RULES, knob)
        else _both(systems, replace(RULES, **{knob: value}))
        for knob, values in CHOICES.items()
        for value in values
    }


def _both(systems: Sequence[System], rules: LogRules) -> dict[str, tuple[float, float]]:
    messages = scores(systems, grouping_by(rules), raw=False)
    raw = scores(systems, grouping_by(rules), raw=True)
    return {name: (messages[name].ga, raw[name].ga) for name in messages}


def _best(tried: Tried, knob: str, without: str) -> Any:
    return max(CHOICES[knob], key=partial(_worth, tried, knob, without))


def _worth(tried: Tried, knob: str, without: str, value: Any) -> float:
    found = tried[knob, value]
    return round(mean(sum(pair) for name, pair in found.items() if name != without), 6)
