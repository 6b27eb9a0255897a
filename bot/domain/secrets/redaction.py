"""Secrets never leave: what looks like one, or is one we know, is cut out of any text.

    foreign text ──a door: redactor.text / json / cause / change / case──> kept, shown, sent

The one module that cuts. It is called at listed doors only: docs/redaction.md says the rule and
names each door, and a test keeps list and code the same. A cut keeps the kind, so a reader knows
what stood there: `[redacted: slack token]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import re2

from bot.domain.secrets.secret_pairs import (
    VALUES,
    is_telling,
    names_in,
    names_of,
    tells_plainly,
    without_data,
)
from bot.domain.secrets.secret_shapes import occurring
from bot.domain.secrets.secret_values import Shape
from foundation.encodings import patterns_of, writable
from foundation.hidden import plain
from tools.world import Cause, Change, SimilarCase

CUT = "[redacted: secret]"
DEEPEST = 60  # of what is looked through: mappings and lists inside each other
_SHORTEST_BEGINNING = 12  # of one of ours: prefixes of issuers are shorter
_SHORTEST_KNOWN = 6  # a shorter "secret" would cut ordinary words


class Redactor:
    """Cuts secrets out of text, JSON and the nouns that carry text of others."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Remember the exact values we hold (tokens, keys, passwords of URLs)."""
        values = {v for v in known if len(v) >= _SHORTEST_KNOWN}
        wholes = {form for v in values for form in patterns_of(v)}
        forms = [*sorted(wholes, key=len, reverse=True), *filter(None, map(_beginning, values))]
        self._known = re2.compile("|".join(forms)) if forms else None

    def text(self, text: str) -> str:
        """Return the text without secrets; half a character becomes `?`.

        Where a secret is found only when what hides in the text is left out, so it is returned.
        """
        found = self._found(writable(text))
        read = plain(found)
        if read != found and (cut := self._found(read)) != read:
            return cut
        return found

    def _found(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub("[redacted: known secret]", text)
        for shape, pattern in occurring(text):
            text = pattern.sub(lambda m, s=shape: _cut(m, s), text)
        return text

    def json(self, value: Any) -> Any:
        """Return plain JSON with every string, key included, redacted."""
        return self._json(value, DEEPEST)

    def _json(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping | list | tuple) and not depth:
            return "[redacted: nested too deep]"
        if isinstance(value, Mapping):
            value, names = without_data(value, CUT), names_of(value)
            return {
                self.text(str(k)): self._member(names.get(str(k), str(k)), v, depth - 1)
                for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            named = zip(names_in(value), value, strict=True)
            return [self._member(name, each, depth - 1) for name, each in named]
        return value

    def cause(self, cause: Cause) -> Cause:
        """Return a cause that anybody may read."""
        path = tuple(
            replace(
                step,
                sentence=self.text(step.sentence),
                tests=tuple(replace(t, sentence=self.text(t.sentence)) for t in step.tests),
            )
            for step in cause.path
        )
        return replace(
            cause,
            cause=self.text(cause.cause),
            reasons=tuple(map(self.text, cause.reasons)),
            subject=self.text(cause.subject),
            settle=self.text(cause.settle),
            path=path,
        )

    def change(self, change: Change) -> Change:
        """Return a change that anybody may read."""
        return replace(
            change,
            summary=self.text(change.summary),
            before=self.text(change.before),
            after=self.text(change.after),
            author=self.text(change.author),
        )

    def case(self, case: SimilarCase) -> SimilarCase:
        """Return a past case that anybody may read."""
        return replace(case, title=self.text(case.title), snippet=self.text(case.snippet))

    def _member(self, key: str, value: Any, depth: int) -> Any:
        """Redact a member whose key alone says that it is a secret."""
        if isinstance(value, str | int | float) and tells_plainly(key, value):
            return CUT
        if not isinstance(value, Mapping | list | tuple) or not depth or not is_telling(key):
            return self._json(value, depth)
        if isinstance(value, Mapping):
            # {"password": {"old": …, "new": …}}; names of objects beside them stay
            names = {k: key if str(k).lower() in VALUES else str(k) for k in value}
            return {
                self.text(str(k)): self._member(names[k], each, depth - 1)
                for k, each in value.items()
            }
        return [self._member(key, each, depth - 1) for each in value]


def _beginning(value: str) -> str:
    """Return a pattern of more than half of a secret, as a text that was shortened ends with it."""
    half = max(_SHORTEST_BEGINNING, len(value) // 2 + 1)
    if "://" in value or half >= len(value):
        return ""  # half of an address is its host
    return rf"{re2.escape(value[:half])}[^\s\"']*"


def _cut(match: Any, shape: Shape) -> str:
    whole, secret = match[0], match[shape.cut]
    if secret is None or "[redacted" in secret or not shape.judge(secret):
        return str(whole)
    start = match.start(shape.cut) - match.start(0)
    edge = len(secret) - len(secret.lstrip("\\\"'`"))  # quotes stay, so that a file stays one
    return f"{whole[: start + edge]}[redacted: {shape.kind}]{whole[start + len(secret) :]}"
