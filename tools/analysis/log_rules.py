"""What the grouping of log lines goes by: one set of rules for every system.

Whoever measures a rule changes it here: a list is emptied, a number moved.
"""

from __future__ import annotations

from dataclasses import dataclass

WILDCARD = "<*>"
MANY = 8
_DAYS_AND_MONTHS = "Mon Tue Wed Thu Fri Sat Sun Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec"


@dataclass(frozen=True, slots=True)
class LogRules:
    """How lines are masked and merged. Numbers are counts of words or of different values."""

    date_words: frozenset[str] = frozenset(_DAYS_AND_MONTHS.split())  # beside a number: a date
    naming: frozenset[str] = frozenset({"user", "username", "uid"})  # the next word is a name
    telling: frozenset[str] = frozenset(  # keys whose values say what happened
        {"level", "lvl", "severity", "msg", "message", "error", "event"}
    )
    empty: frozenset[str] = frozenset({"()", "[]", '""'})  # like the same with a value inside
    values: tuple[int, ...] = (MANY, MANY, 5, 4, 4, 3)  # that make a parameter, by constant words
    first_values: int = 4 * MANY  # the same for the first word, which mostly names what happened
    constants: int = MANY  # the same for constants (RUNNING), which mostly are states
    span_values: int = MANY  # the same for a parameter of several words
    sure_span_values: int = 5  # … in a long sentence, or where one word is known to be a value
    long: int = 5  # constant words that hold a sentence together well
    longest_span: int = 6  # words that one parameter may have
    unseen: float = 0.05  # chance of a new value below which a few values are states
    few: int = 5  # values; from here on they are no states, however well known


RULES = LogRules()
