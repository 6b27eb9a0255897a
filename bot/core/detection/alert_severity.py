"""What severity an alert has: a table from its own word to ours.

A word that no table knows is taken seriously and told, never made a middle value in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from bot.domain.alert import SeverityWord
from tools.world import Severity

LABELS = ("severity", "severity_level", "level", "priority")
_WORDS: Mapping[Severity, tuple[str, ...]] = {
    Severity.CRITICAL: (
        "critical", "crit", "page", "fatal", "emergency", "disaster", "blocker",
        "p0", "p1", "sev0", "sev1", "s0", "s1",
    ),
    Severity.HIGH: ("high", "error", "err", "major", "urgent", "alert", "p2", "sev2", "s2"),
    Severity.MEDIUM: (
        "warning", "warn", "medium", "moderate", "average", "minor", "ticket", "p3", "sev3", "s3",
    ),
    Severity.LOW: (
        "low", "info", "information", "informational", "notice", "none", "ok", "debug",
        "p4", "p5", "sev4", "sev5", "s4", "s5",
    ),
}  # fmt: skip
WORDS: Mapping[str, Severity] = MappingProxyType(
    {word: severity for severity, words in _WORDS.items() for word in words}
)


@dataclass(frozen=True, slots=True)
class SeverityTable:
    """The words of a platform over the usual ones."""

    words: Mapping[str, Severity] = field(default_factory=dict)  # in small letters
    unknown: Severity = Severity.HIGH  # of a word in no table, and of an alert that says none

    def of(self, labels: Mapping[str, str]) -> tuple[Severity, SeverityWord]:
        """Return an alert's severity, and the word that it was read from."""
        said = next((labels[name] for name in LABELS if labels.get(name, "").strip()), "")
        word = said.strip().lower()
        found = self.words.get(word) or WORDS.get(word)
        return found or self.unknown, SeverityWord(said.strip(), known=found is not None)
