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

from bot.domain.secret_shapes import occurring, tells
from bot.domain.secret_values import Shape
from foundation.encodings import patterns_of, writable
from tools.world import Cause, Change, SimilarCase

_SHORTEST_KNOWN = 6  # a shorter "secret" would cut ordinary words


class Redactor:
    """Cuts secrets out of text, JSON and the nouns that carry text of others."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Remember the exact values we hold (tokens, keys, passwords of URLs)."""
        values = {v for v in known if len(v) >= _SHORTEST_KNOWN}
        forms = sorted({form for v in values for form in patterns_of(v)}, key=len, reverse=True)
        self._known = re2.compile("|".join(forms)) if forms else None

    def text(self, text: str) -> str:
        """Return the text without secrets; half a character becomes `?`."""
        text = writable(text)
        if self._known is not None:
            text = self._known.sub("[redacted: known secret]", text)
        for shape, pattern in occurring(text):
            text = pattern.sub(lambda m, s=shape: _cut(m, s), text)
        return text

    def json(self, value: Any) -> Any:
        """Return plain JSON with every string, key included, redacted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            # {"name": "DB_PASSWORD", "value": …} is how manifests and forms write a pair
            pair = value.get("name") or value.get("key")
            names = {"value": pair} if isinstance(pair, str) else {}
            return {
                self.text(str(k)): self._member(names.get(str(k), str(k)), v)
                for k, v in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.json(v) for v in value]
        return value

    def cause(self, cause: Cause) -> Cause:
        """Return a cause that anybody may read."""
        reasons = tuple(map(self.text, cause.reasons))
        return replace(cause, cause=self.text(cause.cause), reasons=reasons)

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

    def _member(self, key: str, value: Any) -> Any:
        """Redact a member whose key alone says that it is a secret."""
        if isinstance(value, str) and tells(key, value):
            return "[redacted: secret]"
        if isinstance(value, list | tuple):
            return [self._member(key, each) for each in value]
        return self.json(value)


def _cut(match: Any, shape: Shape) -> str:
    whole, secret = match[0], match[shape.cut]
    if secret is None or "[redacted" in secret or not shape.judge(secret):
        return str(whole)
    start = match.start(shape.cut) - match.start(0)
    edge = len(secret) - len(secret.lstrip("\\\"'`"))  # quotes stay, so that a file stays one
    return f"{whole[: start + edge]}[redacted: {shape.kind}]{whole[start + len(secret) :]}"
