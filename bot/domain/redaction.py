"""Secrets never leave: what looks like one, or is one we know, is cut out of any text.

    foreign text ──a door: redactor.text / json / cause / change / case──> kept, shown, sent

The one module that cuts. It is called at listed doors only: docs/redaction.md says the rule and
names each door, and a test keeps list and code the same. A cut keeps the kind, so a reader knows
what stood there: `[redacted: slack token]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tools.world import Cause, Change, SimilarCase

# Ordered: specific before general. Each has one group only where a prefix must survive.
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "private key",
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
        ),
    ),
    ("slack token", re.compile(r"\bx(?:ox[abeprs]|app)-[A-Za-z0-9-]{8,}")),
    ("api key", re.compile(r"\bsk-[A-Za-z0-9_-]{16,}")),
    ("github token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})")),
    ("aws key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("google key", re.compile(r"\bAIza[0-9A-Za-z_-]{30,}")),
    ("jwt", re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")),
    ("url password", re.compile(r"(?<=://)([^\s:/@]+):([^\s@/]{3,})(?=@)")),
    ("authorization", re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9+/._~=-]{12,}")),
    (
        "secret",
        re.compile(
            r"(?i)(\b[a-z0-9_.-]*(?:passw(?:or)?d|secret|api[_-]?key|access[_-]?key|private[_-]?key"
            r"|auth[_-]?token|token|credential|mnemonic|seed[_-]?phrase)"
            r"|密码|口令|密钥|私钥|令牌|助记词)"
            r"(\"?\s*(?:[:=：]|[是为](?=[!-~]))\s*\"?)([^\s\"',;&}，。；、]{4,})"
        ),
    ),
)
_SHORTEST_KNOWN = 6  # a shorter "secret" would cut ordinary words


class Redactor:
    """Cuts secrets out of text, JSON and the nouns that carry text of others."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        """Remember the exact values we hold (tokens, keys, passwords of URLs)."""
        values = sorted({v for v in known if len(v) >= _SHORTEST_KNOWN}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, values))) if values else None

    def text(self, text: str) -> str:
        """Return the text without secrets."""
        if self._known is not None:
            text = self._known.sub("[redacted: known secret]", text)
        for kind, pattern in _KINDS:
            text = pattern.sub(lambda m, k=kind: _cut(m, k), text)  # type: ignore[misc]
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
        if isinstance(value, str) and value:
            probe = f"{key}={value.split(maxsplit=1)[0]}" if value.split() else ""
            if probe and _KINDS[-1][1].fullmatch(probe):
                return "[redacted: secret]"
        return self.json(value)


def _cut(match: re.Match[str], kind: str) -> str:
    if kind == "secret":
        if "[redacted" in match[3]:
            return match[0]
        return f"{match[1]}{match[2]}[redacted: secret]"
    if kind == "url password":
        return f"{match[1]}:[redacted: password]"
    return f"[redacted: {kind}]"
