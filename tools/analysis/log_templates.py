"""Masked lines merged into templates: what varies between alike lines is a parameter.

    form      the tokens of a line with its numbers, paths and addresses already masked
    skeleton  a form without the tokens that look like identifiers
    template  what several forms have in common

    open session of alice  ─┐
    open session of bob     ├─ one place, many words ─> open session of <*>
    open session of carol  ─┘

One place must show several values before it counts as a parameter: the fewer words hold the
sentence together, the more. A few values that come again and again are states, and stay apart:

    VM <*> Paused  (22 lines)  ─┐
    VM <*> Resumed (44 lines)   ├─ nothing new is to be expected ─> three templates
    VM <*> Stopped (21 lines)  ─┘
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial

from tools.analysis.log_masks import UNSPACED
from tools.analysis.log_rules import RULES, WILDCARD, LogRules

Form = tuple[str, ...]
ROUNDS = 4
OFTEN = 10  # lines of each value before anything is said of their number
LONGEST_HEAD = 20  # words before a parameter of several words
MOST_FOR_SPANS = 1_000  # forms; the search costs LONGEST_HEAD × `longest_span` for each
LEAST_FOR_SPANS = 5
_IDENTIFIER = re.compile(r"[(\[{\"']*[A-Za-z][\w\-]*[._$/@\\][\w$@.\\/-]+[)\]},;\"':]*")
_CONSTANT = re.compile(r"(?:\w+[./$])*[A-Z][A-Z_]+")  # RUNNING, action.SCREEN_ON
_KEYED = re.compile(r"([(\[{]*[A-Za-z_][\w.\-]*[=:])(?=[^\"'=:\s])(.+)")
_TRUTHS = frozenset({"true", "false"})
_VALUE = re.compile(rf".*{re.escape(WILDCARD)}|[(\[<].*[)\]>][,;:.]*")
_QUOTED = re.compile(r"([\"'`]).*\1[,;:.)]*")
_WORD = re.compile(r"[^\W\d_]{2,}")
_UNSPACED = re.compile(f"[{UNSPACED}]{{3,}}")
_AFFIXES = (slice(0, 2), slice(-2, None))  # characters that alike words of unspaced writing share


def merge(
    forms: Sequence[Form], counts: Sequence[int] | None = None, rules: LogRules = RULES
) -> list[Form]:
    """Return each form's template, in the order given; `counts`: lines of each form, else one."""
    lines: Counter[Form] = Counter()
    for form, count in zip(forms, counts or [1] * len(forms), strict=True):
        lines[form] += count
    merged: dict[Form, Form] = {form: form for form in forms}
    for _ in range(ROUNDS):
        steps = _Round(_standing(merged, lines), rules).step()
        if not steps:
            break
        merged = {form: steps.get(now, now) for form, now in merged.items()}
    standing = _standing(merged, lines)
    if LEAST_FOR_SPANS <= len(standing) <= MOST_FOR_SPANS:
        steps = _spans(sorted(standing), rules)
        merged = {form: steps.get(now, now) for form, now in merged.items()}
    return [merged[form] for form in forms]


def _standing(merged: Mapping[Form, Form], lines: Mapping[Form, int]) -> Counter[Form]:
    found: Counter[Form] = Counter()
    for form, now in sorted(merged.items()):
        found[now] += lines[form]
    return found


class _Round:
    """One round of merging: by skeleton, else by one varying place."""

    def __init__(self, lines: Counter[Form], rules: LogRules) -> None:
        self._lines, self._rules = lines, rules
        self._steps: dict[Form, Form] = {}

    def step(self) -> dict[Form, Form]:
        """Return what this round merges."""
        for alike in _by_length(sorted(self._lines)).values():
            for bucket in _buckets(alike, self._skeleton):
                if _is_one_sentence(bucket):
                    for apart in self._by_states(bucket):
                        self._unite(apart)
        left = (form for form in sorted(self._lines) if form not in self._steps)
        for length, alike in _by_length(left).items():
            for place in range(length):
                free = [form for form in alike if form not in self._steps]
                if len(free) < 2:
                    break
                for affix in _affixes(form[place] for form in free):
                    self._vary(place, affix, free)
        return self._steps

    def _vary(self, place: int, affix: slice, forms: Iterable[Form]) -> None:
        free = (form for form in forms if form not in self._steps)
        for bucket in _buckets(free, partial(_around, place, affix)):
            if self._varies(place, bucket):
                self._unite(bucket)

    def _unite(self, bucket: list[Form]) -> None:
        template = tuple(self._common(column) for column in zip(*bucket, strict=True))
        for form in bucket:
            self._steps[form] = template

    def _common(self, column: Sequence[str]) -> str:
        first = column[0]
        if all(token == first for token in column):
            return first
        if all(map(_UNSPACED.match, column)):
            head = _prefix(column)
            rest = [token[len(head) :][::-1] for token in column]
            return head + WILDCARD + _prefix(rest)[::-1]
        alike = set(map(self._filled, column))
        if len(alike) == 1:
            return alike.pop()
        keys = {match[1] if (match := _KEYED.fullmatch(token)) else "" for token in column}
        return (keys.pop() if len(keys) == 1 else "") + WILDCARD

    # ------------------------------------------------------------------ is it one sentence

    def _skeleton(self, form: Form) -> Form:
        return tuple(map(self._bone, form))

    def _filled(self, token: str) -> str:
        return f"{token[0]}{WILDCARD}{token[1]}" if token in self._rules.empty else token

    def _bone(self, token: str) -> str:
        token = self._filled(token)
        keyed = _KEYED.fullmatch(token)
        if keyed:
            return token if keyed[1].lower()[:-1] in self._rules.telling else keyed[1]
        is_identifier = _IDENTIFIER.fullmatch(token) and not _CONSTANT.fullmatch(token)
        return WILDCARD if token == WILDCARD or _is_truth(token) or is_identifier else token

    def _by_states(self, bucket: list[Form]) -> Iterable[list[Form]]:
        """Return the forms of a bucket apart by those keyed values that are states."""
        places = [
            place
            for place, column in enumerate(zip(*bucket, strict=True))
            if len(set(column)) > 1
            and all(map(_KEYED.fullmatch, column))
            and not all(_is_truth(token.rpartition("=")[2]) for token in column)
            and self._are_states(place, bucket)
        ]
        if not places:
            return [bucket]
        return _buckets(bucket, lambda form: tuple(form[place] for place in places))

    def _varies(self, place: int, bucket: list[Form]) -> bool:
        rules, values = self._rules, {form[place] for form in bucket}
        is_unspaced = bool(_UNSPACED.match(bucket[0][place]))  # they share an end of it
        words = _words(_without(place, bucket[0])) + is_unspaced
        if words == 0:
            return False
        least = rules.values[min(words, len(rules.values) - 1)]
        if all(map(_CONSTANT.fullmatch, values - {WILDCARD})):
            least = rules.constants
        elif place == 0 and not (is_unspaced or any(map(_VALUE.match, values))):
            least = rules.first_values
        return len(values) >= least and not self._are_states(place, bucket)

    def _are_states(self, place: int, bucket: list[Form]) -> bool:
        """Whether the values of a place are few and known: the next line hardly brings a new one.

        That chance is the share of lines whose value was seen once (Good and Turing's estimate).
        Where most lines hold a masked value the others are values too; quotes mark values as well.
        """
        values: Counter[str] = Counter()
        for form in bucket:
            values[form[place]] += self._lines[form]
        masked = sum(count for value, count in values.items() if WILDCARD in value)
        if 2 * masked > values.total() or all(map(_QUOTED.fullmatch, values)):
            return False
        once = sum(1 for count in values.values() if count == 1)
        are_known = once < self._rules.unseen * values.total()
        return are_known and len(values) < min(self._rules.few, values.total() / OFTEN)


def _by_length(forms: Iterable[Form]) -> dict[int, list[Form]]:
    found: dict[int, list[Form]] = defaultdict(list)
    for form in forms:
        found[len(form)].append(form)
    return found


def _without(place: int, form: Form) -> Form:
    return form[:place] + form[place + 1 :]


def _affixes(tokens: Iterable[str]) -> Sequence[slice]:
    return _AFFIXES if any(map(_UNSPACED.match, tokens)) else _AFFIXES[:1]


def _around(place: int, affix: slice, form: Form) -> tuple[Form, str]:
    """Return what must be equal where a place varies: the others, and an end of a long word."""
    token = form[place]
    return _without(place, form), token[affix] if _UNSPACED.match(token) else ""


def _buckets(forms: Iterable[Form], key: Callable[[Form], Hashable]) -> Iterable[list[Form]]:
    found: dict[Hashable, list[Form]] = defaultdict(list)
    for form in forms:
        found[key(form)].append(form)
    return [bucket for bucket in found.values() if len(bucket) > 1]


def _prefix(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    equal = (place for place, each in enumerate(first) if not last.startswith(each, place))
    return first[: next(equal, len(first))]


def _is_truth(token: str) -> bool:
    return token.strip(",;.()[]").lower() in _TRUTHS


def _words(tokens: Iterable[str]) -> int:
    return sum(1 for token in tokens if WILDCARD not in token and _WORD.search(token))


def _is_one_sentence(bucket: list[Form]) -> bool:
    constant = [column[0] for column in zip(*bucket, strict=True) if len(set(column)) == 1]
    return _words(constant) >= 2


def _spans(forms: Sequence[Form], rules: LogRules) -> dict[Form, Form]:
    """Return what merges because a place holds one word here and several there."""
    found: dict[tuple[Form, Form], list[Form]] = defaultdict(list)
    for form in forms:
        for start in range(1, min(len(form), LONGEST_HEAD)):
            for end in range(start + 1, min(start + rules.longest_span, len(form)) + 1):
                found[form[:start], form[end:]].append(form)
    steps: dict[Form, Form] = {}
    for (head, tail), bucket in sorted(found.items(), key=lambda item: -len(item[1])):
        free = [form for form in bucket if form not in steps]
        words = _words(head + tail)
        if len({len(form) for form in free}) < 2 or words < 3:
            continue
        values = {form[len(head)] for form in free}
        is_sure = words >= rules.long or WILDCARD in values
        if len(values) >= (rules.sure_span_values if is_sure else rules.span_values):
            steps.update(dict.fromkeys(free, (*head, WILDCARD, *tail)))
    return steps
