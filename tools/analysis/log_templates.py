"""Masked lines merged into templates: what varies between alike lines is a parameter.

    form      the tokens of a line with its numbers, paths and addresses already masked
    skeleton  a form without the tokens that look like identifiers
    template  what several forms have in common

    open session of alice  ─┐
    open session of bob     ├─ one place, many words ─> open session of <*>
    open session of carol  ─┘

One place must show several values before it counts as a parameter: the fewer words hold the
sentence together, the more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import partial

from tools.analysis.log_masks import WILDCARD

Form = tuple[str, ...]
ROUNDS = 4
MANY = 8  # values that make a parameter even where little else holds the sentence together
SOME = 5  # the same for several words where one word is known to be a parameter
LONGEST_SPAN = 6  # words one parameter may have
LONGEST_HEAD = 20  # words before such a parameter
MOST_FOR_SPANS = 1_000  # forms; the search for spans costs LONGEST_HEAD × LONGEST_SPAN for each
_IDENTIFIER = re.compile(r"[(\[{\"']*[A-Za-z][\w\-]*[._$/@\\][\w$@.\\/-]+[)\]},;\"':]*")
_STATE = re.compile(r"[A-Z][A-Z_]+")
_KEYED = re.compile(r"([(\[{]*[A-Za-z_][\w.\-]*[=:])(?=[^\"'=:\s])(.+)")
_TRUTHS = frozenset({"true", "false"})
_TELLING = frozenset({"level", "lvl", "severity", "msg", "message", "error", "event"})
_WORD = re.compile(r"[A-Za-z]{2,}")


def merge(forms: Sequence[Form]) -> list[Form]:
    """Return each form's template, in the order given."""
    merged: dict[Form, Form] = {form: form for form in forms}
    for _ in range(ROUNDS):
        standing = sorted(set(merged.values()))
        steps = _step(standing)
        if not steps:
            break
        merged = {form: steps.get(now, now) for form, now in merged.items()}
    standing = sorted(set(merged.values()))
    if SOME <= len(standing) <= MOST_FOR_SPANS:
        steps = _spans(standing)
        merged = {form: steps.get(now, now) for form, now in merged.items()}
    return [merged[form] for form in forms]


def _step(forms: Sequence[Form]) -> dict[Form, Form]:
    """Return what this round merges: by skeleton, else by one varying place."""
    by_length: dict[int, list[Form]] = defaultdict(list)
    for form in forms:
        by_length[len(form)].append(form)
    steps: dict[Form, Form] = {}
    for alike in by_length.values():
        if len(alike) > 1:
            _unite(steps, _buckets(alike, _skeleton), _is_one_sentence)
    left = [form for form in forms if form not in steps]
    by_length.clear()
    for form in left:
        by_length[len(form)].append(form)
    for length, alike in by_length.items():
        for place in range(length):
            free = [form for form in alike if form not in steps]
            if len(free) < 2:
                break
            _unite(steps, _buckets(free, partial(_without, place)), partial(_varies, place))
    return steps


def _without(place: int, form: Form) -> Form:
    return form[:place] + form[place + 1 :]


def _buckets(forms: Iterable[Form], key: Callable[[Form], Hashable]) -> Iterable[list[Form]]:
    found: dict[Hashable, list[Form]] = defaultdict(list)
    for form in forms:
        found[key(form)].append(form)
    return [bucket for bucket in found.values() if len(bucket) > 1]


def _unite(
    steps: dict[Form, Form],
    buckets: Iterable[list[Form]],
    is_one: Callable[[list[Form]], bool],
) -> None:
    for bucket in buckets:
        if is_one(bucket):
            template = tuple(_common(column) for column in zip(*bucket, strict=True))
            for form in bucket:
                steps[form] = template


def _common(column: Sequence[str]) -> str:
    first = column[0]
    if all(token == first for token in column):
        return first
    keys = {match[1] if (match := _KEYED.fullmatch(token)) else "" for token in column}
    return (keys.pop() if len(keys) == 1 else "") + WILDCARD


def _skeleton(form: Form) -> Form:
    return tuple(_bone(token) for token in form)


def _bone(token: str) -> str:
    keyed = _KEYED.fullmatch(token)
    if keyed:
        return token if keyed[1].lower()[:-1] in _TELLING else keyed[1]
    if (
        token == WILDCARD
        or token.strip(",;.)").lower() in _TRUTHS
        or (_IDENTIFIER.fullmatch(token) and not _STATE.fullmatch(token))
    ):
        return WILDCARD
    return token


def _words(tokens: Iterable[str]) -> int:
    return sum(1 for token in tokens if WILDCARD not in token and _WORD.search(token))


def _is_one_sentence(bucket: list[Form]) -> bool:
    constant = [column[0] for column in zip(*bucket, strict=True) if len(set(column)) == 1]
    return _words(constant) >= 2


def _varies(place: int, bucket: list[Form]) -> bool:
    values = {form[place] for form in bucket}
    words = _words(_without(place, bucket[0]))
    if words == 0:
        return False
    if all(_STATE.fullmatch(value) for value in values - {WILDCARD}):
        return len(values) >= MANY
    return len(values) >= (MANY, MANY, 5, 4, 4, 3)[min(words, 5)]


def _spans(forms: Sequence[Form]) -> dict[Form, Form]:
    """Return what merges because a place holds one word here and several there."""
    found: dict[tuple[Form, Form], list[Form]] = defaultdict(list)
    for form in forms:
        for start in range(1, min(len(form), LONGEST_HEAD)):
            for end in range(start + 1, min(start + LONGEST_SPAN, len(form)) + 1):
                found[form[:start], form[end:]].append(form)
    steps: dict[Form, Form] = {}
    for (head, tail), bucket in sorted(found.items(), key=lambda item: -len(item[1])):
        free = [form for form in bucket if form not in steps]
        if len({len(form) for form in free}) < 2 or _words(head + tail) < 3:
            continue
        values = {form[len(head)] for form in free}
        if len(values) >= (SOME if WILDCARD in values else MANY):
            steps.update(dict.fromkeys(free, (*head, WILDCARD, *tail)))
    return steps
